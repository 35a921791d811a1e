"""Numbers, names and sentences as a reader should see them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from zigbench.report.statistics import Effect, Estimate, PowerLaw

MINUS = "−"
NONE = "–"

STATUSES = {
    "failed": "failed", "oom": "out of memory", "diverged": "diverged", "timeout": "out of time",
    "damaged": "damaged", "newer": "newer", "interrupted": "interrupted", "running": "running",
    "missing": "missing", "ok": "ok",
}  # fmt: skip
"""The words for a run's state."""

# Names as the field writes them; any other metric is shown with its underscores as spaces.
TITLES = {
    "held_out_loss": "Held-out loss",
    "held_out_loss_token_0": "Held-out loss of token 0",
    "frechet_digits": "Fréchet distance (digits)",
    "kid_digits": "Kernel distance (digits)",
    "frechet_random_3d": "Fréchet distance (random 3D)",
    "fdd_released": "FDD, as released",
    "fvd_released": "FVD, as released",
    "recognised": "Classifier accuracy",
    "images_seen": "Images seen",
    "fid": "FID", "fid5k": "FID⁵ᵏ", "fid50k": "FID⁵⁰ᵏ", "fdd": "FDD", "fdd5k": "FDD⁵ᵏ", "kid": "KID",
    "kid5k": "KID⁵ᵏ", "fvd": "FVD", "fvd5k": "FVD⁵ᵏ", "frame_fid": "Frame FID", "frame_fid5k": "Frame FID⁵ᵏ",
    "fps": "FPS", "flops": "FLOPs", "gflops": "GFLOPs", "macs": "MACs", "memory_gb": "Memory (GB)", "nfe": "NFE",
    "flop_rate": "FLOP/s", "roofline_share": "Share of the roofline", "flops_counted": "FLOPs, counted",
    "flops_matrix": "FLOPs of matrix products", "iterations_per_s": "Iterations a second", "nll": "NLL", "clip": "CLIP",
    "rank": "Rank",
}  # fmt: skip


@dataclass(frozen=True)
class Sentence:
    """A sentence of an answer: words in order, of which those at odd places are figures that a page sets in bold.

    ``separated`` is True or False where the sentence is about a difference that was tested, else None.
    """

    parts: tuple[str, ...]
    separated: bool | None = None

    def __str__(self) -> str:
        return "".join(self.parts)


def title(metric: str) -> str:
    """Return a metric's name for people."""
    return TITLES.get(metric) or metric.replace("_", " ").strip().capitalize()


def noun(metric: str) -> str:
    """Return a metric's name as it stands inside a sentence."""
    text = title(metric)
    named = text.split()[0].isupper() or text[:2].isupper() or text.startswith("Fréchet")
    return text if named else text[:1].lower() + text[1:]


def capitalized(text: str) -> str:
    """Return ``text`` with its first letter as a capital."""
    return text[:1].upper() + text[1:]


def number(value: float, digits: int = 4) -> str:
    """Format a whole number with its thousands separated, any other with ``digits`` significant digits."""
    if not math.isfinite(value):
        return NONE
    if value == int(value) and abs(value) < 1e15:
        text = f"{int(value):,}"
    elif 1e-4 <= abs(value) < 10**digits:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        text = f"{value:,.{decimals}f}"
    elif 10**digits <= abs(value) < 1e12:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.{digits - 1}e}"
    return text.replace("-", MINUS)


def about(value: float) -> str:
    """Format to two significant digits: ``5,300``."""
    return number(round(value, 1 - math.floor(math.log10(value)))) if value > 0 else number(value)


def percent(share: float, places: int = 1) -> str:
    """Format a share in per cent: ``12.5 %``."""
    return f"{100 * share:.{places}f} %"


def decimals(half: float) -> int:
    """Return how many decimals show ``half`` with two significant digits."""
    return min(12, max(0, 1 - math.floor(math.log10(half)))) if half > 0 and math.isfinite(half) else 4


def plus_minus(estimate: Estimate) -> str:
    """Format as ``0.343 ± 0.014``, the interval to two digits; the mean alone where there is no interval."""
    if not math.isfinite(estimate.half) or estimate.half == 0:
        return number(estimate.mean)
    places = decimals(estimate.half)
    return f"{estimate.mean:,.{places}f} ± {estimate.half:,.{places}f}".replace("-", MINUS)


def difference(estimate: Estimate) -> str:
    """Format as ``+0.34 ± 0.14``, the interval to two digits; the mean alone where there is no interval."""
    places = decimals(estimate.half) if estimate.half > 0 else None
    half = f" ± {estimate.half:.{places}f}" if places is not None else ""
    return signed(estimate.mean, places) + half


def signed(value: float, places: int | None = None) -> str:
    """Format with its sign, a true minus."""
    if not math.isfinite(value):
        return NONE
    if value == 0 and places is None:
        return "0"
    text = f"{value:+,.{places}f}" if places is not None else f"{value:+.4g}"
    return text.replace("-", MINUS)


def exponent(law: PowerLaw | None) -> str:
    """Format the exponent of a power law as ``−1.02 ± 0.03``; alone where two points leave no interval."""
    if law is None:
        return ""
    half = (law.high - law.low) / 2
    return signed(round(law.exponent, 2), 2) + (f" ± {half:.2f}" if math.isfinite(half) else "")


def interval(estimate: Estimate) -> str:
    """Format as ``+0.06 to +0.10``; a dash where there is no interval."""
    if not math.isfinite(estimate.half):
        return NONE
    places = decimals(estimate.half) if estimate.half > 0 else None
    return f"{signed(estimate.low, places)} to {signed(estimate.high, places)}"


def p_value(p: float) -> str:
    """Format with two digits, or as an upper bound."""
    if math.isnan(p):
        return NONE
    return "< 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def verdict(effect: Effect, higher_is_better: bool | None) -> str:
    """Return the verdict on an effect's first arm: better, worse, higher, lower, not separated, one seed."""
    if effect.estimate.n == 0:
        return "no shared seed"
    if effect.estimate.n == 1:
        return "one seed"
    if not effect.separated:
        return "not separated"
    if higher_is_better is None:
        return "higher" if effect.sign > 0 else "lower"
    return "better" if (effect.sign > 0) == higher_is_better else "worse"


def count(n: int, noun: str, plural: str | None = None) -> str:
    """Format as ``1 run``, ``3 runs``."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def block(labels: Sequence[str]) -> str:
    """Return the noun for what arms are paired within: ``seed``, or ``block`` where labels name more, such as data."""
    return "seed" if all(label.isdigit() for label in labels) else "block"


def seeds(labels: Sequence[str]) -> str:
    """Format the number of all seeds: ``3 seeds``, ``8 blocks``."""
    return count(len(labels), block(labels))


def point(axis: str, label: str) -> str:
    """Format a point of an axis: ``480 steps``, ``width 64``."""
    return f"{label} {axis}" if axis.endswith("s") else f"{axis} {label}"


def join(items: Sequence[str]) -> str:
    """Join as ``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def join_some(items: Sequence[str], limit: int = 4) -> str:
    """Join the first few: ``a, b, c, d and 3 others``."""
    rest = len(items) - limit
    return ", ".join(items[:limit]) + f" and {count(rest, 'other')}" if rest > 0 else join(items)


def slug(text: str) -> str:
    """Reduce to letters, digits and hyphens, for ids and names of files."""
    letters = "".join(c if c.isascii() and c.isalnum() else "-" for c in text.lower())
    return "-".join(part for part in letters.split("-") if part) or "x"
