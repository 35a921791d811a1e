"""Gradients of a function that carries its own, inside a custom op, where autograd is switched off."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def gradients_of(function: Callable[..., Tensor], dy: Tensor, inputs: tuple[Any, ...]) -> list[Tensor | None]:
    """Return the gradients of function(*inputs) by autograd.

    A custom op switches autograd off for its thread, so another thread does it.
    """
    gradients: list[Tensor | None] = []
    failure: list[BaseException] = []
    stream = torch.cuda.current_stream(dy.device) if dy.is_cuda else None

    def work() -> None:
        try:
            with torch.enable_grad(), torch.cuda.stream(stream):
                leaves = [None if x is None else x.detach().requires_grad_() for x in inputs]
                given = [x for x in leaves if x is not None]
                grads = iter(torch.autograd.grad(function(*leaves), given, dy, materialize_grads=True))
                gradients.extend(None if x is None else next(grads).contiguous() for x in leaves)
        except BaseException as error:  # raised again below, in the caller's thread
            failure.append(error)

    thread = threading.Thread(target=work, name="zigbench-recompute")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return gradients
