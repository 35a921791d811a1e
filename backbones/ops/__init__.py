"""Selective scan and causal convolution: one function each, on whatever machine there is."""

from backbones.ops.choice import BackendStatus, backends
from backbones.ops.conv.operator import causal_conv
from backbones.ops.scan.operator import selective_scan

__all__ = ["BackendStatus", "backends", "causal_conv", "selective_scan"]
