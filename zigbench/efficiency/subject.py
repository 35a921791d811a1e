"""The measured network on its device, with its inputs, and one call of it in the mode that the spec names."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zigbench.backbone import initialised, recomputed
from zigbench.interpolant import Interpolant
from zigbench.sampling import Counted, sample
from zigbench.spec import EfficiencyRun, Geometry
from zigbench.spec.rng import derive_seed

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
STD = 0.02
"""Deviation of the random numbers in place of weights that are initialised with zeros."""

WARM_UP = 3
"""Evaluations before a graph is captured: libraries and compiled kernels are initialised in the first ones."""


@dataclass
class Subject:
    """A network to be measured, and its inputs.

    For example, the time of one forward pass::

        subject = Subject.build(spec, device)
        seconds = once(subject.call, device)

    Attributes:
        spec: the run's spec, of the task ``efficiency``.
        device: the device of network and inputs.
        network: the network itself.
        inputs: x (B, C, H, W) or (B, T, C, H, W) standard normal, t (B,) and conditions, on the device.
        optimizer: the optimizer of a training, with its state; None in other modes.
        forward: the called network: plain, compiled, or captured.
    """

    spec: EfficiencyRun
    device: torch.device
    network: nn.Module
    inputs: dict[str, Tensor]
    optimizer: torch.optim.Optimizer | None
    forward: nn.Module

    @classmethod
    def build(
        cls, spec: EfficiencyRun, device: torch.device, *, geometry: Geometry | None = None, batch: int | None = None
    ) -> Subject:
        """Build the network and its inputs from the spec's seed, for another geometry or batch if one is given."""
        geometry, batch = geometry or spec.geometry, batch or spec.efficiency.batch
        training = spec.efficiency.mode == "training"
        with device:  # A processor draws a hundred million weights in a second, a GPU at once.
            network = initialised(spec, geometry)
        network.to(device).train(training)
        generator = torch.Generator(device).manual_seed(derive_seed(spec.seed, "efficiency"))
        for parameter in network.parameters():
            if parameter.requires_grad and not parameter.detach().any():
                # Products with zeros take less power, and so other clocks, than those of a trained network.
                parameter.data.normal_(std=STD, generator=generator)
        dtype = torch.float32 if training else DTYPES[spec.efficiency.precision]
        network.to(dtype)
        inputs = noise_like(geometry, batch, generator)
        # Times stay float32: a sampler passes them so, in every precision of the network.
        inputs = {name: value if name in ("t", "label") else value.to(dtype) for name, value in inputs.items()}
        if getattr(spec.backbone.config, "times", 1) == 2:
            inputs["end"] = (1 + inputs["t"]) / 2
        optimizer = None
        if training:
            optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=0.0)
            for parameter in network.parameters():
                parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return cls(spec, device, network, inputs, optimizer, network)

    @property
    def tensors(self) -> list[Tensor]:
        """Tensors that exist before a call: weights, buffers, inputs."""
        return [*self.network.parameters(), *self.network.buffers(), *self.inputs.values()]

    def compile(self) -> None:
        """Compile the network; later calls use it."""
        self.forward = torch.compile(self.network, dynamic=False)  # type: ignore[assignment]

    def capture(self) -> None:
        """Capture the network as a CUDA graph; later calls replay it."""
        self.forward = Graphed(self.forward, **self.inputs)

    def output(self) -> Tensor:
        """Return the output of one forward pass without gradients."""
        with torch.no_grad(), self._arithmetic():
            return self.forward(**self.inputs)

    def results(self) -> dict[str, list[Tensor]]:
        """Return the results by name: in training the loss and every gradient, else the outputs of a forward pass."""
        if self.spec.efficiency.mode != "training":
            return {"outputs": [self.output()]}
        loss = self.loss()
        loss.backward()
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        return {"losses": [loss.detach()], "gradients": gradients}

    def call(self) -> None:
        """Do the measured work once."""
        mode = self.spec.efficiency.mode
        if mode == "training":
            self.loss().backward()
            return
        with torch.no_grad():
            if mode == "inference":
                self.forward(**self.inputs)
            else:
                self.sample(self.forward)

    def loss(self) -> Tensor:
        """Return a scalar that depends on every output; gradients are cleared first, as in a training."""
        self.network.zero_grad(set_to_none=True)
        with self._arithmetic(), self._recomputation():
            out = self.forward(**self.inputs)
        return out.float().square().mean()

    def sample(self, network: nn.Module) -> Tensor:
        """Return samples drawn with the spec's sampler."""
        interpolant = Interpolant(**self.spec.interpolant.model_dump(exclude_none=True))
        x, label, context = (self.inputs.get(name) for name in ("x", "label", "context"))
        assert x is not None
        seeds = [derive_seed(self.spec.seed, "sample", i) for i in range(len(x))]
        options = self.spec.sampler.model_dump(exclude_none=True)
        return sample(network, interpolant, x, label=label, context=context, generator=seeds, **options)

    def evaluations(self) -> int:
        """Count the evaluations of the network in one call of the sampler."""
        counted = Counted(self.network)
        self.sample(counted)  # type: ignore[arg-type]
        return counted.evaluations

    def _recomputation(self) -> contextlib.AbstractContextManager[None]:
        return recomputed(self.network) if self.spec.efficiency.activation_checkpointing else contextlib.nullcontext()

    def _arithmetic(self) -> contextlib.AbstractContextManager[None]:
        precision = self.spec.efficiency.precision
        if self.spec.efficiency.mode == "training" and precision != "float32":
            return torch.autocast(self.device.type, dtype=DTYPES[precision])
        return contextlib.nullcontext()


class Graphed(nn.Module):
    """A network's evaluation replayed as one captured CUDA graph; inputs must have the shapes of the captured ones.

    Args:
        network: the network, in evaluation mode.
        x, t, conditions: inputs on a CUDA device.
    """

    def __init__(self, network: nn.Module, x: Tensor, t: Tensor, **conditions: Tensor) -> None:
        super().__init__()
        self.inputs = {"x": x.clone(), "t": t.clone(), **{name: value.clone() for name, value in conditions.items()}}
        self.graph = torch.cuda.CUDAGraph()
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.no_grad(), torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                network(**self.inputs)
        torch.cuda.current_stream().wait_stream(aside)
        with torch.no_grad(), torch.cuda.graph(self.graph):
            self.out = network(**self.inputs)

    def forward(self, x: Tensor, t: Tensor, **conditions: Tensor | None) -> Tensor:
        moment = {"end": t} if "end" in self.inputs else {}  # A network of intervals that gets none gives a velocity.
        for name, value in {"x": x, "t": t, **moment, **conditions}.items():
            if value is not None:
                self.inputs[name].copy_(value)
        self.graph.replay()
        return self.out.clone()  # The next replay writes over it.


def noise_like(geometry: Geometry, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Return random inputs on the generator's device: noise for x and context, uniform t, random labels."""
    on: dict[str, Any] = {"generator": generator, "device": generator.device}
    inputs = {"x": torch.randn(batch, *geometry.sample_shape, **on), "t": torch.rand(batch, **on)}
    if geometry.classes is not None:
        inputs["label"] = torch.randint(0, geometry.classes, (batch,), **on)
    if geometry.context is not None:
        inputs["context"] = torch.randn(batch, *geometry.context, **on)
    return inputs
