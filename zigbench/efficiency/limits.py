"""The least time of a call: its work, the device's ceilings measured beside it, and the roofline of both."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from zigbench.backbone import build_from
from zigbench.efficiency.subject import noise_like
from zigbench.efficiency.timing import Call, once, times
from zigbench.spec import Cost, Geometry, NetworkSpec
from zigbench.spec.registry import load_object

REPEATS, SECONDS = 5, 0.03
"""Number of calls that a ceiling is the best of, at least, and their seconds together, at least."""

FORWARD = (1, 1, 1)
TRAINING = (3, 2, 3)
"""Operations, exponentials and traffic of a forward and a backward pass, as multiples of the forward pass's: the
backward pass has two products for each one, computes each exponential again, and reads what it differentiates."""


@dataclass(frozen=True)
class Ceilings:
    """Rates that nothing on the device exceeds by much.

    Attributes:
        copy: bytes a second, read and written, of a copy far larger than the caches.
        matmul_float32, matmul_bfloat16: operations a second of a large matrix product, float32 without TF32.
        exp: exponentials a second in float32.
    """

    copy: float
    matmul_float32: float
    matmul_bfloat16: float
    exp: float

    def matmul(self, precision: str) -> float:
        """Return the rate of matrix products in this precision; float16 is taken to have that of bfloat16."""
        return self.matmul_float32 if precision == "float32" else self.matmul_bfloat16


def measure_ceilings(device: torch.device) -> Ceilings:
    """Measure the ceilings of a device, in about a quarter of a second."""
    return Ceilings(
        copy=_copy(device),
        matmul_float32=matmul(device, torch.float32),
        matmul_bfloat16=matmul(device, torch.bfloat16),
        exp=_exponentials(device),
    )


def matmul(device: torch.device, dtype: torch.dtype) -> float:
    """Measure the operations a second of the product of two large random matrices."""
    side = 1024 if device.type == "cpu" else 4096 if dtype is torch.float32 else 8192
    # Random numbers: a product of zeros takes less power, and so runs at a higher clock.
    a, b = (torch.randn(side, side, device=device, generator=_generator(device, i)).to(dtype) for i in range(2))
    out = torch.empty(side, side, device=device, dtype=dtype)
    return 2 * side**3 / _best(lambda: torch.matmul(a, b, out=out), device)


def _copy(device: torch.device) -> float:
    size = 2**27 if device.type == "cpu" else 2**30
    source = torch.ones(size // 4, device=device)
    target = torch.zeros_like(source)
    return 2 * size / _best(lambda: target.copy_(source), device)


def _exponentials(device: torch.device) -> float:
    if device.type == "cuda":
        # In registers: torch's own exp reads and writes memory, which takes longer than the exponentials.
        from zigbench.efficiency.exponentials import exponentials

        count, call = exponentials(device)
        return count / _best(call, device)
    # Small enough to stay in the second-level caches, large enough to be spread over the threads.
    x = torch.linspace(-1, 0, 2**16 * torch.get_num_threads())
    out = torch.empty_like(x)
    return x.numel() / _best(lambda: torch.exp(x, out=out), device)


def _best(call: Call, device: torch.device) -> float:
    once(call, device)
    taken = times(call, device, REPEATS)
    while sum(taken) < SECONDS:
        taken += times(call, device, REPEATS)
    return min(taken)


def _generator(device: torch.device, seed: int) -> torch.Generator:
    return torch.Generator(device).manual_seed(seed)


def work(cost: Cost, times: tuple[int, int, int], calls: int = 1) -> Cost:
    """Return the cost of ``calls`` passes, :data:`FORWARD` or :data:`TRAINING`, from that of one forward pass."""
    flops, exponentials, values = times
    return Cost(
        flops * cost.matrix_flops * calls,
        flops * cost.vector_flops * calls,
        exponentials * cost.exponentials * calls,
        values * cost.values * calls,
    )


def least_seconds(cost: Cost, ceilings: Ceilings, *, precision: str, value_bytes: int) -> float:
    """Return the roofline's time, with three roofs: arithmetic, exponentials and memory traffic.

    Matrix products run at their rate in the precision; scans and depthwise convolutions at that of float32, which
    uses the same units. The three overlap perfectly, so the slowest alone counts. Source: Williams et al., "Roofline:
    an insightful visual performance model" (2009).

    Args:
        cost: the work of the whole call.
        ceilings: the device's ceilings.
        precision: the precision of matrix products and activations.
        value_bytes: the bytes of one number in that precision.
    """
    arithmetic = cost.matrix_flops / ceilings.matmul(precision) + cost.vector_flops / ceilings.matmul_float32
    return max(arithmetic, cost.exponentials / ceilings.exp, value_bytes * cost.values / ceilings.copy)


def counted_flops(network: NetworkSpec, geometry: Geometry, *, batch: int, backward: bool) -> int | None:
    """Count operations with torch's counter on shapes alone: at any size, without computing anything.

    A network class may have a static method ``register_flop_formulas()`` for kernels of its own.

    Args:
        network: the network's spec.
        geometry: the shape of its inputs.
        batch: samples a call.
        backward: whether to count the backward pass with the forward pass.

    Returns:
        Operations; None for a network that needs values, not shapes alone, to be built or called.
    """
    network_class = load_object(network.config.network)
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
            module = build_from(network, geometry).train(backward)
        inputs = noise_like(geometry, batch, torch.Generator())
        given = {name: value.to("meta") for name, value in inputs.items()}
        with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(backward):
            out = module(**given)
            if backward:
                out.sum().backward()
    except (RuntimeError, NotImplementedError):
        return None
    return counter.get_total_flops()
