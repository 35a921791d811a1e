"""The interpolant of a run: path, prediction, weighting, training times, coupling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import model_validator

from zigbench.spec.base import Above, OneOf, Positive, Spec

PATHS: Mapping[str, tuple[str, ...]] = {
    "linear": (),
    "gvp": (),
    "vp": ("beta_min", "beta_max"),
    "ve": ("sigma_min", "sigma_max"),
    "sub-vp": ("beta_min", "beta_max"),
    "cosine": ("offset",),
    "polynomial": ("degree",),
    "linear-vp": (),
}
"""The options of each path."""

TIMES: Mapping[str, tuple[str, ...]] = {
    "uniform": (),
    "logit-normal": ("mean", "std"),
    "mode": ("skew",),
    "edm": ("mean", "std"),
    "grid": ("points",),
    "cosmap": (),
}
"""The options of each distribution of training times."""

PREDICTIONS = ("velocity", "score", "noise", "data")
"""The meanings of a network's output."""

WEIGHTINGS = ("none", "velocity", "likelihood")
"""The weights of the loss over time."""


class InterpolantSpec(Spec):
    """Path between noise (t = 0) and data (t = 1), what the network predicts along it, and how it is trained.

    Args:
        path: α_t and σ_t of x_t = α_t · data + σ_t · noise.
        prediction: what the network's output means.
        weighting: of the squared error over time.
        time: distribution of training times.
        coupling: which noise goes with which image of a batch.
        beta_min, beta_max: of the paths vp and sub-vp.
        sigma_min, sigma_max: of the path ve.
        offset: of the path cosine.
        degree: of the path polynomial.
        mean, std: of the times logit-normal and edm.
        skew: of the times mode.
        points: of the times grid.
    """

    path: Annotated[str, OneOf(PATHS)] = "linear"
    prediction: Annotated[str, OneOf(PREDICTIONS)] = "velocity"
    weighting: Annotated[str, OneOf(WEIGHTINGS)] = "none"
    time: Annotated[str, OneOf(TIMES)] = "uniform"
    coupling: Literal["independent", "optimal-transport"] = "independent"
    beta_min: Above | None = None
    beta_max: Above | None = None
    sigma_min: Above | None = None
    sigma_max: Above | None = None
    offset: Above | None = None
    degree: Above | None = None
    mean: float | None = None
    std: Above | None = None
    skew: float | None = None
    points: Positive | None = None

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        allowed = {*PATHS[self.path], *TIMES[self.time]}
        for table, member, kind in ((PATHS, self.path, "path"), (TIMES, self.time, "time")):
            for name in {option for options in table.values() for option in options} - allowed:
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} has no meaning for {kind} {member!r}; leave it out")
        return self
