"""AdamW with the least work a step beside its arithmetic.

The arithmetic is torch's own fused kernel, so the weights are those of ``torch.optim.AdamW(fused=True)`` to the
bit. That class spends, on a CPU and a hundred tensors, several times the kernel's time on bookkeeping: a counter a
tensor, hooks, a tracing compiler that it imports (for seconds) and does not use. Here there is one counter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from zigbench.spec import OptimizerSpec
from zigbench.training.sharded import is_spread, local, share, spread_like


class AdamW:
    """Decoupled weight decay (Loshchilov & Hutter, "Decoupled weight decay regularization", 2019).

    Args:
        groups: parameters with the decay that each group gets.
        spec: moments' decay and ε.

    Attributes:
        param_groups: as a gradient scaler wants to see them.
        moments: first and second moment of each parameter's gradients; this process's part of a spread one.
        lr: rate of the next step.
    """

    def __init__(self, groups: Iterable[tuple[list[nn.Parameter], float]], spec: OptimizerSpec) -> None:
        self.param_groups: list[dict[str, Any]] = [
            {"params": parameters, "weight_decay": decay} for parameters, decay in groups
        ]
        self.parameters: list[nn.Parameter] = [
            parameter for group in self.param_groups for parameter in group["params"]
        ]
        self.spec = spec
        self.lr = spec.lr
        self._spread = any(map(is_spread, self.parameters))
        self._weights = {parameter: local(parameter.detach()) for parameter in self.parameters}
        self.moments = {
            parameter: (torch.zeros_like(weight), torch.zeros_like(weight))
            for parameter, weight in self._weights.items()
        }
        # A lookup by parameter costs a call each, and there are hundreds a step.
        self._rows = [
            [(parameter, self._weights[parameter], *self.moments[parameter]) for parameter in group["params"]]
            for group in self.param_groups
        ]
        self._count = torch.zeros((), dtype=torch.float32, device=self.parameters[0].device)

    def zero(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def gradients(self, parameters: Iterable[nn.Parameter]) -> list[Tensor]:
        """The gradients that there are of ``parameters``; this process's parts of spread ones."""
        found = [parameter.grad for parameter in parameters if parameter.grad is not None]
        return list(map(local, found)) if self._spread else found

    @torch.no_grad()
    def step(self) -> None:
        """One step of rate ``lr`` along the gradients that are there; a parameter without one is left as it is."""
        self._count += 1
        first, second = self.spec.betas
        for group, rows in zip(self.param_groups, self._rows, strict=True):
            chosen = [row for row in rows if row[0].grad is not None]
            if not chosen:
                continue
            parameters, weights, means, squares = map(list, zip(*chosen, strict=True))
            torch._fused_adamw_(
                weights,
                self.gradients(parameters),
                means,
                squares,
                [],
                [self._count] * len(chosen),
                lr=self.lr,
                beta1=first,
                beta2=second,
                weight_decay=group["weight_decay"],
                eps=self.spec.eps,
                amsgrad=False,
                maximize=False,
            )

    def state_dict(self) -> dict[str, Any]:
        """The counter and, by the parameter's number, both moments; a spread network's as tensors that are spread."""
        moments = {
            str(number): [spread_like(part, parameter) for part in self.moments[parameter]]
            for number, parameter in enumerate(self.parameters)
        }
        return {"count": self._count, "moments": moments}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave, put together whole."""
        self._count.copy_(state["count"])
        for number, parameter in enumerate(self.parameters):
            for mine, kept in zip(self.moments[parameter], state["moments"][str(number)], strict=True):
                mine.copy_(local(share(kept, parameter)))
