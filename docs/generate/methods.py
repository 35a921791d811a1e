"""The table of methods: every registered name with its definition, its source, and the tests that prove it.

Names and definitions are read from the code; a name without a source here fails the tests.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from support import closed_forms

from generate.words import NONE, code, markdown, table
from zigbench.interpolant import (
    COUPLINGS,
    PATHS,
    PREDICTIONS,
    TIMES,
    WEIGHTINGS,
    coupling,
    path,
    prediction,
    time_sampling,
    weighting,
)
from zigbench.sampling import DIFFUSIONS
from zigbench.sampling.solvers import SOLVERS
from zigbench.spec import registry
from zigbench.spec.solvers import SOLVERS as TABLE

SONG, SIT, SD3, DPM = "Song et al. (2021)", "Ma et al. (2024)", "Esser et al. (2024)", "DPM-Solver, Lu et al. (2022)"
HAIRER = "Hairer, Nørsett & Wanner, II.1"
GUIDE = "Lipman et al. (2024), 4.8"

OBJECTIVES = "tests/objectives"
INTERPOLANT = "tests/interpolant"
SAMPLING = "tests/sampling"
ORDERS = f"{SAMPLING}/solvers/test_convergence.py"


@dataclass(frozen=True)
class Kind:
    """A kind of method.

    Attributes:
        key: of the spec that names one.
        names: all that are registered, in their order.
        define: returns the definition of a name.
        proof: the test file of all that have none of their own.
        sources: of each name.
        proofs: test files of single names.
    """

    key: str
    names: tuple[str, ...]
    define: Callable[[str], object]
    proof: str
    sources: Mapping[str, str]
    proofs: Mapping[str, str]


FORMS = {
    "constant": "w = 1",
    "sbdm": "w = (α̇/α) σ² − σ σ̇",
    "sigma": "w = σ",
    "linear": "w = 1 − t",
    "decreasing": "w = (cos πt + 1)²/4",
    "increasing-decreasing": "w = sin² πt",
}
GUIDANCES = {
    "classifier-free": "u + g (c − u) of the outputs with and without the condition, `sampler.guidance`.",
    "classifier": "The score plus w ∇ log p(y | x, t) of a classifier of noisy samples, `sampler.classifier_scale`.",
    "inside": "The target of `mean-flow` is the guided velocity, `objective.config.guidance`.",
}
FURTHER = {
    "eta": "Noise of `ddim` between none and that of `ddpm`.",
    "shift": "The noise over the data at each time times a factor.",
    "likelihood": "The divergence of the flow integrated back, exact or by Hutchinson's probe; `bits_per_dimension`.",
}

KINDS: Mapping[str, Kind] = {
    "Objectives": Kind(
        "objective.name",
        tuple(registry.objectives.names()),
        registry.objectives.get,
        f"{OBJECTIVES}/test_distillation.py",
        {
            "interpolant": "Lipman et al. (2023); Albergo et al. (2023)",
            "mean-flow": "Geng et al. (2025)",
            "consistency": "Song et al. (2023); Geng et al. (2024)",
            "denoising-score": "Song & Ermon (2019), equation 6",
            "consistency-distillation": "Song et al. (2023), algorithm 2",
            "reflow": "Liu et al. (2022), algorithm 1",
            "progressive-distillation": "Salimans & Ho (2022), algorithm 2",
        },
        {
            "interpolant": f"{INTERPOLANT}/test_interpolant.py",
            "mean-flow": f"{OBJECTIVES}/test_mean_flow.py",
            "consistency": f"{OBJECTIVES}/test_consistency.py",
            "denoising-score": f"{OBJECTIVES}/test_denoising_score.py",
        },
    ),
    "Paths": Kind(
        "interpolant.path",
        PATHS,
        path.MEMBERS.get,
        f"{INTERPOLANT}/test_paths.py",
        {
            "linear": "Lipman et al. (2023), equation 22; Liu et al. (2022)",
            "gvp": f"Albergo & Vanden-Eijnden (2023), equation 5; {SIT}",
            "vp": f"{SONG}, equation 33",
            "ve": f"{SONG}, equation 31",
            "sub-vp": f"{SONG}, equation 29",
            "cosine": "Nichol & Dhariwal (2021), equation 17",
            "polynomial": GUIDE,
            "linear-vp": f"{GUIDE}.2",
        },
        {},
    ),
    "Predictions": Kind(
        "interpolant.prediction",
        PREDICTIONS,
        lambda name: prediction.MEMBERS[name].definition,
        f"{INTERPOLANT}/test_prediction.py",
        dict.fromkeys(PREDICTIONS, f"Albergo et al. (2023), section 2; {SIT}, equations 4 to 9"),
        {},
    ),
    "Weightings": Kind(
        "interpolant.weighting",
        WEIGHTINGS,
        weighting.MEMBERS.get,
        f"{INTERPOLANT}/test_weighting.py",
        {"none": NONE, "velocity": f"{SIT}, section 2", "likelihood": "Song, Durkan et al. (2021), equation 7"},
        {},
    ),
    "Training times": Kind(
        "interpolant.time",
        TIMES,
        time_sampling.MEMBERS.get,
        f"{INTERPOLANT}/test_time_sampling.py",
        {
            "uniform": NONE,
            "logit-normal": f"{SD3}, section 3.1",
            "mode": f"{SD3}, section 3.1",
            "edm": "Karras et al. (2022), table 1",
            "grid": "Ho et al. (2020)",
            "cosmap": f"{SD3}, section 3.1",
        },
        {},
    ),
    "Couplings": Kind(
        "interpolant.coupling",
        COUPLINGS,
        coupling.MEMBERS.get,
        f"{INTERPOLANT}/test_coupling.py",
        {"independent": NONE, "optimal-transport": "Pooladian et al. (2023), section 3.2; Tong et al. (2024)"},
        {},
    ),
    "Solvers": Kind(
        "sampler.solver",
        tuple(TABLE),
        SOLVERS.get,
        ORDERS,
        {
            "euler": HAIRER,
            "heun": HAIRER,
            "midpoint": HAIRER,
            "rk4": HAIRER,
            "dopri5": "Dormand & Prince (1980)",
            "ddim": "Song, Meng & Ermon (2021), equations 12 and 16",
            "dpm-solver-1": f"{DPM}, algorithm 1",
            "dpm-solver-2": f"{DPM}, algorithm 1",
            "dpm-solver++-1": "DPM-Solver++, Lu et al. (2022), equation 9",
            "dpm-solver++-2": "DPM-Solver++, Lu et al. (2022), algorithm 2",
            "euler-maruyama": "Kloeden & Platen (1992), section 10.2",
            "stochastic-heun": "Kloeden & Platen (1992), section 15.1",
            "ddpm": "Ho et al. (2020), equations 6 and 7",
            "predictor-corrector": f"{SONG}, algorithm 1",
            "annealed-langevin": "Song & Ermon (2019), algorithm 1",
            "mean-flow": "Geng et al. (2025), section 4.1",
            "consistency": "Song et al. (2023), algorithm 1",
        },
        {
            "dpm-solver++-2": f"{SAMPLING}/solvers/test_exponential.py",
            "predictor-corrector": f"{SAMPLING}/solvers/test_langevin.py",
            "annealed-langevin": f"{SAMPLING}/solvers/test_langevin.py",
            "mean-flow": f"{OBJECTIVES}/test_mean_flow.py",
            "consistency": f"{OBJECTIVES}/test_consistency.py",
        },
    ),
    "Noise of the stochastic solvers": Kind(
        "sampler.diffusion",
        DIFFUSIONS,
        FORMS.get,
        f"{SAMPLING}/test_distribution.py",
        dict.fromkeys(DIFFUSIONS, f"{SIT}, section 2.4 and its code"),
        {},
    ),
    "Guidance": Kind(
        "",
        tuple(GUIDANCES),
        GUIDANCES.get,
        f"{SAMPLING}/test_guidance.py",
        {
            "classifier-free": "Ho & Salimans (2022); in an interval, Kynkäänniemi et al. (2024)",
            "classifier": f"Dhariwal & Nichol (2021); {SONG}, equation 14",
            "inside": "Geng et al. (2025), section 4.2",
        },
        {
            "classifier": f"{SAMPLING}/test_classifier_guidance.py",
            "inside": f"{OBJECTIVES}/test_mean_flow.py",
        },
    ),
    "Further": Kind(
        "",
        tuple(FURTHER),
        FURTHER.get,
        f"{SAMPLING}/solvers/test_langevin.py",
        {
            "eta": "Song, Meng & Ermon (2021), equation 16",
            "shift": f"{SD3}, equation 23",
            "likelihood": "Chen et al. (2018), theorem 1; Grathwohl et al. (2019)",
        },
        {"likelihood": f"{SAMPLING}/test_likelihood.py"},
    ),
}


def methods() -> str:
    """Return a table for each kind of method."""
    return "\n".join(_section(title, kind) for title, kind in KINDS.items())


def _section(title: str, kind: Kind) -> str:
    heads = ("name", "definition", "source", "proved by")
    head = f"### {title}" + (f"\n\nThe key {code(kind.key)}." if kind.key else "")
    return f"{head}\n\n{table(heads, (_row(kind, name) for name in kind.names))}"


def _row(kind: Kind, name: str) -> tuple[str, ...]:
    proof = code(kind.proofs.get(name, kind.proof))
    return code(name), definition(kind.define(name)), kind.sources.get(name, NONE), proof


def definition(thing: object) -> str:
    """Return the first sentence of a text or of a docstring as a definition: without its verb and its source."""
    text = thing if isinstance(thing, str) else inspect.getdoc(thing) or ""
    first = re.split(r"(?<!al)\. (?=[A-Z])", " ".join(text.split("\n\n")[0].split()))[0]
    first = re.sub(r"^Return (the shares of )?|[;:] [A-Z]\w* (et al|&).*$", "", first)
    return markdown(first).rstrip(".:")


def measured() -> str:
    """Return the table of closed forms with their errors, measured now."""
    return closed_forms.measured()
