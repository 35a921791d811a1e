"""A data set that is only a shape."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from zigbench.data.builtin.loaders.shape import IMAGES, Shape
from zigbench.data.builtin.shape import ShapeConfig

SIDES = st.integers(1, 6)


@given(
    st.builds(
        ShapeConfig,
        channels=SIDES,
        height=SIDES,
        width=SIDES,
        frames=st.none() | SIDES,
        classes=st.none() | SIDES,
        context=st.none() | st.tuples(SIDES, SIDES),
    )
)
def test_what_is_drawn_has_the_shape_and_is_drawn_alike_again(config):
    geometry = config.geometry(1)
    train = Shape(config).split("train")
    batch, again = train.batch(range(IMAGES)), Shape(config).split("train").batch(range(IMAGES))
    assert batch.x.shape == (IMAGES, *geometry.sample_shape)
    assert torch.equal(batch.x, again.x)
    assert (batch.label is None) == (config.classes is None)
    assert batch.label is None or set(batch.label.tolist()) == set(range(config.classes))
    assert config.context is None or batch.context.shape == (IMAGES, *config.context)
    assert Shape(config).split("held-out").content_hash != train.content_hash
