"""The mixers of a block's tokens besides Mamba's: each with the place and the arguments of ``MambaMixer``."""
