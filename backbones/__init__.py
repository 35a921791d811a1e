"""Diffusion backbones, plugged into zigbench by entry point."""
