"""Sizes that hold parameters equal across families. Free of torch: a suite plans with it."""

from __future__ import annotations

from typing import Any, Literal

from zigbench.spec import BackboneConfig, Geometry, read, registry

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
    """The config of family ``name`` whose parameters on ``geometry`` come closest to ``parameters``.

    >>> matched("dit", Geometry(4, 32, 32, 1), parameters=134_624_260, depth=12).width
    780

    Args:
        name: a registered family whose config counts its parameters.
        geometry: shape of the data.
        parameters: the count to meet.
        vary: what is searched; the rest of ``config`` stays. Heads follow the width where they are not given.
        multiple: widths are multiples of this (4 suits every position embedding); depths go by twos where the
            family needs an even one.
        config: the family's other keywords.

    Raises:
        ValueError: an unknown family or keyword, a family that does not count its parameters, more or fewer parameters
            than the largest and the smallest size have, or no size that is possible on the geometry.
    """
    family = registry.backbones.get(name)
    if vary in config:
        raise ValueError(f"matched searches the {vary}: leave {vary}={config[vary]} out, or vary the other")

    def at(value: int) -> tuple[BackboneConfig, int]:
        typed = read(family, {**config, vary: value}, at="backbone.config")
        counted = typed.parameters(geometry)
        if counted is None:
            raise ValueError(f"the backbone {name!r} does not say its parameters, so it can't be matched")
        return typed, counted

    step, last = (multiple, WIDEST) if vary == "width" else (1, DEEPEST)
    low, high = 1, last // step
    least, most = at(low * step)[1], at(high * step)[1]
    if not least <= parameters <= most:
        raise ValueError(
            f"{name!r} has {least:,} to {most:,} parameters on {geometry} with a {vary} of {low * step} to {last}; "
            f"{parameters:,} are out of reach"
        )
    # Parameters grow with the size, so the first size that has enough is found by halving.
    while low < high:
        middle = (low + high) // 2
        if at(middle * step)[1] < parameters:
            low = middle + 1
        else:
            high = middle
    # Heads or an even depth can rule a size out, so its neighbours are looked at too.
    near = [at(size * step) for size in range(max(1, low - 16), low + 17)]
    possible = [(abs(counted - parameters), typed) for typed, counted in near if not any(typed.faults(geometry))]
    if not possible:
        raise ValueError(
            f"no {vary} near {low * step} makes {name!r} possible on {geometry}: "
            f"{'; '.join(near[len(near) // 2][0].faults(geometry))}"
        )
    return min(possible, key=lambda pair: pair[0])[1]
