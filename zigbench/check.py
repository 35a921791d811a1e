"""The public contract of a backbone, checked on small networks: ``zigbench check NAME``, and in every test run.

The networks are built small on four geometries (non-square, odd-sided, with labels, with text), and those of a family
that maps clips on two more. A family that is initialised with zeros does not depend on its conditions yet: dependences
are therefore checked after a little seeded noise was added to every trained parameter.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from zigbench.backbone import NO_LABEL, Geometry, build_from, count_parameters
from zigbench.interpolant.interpolant import prediction_of
from zigbench.objectives.tangent import total_derivative
from zigbench.spec import NetworkSpec, registry

GEOMETRIES = {
    "non-square": Geometry(channels=2, height=4, width=12, patch=2),
    "odd": Geometry(channels=1, height=5, width=3, patch=1),
    "labels": Geometry(channels=1, height=6, width=4, patch=2, classes=3),
    "text": Geometry(channels=1, height=4, width=6, patch=2, context=(3, 8)),
}
CLIPS = {
    "clips": Geometry(channels=1, height=3, width=5, patch=1, frames=3, classes=3),
    "clips, text": Geometry(channels=2, height=4, width=6, patch=2, frames=2, context=(3, 8)),
}
SMALL = {"width": 32, "depth": 4}
BATCH = 3
NOISE = 0.05


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: what was checked.
        geometry: on which of ``GEOMETRIES`` and ``CLIPS``.
        status: ``skipped`` where it has no meaning for this family.
        detail: figures, or the reason of the failure.
    """

    name: str
    geometry: str
    status: Literal["passed", "failed", "skipped"]
    detail: str = ""


def check(
    name: str, *, config: Mapping[str, Any] | None = None, geometries: Mapping[str, Geometry] | None = None
) -> list[Check]:
    """Check the registered backbone ``name`` against the contract.

    Args:
        name: a registered family.
        config: keywords of :func:`zigbench.backbone.build`. Without a size among them the width is 32 and the depth 4,
            where the family has them.
        geometries: named geometries; by default ``GEOMETRIES``, and ``CLIPS`` for a family that maps clips.

    Raises:
        ValueError: an unknown family or keyword. A fault of the network is a result, not an error.
    """
    family = registry.backbones.get(name)
    config = dict(config or {})
    if "size" not in config:
        config = {key: value for key, value in SMALL.items() if key in family.model_fields} | config
    network = NetworkSpec.of(name, **config)
    if geometries is None:
        geometries = {**GEOMETRIES, **(CLIPS if family.clips else {})}
    results: list[Check] = []
    for label, geometry in geometries.items():
        problems = [str(fault) for fault in network.faults(geometry)]
        if problems:
            results.append(Check("builds", label, "skipped", "; ".join(problems)))
        else:
            results.extend(_check_on(label, geometry, network))
    return results


