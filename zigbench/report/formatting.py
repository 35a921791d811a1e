"""Numbers and names as a reader should see them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from zigbench.report.statistics import Effect, Estimate

MINUS = "−"
NONE = "–"

# Names as the field writes them; any other metric is shown with its underscores as spaces.
TITLES = {
    "held_out_loss": "Held-out loss",
    "held_out_loss_token_0": "Held-out loss of token 0",
    "frechet_digits": "Fréchet distance (digits)",
    "kid_digits": "Kernel distance (digits)",
    "frechet_random_3d": "Fréchet distance (random 3D)",
    "fdd_released": "FDD, as released",
    "fvd_released": "FVD, as released",
    "recognised": "Recognised class",
    "images_seen": "Images seen",
    "fid": "FID", "fid5k": "FID⁵ᵏ", "fid50k": "FID⁵⁰ᵏ", "fdd": "FDD", "fdd5k": "FDD⁵ᵏ", "kid": "KID",
    "kid5k": "KID⁵ᵏ", "fvd": "FVD", "fvd5k": "FVD⁵ᵏ", "frame_fid": "Frame FID", "frame_fid5k": "Frame FID⁵ᵏ",
    "fps": "FPS", "flops": "FLOPs", "gflops": "GFLOPs", "macs": "MACs", "memory_gb": "Memory (GB)", "nfe": "NFE",
    "flop_rate": "FLOP/s", "roofline_share": "Share of the roofline", "flops_counted": "FLOPs, counted",
}  # fmt: skip


def title(metric: str) -> str:
    """A metric's name for people."""
    return TITLES.get(metric) or metric.replace("_", " ").strip().capitalize()


def noun(metric: str) -> str:
    """A metric's name inside a sentence."""
    text = title(metric)
    named = text.split()[0].isupper() or text[:2].isupper() or text.startswith("Fréchet")
    return text if named else text[:1].lower() + text[1:]


def number(value: float, digits: int = 4) -> str:
    """A figure alone: whole numbers with thousands separated, others to ``digits`` significant digits."""
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
    """To two significant digits: ``5,300``."""
    return number(round(value, 1 - math.floor(math.log10(value)))) if value > 0 else number(value)


def decimals(half: float) -> int:
    """Decimals that show ``half`` with two significant digits."""
    return min(12, max(0, 1 - math.floor(math.log10(half)))) if half > 0 and math.isfinite(half) else 4


def plus_minus(estimate: Estimate) -> str:
    """``0.343 ± 0.014``, the interval to two digits; the mean alone where there is no interval."""
    if not math.isfinite(estimate.half) or estimate.half == 0:
        return number(estimate.mean)
    places = decimals(estimate.half)
    return f"{estimate.mean:,.{places}f} ± {estimate.half:,.{places}f}".replace("-", MINUS)


def signed(value: float, places: int | None = None) -> str:
    """With its sign, a true minus."""
    if not math.isfinite(value):
        return NONE
    if value == 0 and places is None:
        return "0"
    text = f"{value:+,.{places}f}" if places is not None else f"{value:+.4g}"
    return text.replace("-", MINUS)


def interval(estimate: Estimate) -> str:
    """``+0.06 to +0.10``; a dash where there is none."""
    if not math.isfinite(estimate.half):
        return NONE
    places = decimals(estimate.half) if estimate.half > 0 else None
    return f"{signed(estimate.low, places)} to {signed(estimate.high, places)}"


def p_value(p: float) -> str:
    """Two digits, or an upper bound."""
    if math.isnan(p):
        return NONE
    return "< 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def verdict(effect: Effect, higher_is_better: bool | None) -> str:
    """What an effect says of its first arm: better, worse, higher, lower, not separated, one seed."""
    if effect.estimate.n == 0:
        return "no shared seed"
    if effect.estimate.n == 1:
        return "one seed"
    if not effect.separated:
        return "not separated"
    if higher_is_better is None:
        return "higher" if effect.sign > 0 else "lower"
    return "better" if (effect.sign > 0) == higher_is_better else "worse"


def count(n: int, thing: str, many: str | None = None) -> str:
    """``1 run``, ``3 runs``."""
    return f"{n:,} {thing if n == 1 else many or thing + 's'}"


def block(labels: Sequence[str]) -> str:
    """What arms are paired within: ``seed``, or ``block`` where that axis's labels name more, such as a data set."""
    return "seed" if all(label.isdigit() for label in labels) else "block"


def seeds(labels: Sequence[str]) -> str:
    """``3 seeds``, ``8 blocks``: all that there are."""
    return count(len(labels), block(labels))


def listed(items: list[str]) -> str:
    """``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def slug(text: str) -> str:
    """Letters, digits and hyphens alone, for ids and file names."""
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in text.lower())
    return "-".join(part for part in kept.split("-") if part) or "x"
