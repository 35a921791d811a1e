"""What is measured: a network on a device, its inputs, and one call of it in the mode that the spec names."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zigbench.backbone import initialised
from zigbench.efficiency.graphs import Graphed
from zigbench.interpolant import Interpolant
from zigbench.sampling import Counted, sample
from zigbench.spec import Geometry, RunSpec
from zigbench.spec.rng import derive_seed

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
STD = 0.02


@dataclass
class Subject:
    """A network and what it is called with.

    Attributes:
        spec: of the run.
        device: where it lies.
        network: the network itself.
        inputs: x (B, C, H, W) or (B, T, C, H, W) standard normal, t (B,) and conditions, on the device.
        optimizer: whose state a training holds; None otherwise.
        forward: what is called in the network's place: the same, compiled, or captured.
    """

    spec: RunSpec
    device: torch.device
    network: nn.Module
    inputs: dict[str, Tensor]
    optimizer: torch.optim.Optimizer | None
    forward: nn.Module

    @classmethod
    def build(
        cls, spec: RunSpec, device: torch.device, *, geometry: Geometry | None = None, batch: int | None = None
    ) -> Subject:
        """Make the network and its inputs, from the spec's seed; another geometry or batch where given."""
        asked = spec.efficiency
        assert asked is not None
        geometry, batch = geometry or spec.geometry, batch or asked.batch
        training = asked.mode == "training"
        with device:  # Drawing a hundred million weights takes a processor a second, and a GPU nothing.
            network = initialised(spec, geometry)
        network.to(device).train(training)
        generator = torch.Generator(device).manual_seed(derive_seed(spec.seed, "efficiency"))
        for parameter in network.parameters():
            if parameter.requires_grad and not parameter.detach().any():
                # Products with zeros take less power, and so other clocks, than those of a trained network.
                parameter.data.normal_(std=STD, generator=generator)
        dtype = torch.float32 if training else DTYPES[asked.precision]
        network.to(dtype)
        inputs = noise_like(geometry, batch, generator)
        # Times keep their precision: a sampler gives them so, whatever the network computes in.
        inputs = {name: value if name in ("t", "label") else value.to(dtype) for name, value in inputs.items()}
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
        """What is there before a call: weights, buffers, inputs."""
        return [*self.network.parameters(), *self.network.buffers(), *self.inputs.values()]

    def compile(self) -> None:
        """Call the compiled network from now on."""
        self.forward = torch.compile(self.network, dynamic=False)  # type: ignore[assignment]

    def capture(self) -> None:
        """Replay the network as a CUDA graph from now on."""
        self.forward = Graphed(self.forward, **self.inputs)

    def output(self) -> Tensor:
        """One forward pass without gradients."""
        with torch.no_grad(), self._arithmetic():
            return self.forward(**self.inputs)

    def results(self) -> dict[str, list[Tensor]]:
        """What is computed, by name: in training the loss and every gradient, else the outputs of one forward pass."""
        assert self.spec.efficiency is not None
        if self.spec.efficiency.mode != "training":
            return {"outputs": [self.output()]}
        loss = self.loss()
        loss.backward()
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        return {"losses": [loss.detach()], "gradients": gradients}

    def call(self) -> None:
        """Once what is measured."""
        assert self.spec.efficiency is not None
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
        """A scalar that every output bears on; gradients are made anew, as in a training."""
        self.network.zero_grad(set_to_none=True)
        with self._arithmetic():
            out = self.forward(**self.inputs)
        return out.float().square().mean()

    def sample(self, network: nn.Module) -> Tensor:
        """Samples, drawn with the spec's sampler."""
        interpolant = Interpolant(**self.spec.interpolant.model_dump(exclude_none=True))
        x, label, context = (self.inputs.get(name) for name in ("x", "label", "context"))
        assert x is not None
        seeds = [derive_seed(self.spec.seed, "sample", i) for i in range(len(x))]
        options = self.spec.sampler.model_dump(exclude_none=True)
        return sample(network, interpolant, x, label=label, context=context, generator=seeds, **options)

    def evaluations(self) -> int:
        """Evaluations of the network in one call of the sampler."""
        counted = Counted(self.network)
        self.sample(counted)  # type: ignore[arg-type]
        return counted.evaluations

    def _arithmetic(self) -> contextlib.AbstractContextManager[None]:
        assert self.spec.efficiency is not None
        precision = self.spec.efficiency.precision
        if self.spec.efficiency.mode == "training" and precision != "float32":
            return torch.autocast(self.device.type, dtype=DTYPES[precision])
        return contextlib.nullcontext()


def noise_like(geometry: Geometry, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Inputs of a network on ``geometry``, on the generator's device: noise for x and context, random t and labels."""
    on: dict[str, Any] = {"generator": generator, "device": generator.device}
    inputs = {"x": torch.randn(batch, *geometry.sample_shape, **on), "t": torch.rand(batch, **on)}
    if geometry.classes is not None:
        inputs["label"] = torch.randint(0, geometry.classes, (batch,), **on)
    if geometry.context is not None:
        inputs["context"] = torch.randn(batch, *geometry.context, **on)
    return inputs
