"""Operations as torch's own counter counts them, on shapes alone: at any size, without computing anything."""

from __future__ import annotations

import warnings

import torch
from torch.utils.flop_counter import FlopCounterMode

from zigbench.backbone import build_from
from zigbench.efficiency.subject import noise_like
from zigbench.spec import BackboneConfig, Geometry
from zigbench.spec.registry import load_object


def counted_flops(config: BackboneConfig, geometry: Geometry, *, batch: int, backward: bool) -> int | None:
    """Operations of one forward pass, and of the backward pass with it where asked for.

    A network class may have a static method ``register_flop_formulas()`` for kernels of its own.

    Returns:
        None for a network that computes with numbers while it is built or called, and so has no shapes alone.
    """
    network_class = load_object(config.network)
    if hasattr(network_class, "register_flop_formulas"):
        network_class.register_flop_formulas()
    elif hasattr(network_class, "teach_counter"):
        warnings.warn(
            f"{network_class.__name__}.teach_counter is now called register_flop_formulas",
            DeprecationWarning,
            stacklevel=2,
        )
        network_class.teach_counter()
    try:
        with torch.device("meta"):
            network = build_from(config, geometry).train(backward)
        inputs = noise_like(geometry, batch, torch.Generator())
        given = {name: value.to("meta") for name, value in inputs.items()}
        with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(backward):
            out = network(**given)
            if backward:
                out.sum().backward()
    except (RuntimeError, NotImplementedError):
        return None
    return counter.get_total_flops()