def _check_on(label: str, geometry: Geometry, network: NetworkSpec) -> Iterator[Check]:
    try:
        subject = _Subject(geometry, network)
    except (RuntimeError, ValueError, TypeError, AttributeError) as error:
        yield Check("builds", label, "failed", f"{type(error).__name__}: {error}")
        return
    for name, law in LAWS.items():
        try:
            detail = law(subject)
        except _SkippedError as reason:
            yield Check(name, label, "skipped", str(reason))
        except (_BrokenError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            kind = "" if isinstance(error, _BrokenError) else f"{type(error).__name__}: "
            yield Check(name, label, "failed", f"{kind}{error}")
        else:
            yield Check(name, label, "passed", detail)


class _BrokenError(Exception):
    """A law of the contract that does not hold."""


class _SkippedError(Exception):
    """A law that has no meaning here."""


class _Subject:
    """A small network as built, its copy with noise in the parameters, and a batch for them."""

    def __init__(self, geometry: Geometry, spec: NetworkSpec) -> None:
        self.geometry = geometry
        self.spec = spec
        self.fresh = build_from(spec, geometry, seed=0)
        self.network = build_from(spec, geometry, seed=0).eval()
        self.generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in self.network.parameters():
                if parameter.requires_grad:
                    parameter.add_(self.draw(*parameter.shape), alpha=NOISE)
        self.x = self.draw(BATCH, *geometry.sample_shape)
        self.t = torch.linspace(0.1, 0.9, BATCH)
        self.conditions: dict[str, Tensor] = {}
        if geometry.classes is not None:
            self.conditions["label"] = torch.arange(BATCH) % geometry.classes
        if geometry.context is not None:
            self.conditions["context"] = self.draw(BATCH, *geometry.context)
        if getattr(spec.config, "times", 1) == 2:
            self.conditions["end"] = (1 + self.t) / 2

    def draw(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator)

    def output(self, **changes: Tensor | None) -> Tensor:
        given: dict[str, Any] = {"x": self.x, "t": self.t, **self.conditions, **changes}
        with torch.no_grad():
            return self.network(given.pop("x"), given.pop("t"), **given)


def _shape(subject: _Subject) -> str:
    shape = list(subject.x.shape)
    shape[-3] *= 2 if subject.spec.config.learned_sigma else 1
    for name, network in (("fresh", subject.fresh), ("moved", subject.network)):
        out = network(subject.x, subject.t, **subject.conditions)
        if list(out.shape) != shape or out.dtype != subject.x.dtype:
            raise _BrokenError(f"expected {tuple(shape)} {subject.x.dtype}, got {tuple(out.shape)} {out.dtype}")
        if not out.isfinite().all():
            raise _BrokenError(f"the {name} network's output is not finite")
    return str(tuple(shape))


def _gradients(subject: _Subject) -> str:
    network = subject.network
    network.zero_grad()
    out = network(subject.x, subject.t, **subject.conditions)
    (out * torch.linspace(0.5, 1.5, out.numel()).reshape(out.shape)).sum().backward()
    trained = {key: value for key, value in network.named_parameters() if value.requires_grad}
    missed = [key for key, value in trained.items() if value.grad is None or not value.grad.any()]
    wild = [key for key, value in trained.items() if value.grad is not None and not value.grad.isfinite().all()]
    network.zero_grad()
    if missed or wild:
        raise _BrokenError(
            "; ".join([f"no gradient: {key}" for key in missed] + [f"not finite: {key}" for key in wild])
        )
    return f"{len(trained)} tensors"


def _depends(word: str) -> Callable[[_Subject], str]:
    def law(subject: _Subject) -> str:
        if word == "end" and word not in subject.conditions:
            raise _SkippedError("a network of one time input")
        if word in ("label", "context") and word not in subject.conditions:
            raise _SkippedError(f"no {word} on this geometry")
        changes: dict[str, Tensor] = {
            "x": subject.x.flip(0),
            "t": 1.0 - 0.5 * subject.t,
            "end": subject.t,
            "label": subject.conditions.get("label", subject.t).roll(1),
            "context": subject.conditions.get("context", subject.t).flip(0),
        }
        moved = (subject.output() - subject.output(**{word: changes[word]})).abs().max().item()
        if not moved > 1e-6:
            raise _BrokenError(f"another {word} gives the same output (largest difference {moved:.2g})")
        return f"largest difference {moved:.2g}"

    return law


def _forward_mode(subject: _Subject) -> str:
    if "end" not in subject.conditions:
        raise _SkippedError("a network of one time input")
    network, h = copy.deepcopy(subject.network).double(), 1e-5
    x, t = subject.x.double(), subject.t.double()
    fixed = {key: value.double() if value.is_floating_point() else value for key, value in subject.conditions.items()}
    along = subject.draw(*x.shape).double()
    with torch.no_grad():
        ahead, behind = (prediction_of(network(x + s * along, t + s, **fixed), x) for s in (h, -h))
    exact = (ahead - behind) / (2 * h)
    derivative = total_derivative(subject.network, subject.x, subject.t, along.float(), **subject.conditions)
    error = float((derivative - exact).abs().max() / exact.abs().max())
    if not error < 1e-2:
        raise _BrokenError(f"the derivative in forward mode is off by {error:.2g} of the difference quotient's largest")
    return f"relative difference {error:.2g}"


def _null(subject: _Subject) -> str:
    if "label" in subject.conditions and subject.spec.config.label_dropout > 0:
        absent = subject.output(label=None)
        null = subject.output(label=torch.full((BATCH,), NO_LABEL))
    elif "context" in subject.conditions:
        absent = subject.output(context=None)
        null = subject.output(context=torch.zeros_like(subject.conditions["context"]))
    else:
        raise _SkippedError("no condition on this geometry")
    if not torch.allclose(absent, null, rtol=1e-5, atol=1e-6):
        raise _BrokenError(
            "the output without a condition differs from that with the null condition (label −1, context of zeros)"
        )
    if torch.allclose(absent, subject.output()):
        raise _BrokenError("the null condition gives the same output as a real one")
    return ""


def _independence(subject: _Subject) -> str:
    whole = subject.output()
    worst = 0.0
    for i in range(BATCH):
        part = {key: value[i : i + 1] for key, value in subject.conditions.items()}
        alone = subject.output(x=subject.x[i : i + 1], t=subject.t[i : i + 1], **part)
        worst = max(worst, (alone - whole[i : i + 1]).abs().max().item())
    if not worst <= 1e-4 * max(1.0, whole.abs().max().item()):
        raise _BrokenError(f"a sample's output changes by {worst:.2g} with the other samples of the batch")
    return f"largest difference {worst:.2g}"


def _determinism(subject: _Subject) -> str:
    if not torch.equal(subject.output(), subject.output()):
        raise _BrokenError("the same input gives two outputs in evaluation mode")
    twin = build_from(subject.spec, subject.geometry, seed=0)
    differing = _differing(subject.fresh, twin)
    if differing:
        raise _BrokenError(f"two networks of the same seed differ: {', '.join(differing)}")
    return ""


def _checkpoint(subject: _Subject) -> str:
    file = io.BytesIO()
    torch.save(subject.network.state_dict(), file)
    file.seek(0)
    other = build_from(subject.spec, subject.geometry, seed=1).eval()
    other.load_state_dict(torch.load(file, weights_only=True))
    with torch.no_grad():
        out = other(subject.x, subject.t, **subject.conditions)
    if not torch.equal(out, subject.output()):
        raise _BrokenError("a network with the saved state loaded gives another output")
    return f"{file.tell() / 1024:.0f} KiB"


def _count(subject: _Subject) -> str:
    declared = subject.spec.parameters(subject.geometry)
    if declared is None:
        raise _SkippedError("the config declares no number of parameters")
    actual = count_parameters(subject.fresh)
    if declared != actual:
        raise _BrokenError(f"the config declares {declared:,} parameters, the network has {actual:,}")
    return f"{actual:,}"


def _mixed(subject: _Subject) -> str:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = subject.output()
    exact = subject.output()
    error = (out.float() - exact).abs().max().item() / max(exact.abs().max().item(), 1e-6)
    if not error < 0.2:
        raise _BrokenError(f"under bfloat16 autocast the output is off by {error:.2g} of its largest value")
    return f"relative difference {error:.2g}"


def _differing(one: nn.Module, other: nn.Module) -> list[str]:
    states = one.state_dict(), other.state_dict()
    return [key for key, value in states[0].items() if not torch.equal(value, states[1][key])]


LAWS: dict[str, Callable[[_Subject], str]] = {
    "output shape and type": _shape,
    "parameters as declared": _count,
    "finite gradients reach every parameter": _gradients,
    "depends on x": _depends("x"),
    "depends on t": _depends("t"),
    "depends on the end of an interval": _depends("end"),
    "derivative in forward mode": _forward_mode,
    "depends on label": _depends("label"),
    "depends on context": _depends("context"),
    "null condition": _null,
    "samples are independent": _independence,
    "deterministic": _determinism,
    "a checkpoint restores it": _checkpoint,
    "bfloat16 autocast": _mixed,
}
