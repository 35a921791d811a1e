"""Operators along a sequence: one function each, on whatever machine there is."""

from backbones.ops.choice import BackendStatus, backends
from backbones.ops.conv.operator import causal_conv
from backbones.ops.gated_delta.operator import gated_delta
from backbones.ops.gla.operator import gated_linear_attention
from backbones.ops.scan.operator import selective_scan
from backbones.ops.ssd.operator import ssd

__all__ = [
    "BackendStatus",
    "backends",
    "causal_conv",
    "gated_delta",
    "gated_linear_attention",
    "selective_scan",
    "ssd",
]
