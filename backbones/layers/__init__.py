"""Building blocks of the backbones."""
