"""zigbench: benchmark and ablation suite for scan orders in state-space diffusion backbones."""

__version__ = "0.1.0"
