"""The work of a network's forward pass, counted in closed form."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """The work of one forward pass.

    A multiplication and an addition are two operations. Work that is done once a feature (norms, gates, activations) is
    not counted, and its traffic is taken as fused with its neighbours.

    Attributes:
        matrix_flops: operations of matrix products and attention.
        vector_flops: operations of scans and depthwise convolutions, which no matrix unit does.
        exponentials: of the scans and of attention's softmax.
        values: numbers read and written by all counted operations, each of its inputs and outputs once; the weights
            are among them.
    """

    matrix_flops: int
    vector_flops: int
    exponentials: int
    values: int

    @property
    def flops(self) -> int:
        """Operations of all kinds."""
        return self.matrix_flops + self.vector_flops

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.matrix_flops + other.matrix_flops,
            self.vector_flops + other.vector_flops,
            self.exponentials + other.exponentials,
            self.values + other.values,
        )

    def __mul__(self, times: int) -> Cost:
        return Cost(
            times * self.matrix_flops, times * self.vector_flops, times * self.exponentials, times * self.values
        )
