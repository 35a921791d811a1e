"""Named presets of published protocols: the sampler, the number of samples and their labels, set at once.

A preset is a key of a spec like any other and part of its id, and of the protocol of each figure; the keys that it sets
can't be set to anything else beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zigbench.spec.errors import Fault
from zigbench.spec.overrides import flatten

KEY = "evaluation.preset"


@dataclass(frozen=True)
class Preset:
    """A published protocol.

    Args:
        source: where it is from, and what it leaves open.
        keys: dotted keys of a spec, with their values.
        metrics: the metrics that are published under it.
        statistics: whether samples are compared with a file of statistics, not with a split of the data.
    """

    source: str
    keys: Mapping[str, Any]
    metrics: tuple[str, ...]
    statistics: bool = False


_ADM_METRICS = ("fid", "sfid", "inception_score", "precision", "recall")
_ADM = {"evaluation.samples": 50_000, "evaluation.labels": "uniform"}

PRESETS: Mapping[str, Preset] = {
    "adm-50k": Preset(
        "Dhariwal and Nichol (2021), as DiT draws for it: 250 ancestral steps, labels drawn uniformly, ADM's file of "
        "statistics; guidance is the run's own",
        {**_ADM, "sampler.solver": "ddpm", "sampler.steps": 250},
        _ADM_METRICS,
        statistics=True,
    ),
    "sit-250-sde": Preset(
        "Ma et al. (2024), their code: Euler–Maruyama with w(t) = 2σ, a last step of 0.04 to the mean, labels drawn "
        "uniformly, ADM's file of statistics; guidance is the run's own",
        {
            **_ADM,
            "sampler.solver": "euler-maruyama",
            "sampler.steps": 250,
            "sampler.diffusion": "sigma",
            "sampler.diffusion_scale": 2.0,
            "sampler.last_step": "mean",
            "sampler.last_step_size": 0.04,
        },
        _ADM_METRICS,
        statistics=True,
    ),
    "zigma-5k": Preset(
        "Hu et al. (2024), the paper: an ODE and 5,000 samples against training images; FDD on pixels of 0 to 1",
        {
            "evaluation.samples": 5_000,
            "evaluation.reference": "train",
            "sampler.solver": "dopri5",
            "sampler.rtol": 1e-3,
            "sampler.atol": 1e-6,
            "sampler.guidance": 1.0,
        },
        ("fid", "kid", "fdd"),
    ),
    "released-zigma-5k": Preset(
        "Hu et al. (2024), the released code: dopri5, 5,000 samples against 5,000 training images, FDD on pixels of 0 "
        "to 255",
        {
            "evaluation.samples": 5_000,
            "evaluation.reference": "train",
            "evaluation.reference_count": 5_000,
            "sampler.solver": "dopri5",
            "sampler.steps": 50,
            "sampler.rtol": 1e-3,
            "sampler.atol": 1e-6,
            "sampler.guidance": 1.0,
        },
        ("fid", "kid", "fdd_released"),
    ),
}
"""All presets by name."""


def with_preset(nested: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested keys of a spec with those that its preset sets, where they are not given."""
    result = dict(nested)
    evaluation = nested.get("evaluation")
    name = evaluation.get("preset") if isinstance(evaluation, Mapping) else getattr(evaluation, "preset", None)
    if not isinstance(name, str) or name not in PRESETS:
        return result
    for path, value in PRESETS[name].keys.items():
        section, key = path.split(".")
        keys = result.get(section, {})
        if isinstance(keys, Mapping):  # A section that was parsed before has them.
            result[section] = {key: value, **keys}
    return result


def faults_of_preset(resolved: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield a fault for each key of a resolved spec that is not as its preset sets it."""
    flat = flatten(resolved)
    name = flat.get(KEY)
    if name is None:
        return
    preset = PRESETS[name]
    for path, value in preset.keys.items():
        if flat.get(path) != value:
            yield Fault(path, str(flat.get(path)), f"{KEY}={name} sets {value!r}", "leave out one of the two")
    reference = flat["evaluation.reference"]
    if preset.statistics and not reference.endswith(".npz"):
        yield Fault("evaluation.reference", repr(reference), f"{KEY}={name} compares with a file of statistics (.npz)")
