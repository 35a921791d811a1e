"""Time, label and text as vectors and tokens."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from backbones.config.base import TimeInput
from backbones.config.layers import TIME_FREQUENCIES, label_rows
from zigbench.backbone import Geometry


class Sinusoids(nn.Module):
    """cos and sin of the time input at frequencies 10000^(−i/half): (B,) to (B, size), in float32."""

    frequencies: Tensor

    def __init__(self, size: int, time: TimeInput) -> None:
        super().__init__()
        half = size // 2
        self.odd = size % 2
        self.time = time
        frequencies = torch.exp(-math.log(10_000.0) * torch.arange(half, dtype=torch.float32) / half)
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, t: Tensor) -> Tensor:
        if self.time == "scaled":
            t = 1000.0 * t
        elif self.time == "reversed":
            t = 999.0 * (1.0 - t)
        # float16 and bfloat16 do not resolve neighbouring times at t near 1000.
        angle = t.to(self.frequencies.dtype)[:, None] * self.frequencies
        pair = torch.cat([angle.cos(), angle.sin()], dim=-1)
        return nn.functional.pad(pair, (0, 1)) if self.odd else pair


class TimeMLP(nn.Module):
    """256 sinusoids, then Linear, SiLU, Linear: (B,) to (B, width)."""

    def __init__(self, width: int, time: TimeInput) -> None:
        super().__init__()
        self.sinusoids = Sinusoids(TIME_FREQUENCIES, time)
        self.inner = nn.Linear(TIME_FREQUENCIES, width)
        self.outer = nn.Linear(width, width)
        for layer in (self.inner, self.outer):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, t: Tensor) -> Tensor:
        frequencies = self.sinusoids(t).to(self.inner.weight.dtype)
        return self.outer(nn.functional.silu(self.inner(frequencies)))


class IntervalMLP(TimeMLP):
    """A time MLP of the length of an interval that begins at t: (B,) and (B,) to (B, width)."""

    def __init__(self, width: int, time: TimeInput) -> None:
        # A length has no direction, which "reversed" would give it.
        super().__init__(width, "scaled" if time == "reversed" else time)

    def forward(self, t: Tensor, end: Tensor | None = None) -> Tensor:
        """Embed ``end − t``; 0 without an end, which is the moment t itself."""
        return super().forward((t if end is None else end) - t)


def refuse_end(end: Tensor | None) -> None:
    """Raise ValueError for the end of an interval that was given to a network of one time input."""
    if end is not None:
        raise ValueError("the end of an interval was given to a network built with times = 1")


class LabelEmbedding(nn.Module):
    """A row a class; where labels are dropped, one more for no label (−1, or no labels at all)."""

    def __init__(self, classes: int, width: int, label_dropout: float, *, std: float = 0.02) -> None:
        super().__init__()
        self.classes = classes
        self.table = nn.Embedding(label_rows(classes, label_dropout), width)
        nn.init.normal_(self.table.weight, std=std)

    def forward(self, label: Tensor | None, batch: int) -> Tensor:
        """Map (B,) int64 in [−1, classes) to (B, width)."""
        if label is None:
            label = torch.full((batch,), -1, device=self.table.weight.device)
        self._check(label, batch)
        return self.table(torch.where(label < 0, self.classes, label))

    def _check(self, label: Tensor, batch: int) -> None:
        if label.shape != (batch,):
            raise ValueError(f"label has shape {tuple(label.shape)}; expected one for each of {batch} samples")
        # Reading values would stall a GPU and break a compiled graph; there, the lookup's bounds check acts.
        if label.device.type != "cpu" or torch.compiler.is_compiling() or batch == 0:
            return
        low, high = int(label.min()), int(label.max())
        lowest = -1 if self.table.num_embeddings > self.classes else 0
        if low < lowest or high >= self.classes:
            wrong = low if low < lowest else high
            hint = "" if lowest < 0 else "; it has no null label, for it was built with label_dropout = 0"
            raise ValueError(f"label {wrong} is outside [{lowest}, {self.classes}) of this network{hint}")


class TextEmbedding(nn.Module):
    """Linear(text width → width). A text of zeros, or none at all, is the null text: it becomes the bias alone."""

    def __init__(self, shape: tuple[int, int], width: int) -> None:
        super().__init__()
        self.shape = shape
        self.proj = nn.Linear(shape[1], width)
        nn.init.zeros_(self.proj.bias)

    def forward(self, context: Tensor | None, batch: int) -> Tensor:
        """Map (B, tokens, text width) to (B, tokens, width)."""
        if context is None:
            return self.proj.bias.expand(batch, self.shape[0], -1)
        if context.shape != (batch, *self.shape):
            raise ValueError(f"context has shape {tuple(context.shape)}; expected {(batch, *self.shape)}")
        return self.proj(context)


def refuse_unknown(geometry: Geometry, label: Tensor | None, context: Tensor | None) -> None:
    """Raise ValueError for a condition that the network was not built for.

    Raises:
        ValueError: a label without classes, or a context without a text shape, in the geometry.
    """
    if label is not None and geometry.classes is None:
        raise ValueError("a label was given to a network built without classes")
    if context is not None and geometry.context is None:
        raise ValueError("a context was given to a network built without one")


class Condition(nn.Module):
    """One vector c = time + label + mean of the text tokens, for adaLN; and the text tokens themselves."""

    def __init__(
        self, geometry: Geometry, width: int, *, time: TimeInput, label_dropout: float, times: int = 1
    ) -> None:
        super().__init__()
        self.geometry = geometry
        self.time = TimeMLP(width, time)
        self.interval = IntervalMLP(width, time) if times == 2 else None
        self.label = None if geometry.classes is None else LabelEmbedding(geometry.classes, width, label_dropout)
        self.text = None if geometry.context is None else TextEmbedding(geometry.context, width)

    def forward(
        self, t: Tensor, label: Tensor | None, context: Tensor | None, end: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return c (B, width), and the text tokens (B, tokens, width) or None."""
        refuse_unknown(self.geometry, label, context)
        c = self.time(t)
        if self.interval is None:
            refuse_end(end)
        else:
            c = c + self.interval(t, end)
        if self.label is not None:
            c = c + self.label(label, len(t))
        if self.text is None:
            return c, None
        text = self.text(context, len(t))
        return c + text.mean(dim=1), text
