"""Noise of a given shape, for measurements of speed: its typed config."""

from __future__ import annotations

from zigbench.spec import DataConfig, Geometry, Positive, registry


@registry.data.register("shape")
class ShapeConfig(DataConfig):
    """No images, only their shape: noise of that shape, for measurements of speed.

    Args:
        channels: of an image or latent.
        height, width: in pixels or latent cells.
        frames: of a clip; None for images.
        classes: number of classes; None without labels.
        context: tokens and width of a text's embedding; None without texts.
    """

    loader = "zigbench.data.builtin.loaders.shape:Shape"
    channels: Positive = 4
    height: Positive = 32
    width: Positive = 32
    frames: Positive | None = None
    classes: Positive | None = None
    context: tuple[Positive, Positive] | None = None

    def geometry(self, patch: int) -> Geometry:
        return Geometry(
            self.channels,
            self.height,
            self.width,
            patch,
            frames=self.frames,
            classes=self.classes,
            context=self.context,
        )
