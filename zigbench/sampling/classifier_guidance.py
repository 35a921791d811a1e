"""Classifier guidance: the gradient of a classifier of noisy samples, added to the score.

Dhariwal and Nichol, "Diffusion models beat GANs on image synthesis" (2021), section 4; Song et al., "Score-based
generative modeling through stochastic differential equations" (2021), equation 14: the score of x given y at t is
∇ log p_t(x) + ∇ log p_t(y | x), and the second term gets a scale w. All predictions are affine in the score with the
same dependence on x, so each gets w ∇ log p_t(y | x) times its own coefficient of the score:

    velocity  (α̇/α) σ² − σ σ̇,     data  σ²/α,     noise  −σ,     score  1.

With the exact classifier, w = 1 turns the field of all data into that of the class. Noise must be independent of the
data: for other couplings a velocity determines no score.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zigbench.backbone import NO_LABEL
from zigbench.interpolant.cutoff import conversion_range, definition_range
from zigbench.interpolant.interpolant import Interpolant
from zigbench.interpolant.prediction import conversion

Classifier = Callable[[Tensor, Tensor], Tensor]
"""Map from noisy samples (B, …) and times (B,) to the logits of their classes, (B, classes)."""


@dataclass(frozen=True)
class ClassifierGuidance:
    """The shifts of a batch's predictions towards its labels.

    Args:
        classifier: p_t(y | x), as logits; differentiable, and independent from sample to sample.
        scale: w, above 0.
        label: (B,); a sample without a label (-1) is not guided.
    """

    classifier: Classifier
    scale: float
    label: Tensor

    def gradient(self, x: Tensor, t: float) -> Tensor:
        """Return w ∇ log p_t(y | x) at x (B, …), shaped and typed like x."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            logits = self.classifier(x, torch.full((len(x),), t, device=x.device, dtype=x.dtype))
            chosen = logits.log_softmax(1).gather(1, self.label.clamp(min=0)[:, None])[:, 0]
            total = chosen[self.label != NO_LABEL].sum()
            (gradient,) = torch.autograd.grad(total, x, materialize_grads=True)
        return self.scale * gradient

    def shifts(self, interpolant: Interpolant, x: Tensor, t: float, targets: Sequence[str]) -> tuple[Tensor, ...]:
        """Return what is added to each of ``targets`` at (x, t).

        Where a coefficient of the score is not finite, classifier and coefficient are those of the nearest time at
        which it is: without data in x, the one grows as the other vanishes.
        """
        path, cutoff, time = interpolant.path, interpolant.cutoff, torch.tensor(t, dtype=torch.float64)
        clamped = time.clamp(*conversion_range(path, cutoff, "score", tuple(targets)))
        gradient, here = self.gradient(x, float(clamped)), path.state(clamped)
        there = (path.state(time.clamp(*definition_range(path, cutoff, target))) for target in targets)
        factors = (
            conversion("score", target, here, state).of_output for target, state in zip(targets, there, strict=True)
        )
        return tuple(factor * gradient for factor in factors)
