"""Random numbers as a function of their purpose, never of a global generator's history."""

from __future__ import annotations

from zigbench.spec.files import sha256


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Derive a 63-bit seed for one purpose of one run: ``derive_seed(run_seed, "noise", step)``.

    Different purposes give unrelated seeds, equal ones the same seed on every machine. SHA-256 of the arguments'
    text, so that neighbouring seeds and steps do not give neighbouring generator states.
    """
    text = "/".join(map(str, (seed, *purpose)))
    return int(sha256(text)[:16], 16) >> 1
