"""A sentence of the answer, whose figures a page may set apart."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sentence:
    """Words in order; those at odd places are figures, which a page may set apart.

    ``separated`` says whether the difference it speaks of is; None where that can't be said.
    """

    parts: tuple[str, ...]
    separated: bool | None = None

    def __str__(self) -> str:
        return "".join(self.parts)
