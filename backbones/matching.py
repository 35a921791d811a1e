"""Sizes at which families have equal numbers of parameters, computed without torch for planning."""

from __future__ import annotations

from typing import Any, Literal

from zigbench.spec import BackboneConfig, Geometry, NetworkSpec

WIDEST = 16_384
DEEPEST = 1_024


def matched(
    name: str,
    geometry: Geometry,
    *,
    parameters: int,
    vary: Literal["width", "depth"] = "width",
    multiple: int = 4,
    **config: Any,
) -> BackboneConfig:
    """Return the config of family ``name`` whose parameters on ``geometry`` come closest to ``parameters``.

    >>> matched("dit", Geometry(4, 32, 32, 1), parameters=134_624_260, depth=12).width
    780

    Args:
        name: a registered family whose config counts its parameters.
        geometry: shape of the data.
        parameters: the count to meet.
        vary: the searched key; the rest of ``config`` is fixed. Heads follow the width where they are not given.
        multiple: widths are multiples of this (4 suits every position embedding); depths go by twos where the
            family needs an even one.
        config: the other keywords of :func:`zigbench.backbone.build`.

    Raises:
        ValueError: an unknown family or keyword, a family that does not count its parameters, more or fewer parameters
            than the largest and the smallest size have, or no size that is possible on the geometry.
    """
    if vary in config:
        raise ValueError(f"matched searches the {vary}: leave {vary}={config[vary]} out, or search the other one")

    def at(value: int) -> tuple[NetworkSpec, int]:
        network = NetworkSpec.of(name, **{**config, vary: value})
        count = network.parameters(geometry)
        if count is None:
            raise ValueError(f"the backbone {name!r} declares no number of parameters, so it cannot be matched")
        return network, count

    step, last = (multiple, WIDEST) if vary == "width" else (1, DEEPEST)
    low, high = 1, last // step
    fewest, largest = at(low * step)[1], at(high * step)[1]
    if not fewest <= parameters <= largest:
        raise ValueError(
            f"{name!r} has {fewest:,} to {largest:,} parameters on {geometry} with a {vary} of {low * step} to {last}; "
            f"{parameters:,} are out of reach"
        )
    # Parameters grow with the size, so bisection gives the first size with enough of them.
    while low < high:
        middle = (low + high) // 2
        if at(middle * step)[1] < parameters:
            low = middle + 1
        else:
            high = middle
    # Heads or an even depth can exclude a size, so its neighbours are tried too.
    near = [at(size * step) for size in range(max(1, low - 16), low + 17)]
    possible = [(abs(count - parameters), network) for network, count in near if not any(network.faults(geometry))]
    if not possible:
        raise ValueError(
            f"no {vary} near {low * step} makes {name!r} possible on {geometry}: "
            f"{'; '.join(map(str, near[len(near) // 2][0].faults(geometry)))}"
        )
    return min(possible, key=lambda pair: pair[0])[1].config
