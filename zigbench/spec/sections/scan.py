"""The scan of a run: the curve that a network follows, and how many of its symmetries."""

from __future__ import annotations

from pydantic import field_validator

from zigbench.spec import registry
from zigbench.spec.base import Positive, Spec


class ScanSpec(Spec):
    """Order in which the patches are visited: layer i uses variant i % schemes of the curve.

    Args:
        curve: a registered scan curve, its parameters in brackets (``blocked[size=8]``).
        schemes: how many of the curve's eight symmetries the layers take in turn.
    """

    curve: str = "zigzag"
    schemes: Positive = 8

    @field_validator("curve")
    @classmethod
    def _canonical(cls, text: str) -> str:
        # This section does not know whether the data are images or clips; the family checks the curve.
        name = text.partition("[")[0]
        clips = not registry.curves.holds(name) and registry.volumes.holds(name)
        curves = registry.volumes if clips else registry.curves
        spelled: str = curves.get(name).canonical(text)
        return spelled

    @property
    def label(self) -> str:
        """``curve-n``, as in the published tables."""
        return f"{self.curve}-{self.schemes}"
