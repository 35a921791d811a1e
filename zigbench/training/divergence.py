"""Divergence of a training: the error, and the layer where a loss or gradient stops being finite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from torch import Tensor, nn

from zigbench.training.parallel import local_part


class DivergedError(RuntimeError):
    """The loss or its gradient is not finite.

    Attributes:
        step: the step it happened at, counted from 1 as in the log; its update was not made.
        layer: the first layer with a value that is not finite; "" where none is known.
    """

    def __init__(self, step: int, layer: str, reason: str) -> None:
        self.step = step
        self.layer = layer
        super().__init__(f"diverged at step {step}: {reason}")


class Origin(NamedTuple):
    """The place where values stop being finite.

    Attributes:
        layer: dotted module name; "" for the input, the loss, or an unknown place.
        reason: the same as a sentence.
    """

    layer: str
    reason: str


def locate(model: nn.Module, forward: Callable[[], Tensor]) -> Origin:
    """Repeat a failing step and return where its first value that is not finite appears, in order of computation.

    Args:
        model: the network, not compiled.
        forward: does the step's forward pass again and returns the loss, to be differentiated.
    """
    for name, parameter in model.named_parameters():
        if not bool(parameter.isfinite().all()):
            return Origin(name.rpartition(".")[0], f"the parameter {name} is not finite")
    model.zero_grad(set_to_none=True)
    with _FiniteWatch(model) as watch:
        loss = forward()
    if watch.origin is not None:
        return watch.origin
    if not bool(loss.isfinite()):
        return Origin("", f"the loss is {loss.item()}, but every layer's output is finite")
    loss.backward()
    for name in reversed(watch.finished):
        for own, parameter in model.get_submodule(name).named_parameters(recurse=False):
            if parameter.grad is not None and not bool(parameter.grad.isfinite().all()):
                return Origin(name, f"the gradient of {f'{name}.{own}'.lstrip('.')} is not finite")
    return Origin("", "the loss or its gradient is not finite, but repeating the step did not show where it begins")


def locate_in_gradients(model: nn.Module) -> Origin:
    """Return the layer of the last parameter with a gradient that is not finite, the first in the backward pass.

    For a sharded network, where a single process cannot repeat a step.
    """
    for name, parameter in reversed(list(model.named_parameters())):
        if parameter.grad is not None and not bool(local_part(parameter.grad).isfinite().all()):
            return Origin(name.rpartition(".")[0], f"the gradient of {name} is not finite")
    return Origin("", "the loss or its gradient is not finite")


class _FiniteWatch:
    """Hooks on a forward pass that note the first tensor that is not finite, and the order in which modules end."""

    def __init__(self, model: nn.Module) -> None:
        self.names = {module: name for name, module in model.named_modules()}
        self.running: list[str] = []
        self.finished: list[str] = []
        self.origin: Origin | None = None
        self._handles: list[Any] = []

    def __enter__(self) -> _FiniteWatch:
        for module in self.names:
            self._handles.append(module.register_forward_pre_hook(self._begin, with_kwargs=True))
            self._handles.append(module.register_forward_hook(self._end))
        return self

    def __exit__(self, *exception: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _begin(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        if self.origin is None and not _finite((args, kwargs)):
            # The layers before this one returned finite values, so an operation of their parent is the origin.
            parent = self.running[-1] if self.running else None
            self.origin = Origin("", "the network's input is not finite") if parent is None else _of_layer(parent)
        self.running.append(self.names[module])

    def _end(self, module: nn.Module, args: Any, output: Any) -> None:
        name = self.running.pop()
        self.finished.append(name)
        if self.origin is None and not _finite(output):
            self.origin = _of_layer(name)


def _of_layer(layer: str) -> Origin:
    return Origin(layer, f"layer {layer or 'the network itself'} is the first with values that are not finite")


def _finite(value: Any) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in _tensors(value))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _tensors(part)
