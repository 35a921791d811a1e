"""When the numbers of a training stop being numbers: where it began, said by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn

from zigbench.training.sharded import local


class DivergedError(RuntimeError):
    """The loss or its gradient is not finite.

    Attributes:
        step: the step it happened at, counted from 1 as in the log; its update was not made.
        layer: the first layer with a value that is not finite; "" where none could be told.
    """

    def __init__(self, step: int, layer: str, what: str) -> None:
        self.step = step
        self.layer = layer
        super().__init__(f"diverged at step {step}: {what}")


def locate(model: nn.Module, forward: Callable[[], Tensor]) -> tuple[str, str]:
    """Where the first value that is not finite appears, in the order of computation.

    Args:
        model: the network, not compiled.
        forward: does the failing step's forward pass again and returns the loss, to be differentiated.

    Returns:
        (layer, sentence). The layer is a dotted module name; "" for the input, the loss or when nothing is found.
    """
    for name, parameter in model.named_parameters():
        if not bool(parameter.isfinite().all()):
            return name.rpartition(".")[0], f"the parameter {name} is not finite"
    model.zero_grad(set_to_none=True)
    with _Watch(model) as watch:
        loss = forward()
    if watch.found is not None:
        return watch.found
    if not bool(loss.isfinite()):
        return "", f"the loss is {loss.item()} though every layer's output is finite"
    loss.backward()
    for name in reversed(watch.finished):
        for own, parameter in model.get_submodule(name).named_parameters(recurse=False):
            if parameter.grad is not None and not bool(parameter.grad.isfinite().all()):
                return name, f"the gradient of {f'{name}.{own}'.lstrip('.')} is not finite"
    return "", "the loss or its gradient is not finite, but repeating the step did not show where it begins"


def blame(model: nn.Module) -> tuple[str, str]:
    """What a gradient that is at hand tells of where it began: the last parameter of the model that it spoiled.

    For a network that is spread over processes, which can't repeat a step each on its own. Arguments and result as
    for :func:`locate`.
    """
    for name, parameter in reversed(list(model.named_parameters())):
        if parameter.grad is not None and not bool(local(parameter.grad).isfinite().all()):
            return name.rpartition(".")[0], f"the gradient of {name} is not finite"
    return "", "the loss or its gradient is not finite"


class _Watch:
    """Watches a forward pass for the first tensor that is not finite and for the order in which modules end."""

    def __init__(self, model: nn.Module) -> None:
        self.names = {module: name for name, module in model.named_modules()}
        self.running: list[str] = []
        self.finished: list[str] = []
        self.found: tuple[str, str] | None = None
        self._handles: list[Any] = []

    def __enter__(self) -> _Watch:
        for module in self.names:
            self._handles.append(module.register_forward_pre_hook(self._begin, with_kwargs=True))
            self._handles.append(module.register_forward_hook(self._end))
        return self

    def __exit__(self, *exception: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _begin(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        if self.found is None and not _finite((args, kwargs)):
            # What this layer is given was finite when the layers before it handed it over: their parent spoiled it.
            parent = self.running[-1] if self.running else None
            self.found = ("", "the network's input is not finite") if parent is None else _said(parent)
        self.running.append(self.names[module])

    def _end(self, module: nn.Module, args: Any, output: Any) -> None:
        name = self.running.pop()
        self.finished.append(name)
        if self.found is None and not _finite(output):
            self.found = _said(name)


def _said(layer: str) -> tuple[str, str]:
    return layer, f"layer {layer or 'the network itself'} is the first whose values are not finite"


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


def locate_anywhere(found: tuple[str, str], everyone: list[tuple[str, str]]) -> tuple[str, str]:
    """Of what several processes found, the first that names a layer; else this one's own."""
    return next((place for place in everyone if place[0]), found)
