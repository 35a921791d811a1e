"""The machine code of the Triton kernels, read without a GPU: registers, instructions, and a predicted time."""
