"""zigbench: benchmark and ablation suite for scan orders in state-space diffusion backbones."""

from zigbench import _renamed

__version__ = "0.1.0"

_renamed.install()
