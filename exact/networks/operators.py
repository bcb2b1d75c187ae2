"""Linear operators: what a layer does to its input in front of bias and activation.

An operator says its shape and what it does to exact columns; all else follows from its matrix,
which is made once, where it is asked for. So a convolution without a fast path stands in every
engine, figure and certificate, and each method that it overrides is a fast path in its place.

An operator of one's own touches one file, with a class as below. To read it from weights touches
its reader in `sources` too; to keep it as what it is in files of weights, which hold matrices,
touches `networks/architectures`; to write it shorter than by its rows in certificates touches
`check/network`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np

from exact.arithmetic.enclosures.ball_matrices import BallMatrix
from exact.arithmetic.enclosures.ball_tensors import Balls, matrix_product
from exact.arithmetic.linear_algebra import identity
from exact.arithmetic.numbers import FloatArray, Rational, RationalArray, RationalMatrix
from exact.errors import InvalidInput


class LinearOperator(ABC):
    """A linear map of R^inputs into R^outputs with rational entries.

    One of one's own is a subclass with `shape` and `apply`. Equal operators have equal matrices,
    whatever their classes are; cost of comparing: their matrices once.

    >>> class Difference(LinearOperator):
    ...     shape = (1, 2)
    ...     def apply(self, columns):
    ...         k = columns.ncols()
    ...         return RationalArray(1, k, [columns[0, j] - columns[1, j] for j in range(k)])
    >>> str(Difference().matrix)
    '[[1, -1]]'
    >>> Difference() == Dense(RationalMatrix.from_rationals([[1, -1]]))
    True
    """

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """The numbers of outputs and of inputs."""

    @abstractmethod
    def apply(self, columns: RationalArray) -> RationalArray:
        """The images of the columns of an (inputs x k) matrix, exactly: (outputs x k)."""

    @cached_property
    def matrix(self) -> RationalMatrix:
        """The (outputs x inputs) matrix: the images of the unit vectors.

        Raises InvalidInput where `apply` gives images of another shape than it says.
        """
        images = self.apply(identity(self.shape[1]))
        if (images.nrows(), images.ncols()) != tuple(self.shape):
            raise InvalidInput(
                "an operator gives images of another shape than it says",
                value=f"{images.nrows()} x {images.ncols()} from the unit vectors, shape "
                f"{self.shape}",
                remedy="let shape be (outputs, inputs), and apply() give an image for each column",
            )
        return RationalMatrix.from_backend(images)

    @property
    def digest(self) -> bytes:
        """sha256 of the matrix, by which networks and certificates know a layer."""
        return self.matrix.digest

    def row(self, output: int) -> list[Rational]:
        """The coefficients of one output over the inputs."""
        return self.matrix.row(output)

    def pull_back(self, row: RationalArray) -> RationalArray:
        """A form over the outputs (1 x outputs) as one over the inputs (1 x inputs), exactly."""
        return row * self.matrix.exact

    def apply_float(self, rows: FloatArray) -> FloatArray:
        """The images of the rows of a (batch x inputs) array in float64, without a bound."""
        return np.asarray(rows @ self.matrix.float64().T)

    def apply_balls(self, columns: RationalArray, device: str) -> Balls:
        """:meth:`apply` as balls of torch that hold the exact images, for the float64 filters."""
        return matrix_product(self.matrix, columns, device)

    def enclose(self, columns: BallMatrix) -> BallMatrix:
        """Balls that hold the images of whatever columns lie in the given balls."""
        return BallMatrix.read(self.matrix) @ columns

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, LinearOperator)
            and tuple(self.shape) == tuple(other.shape)
            and self.digest == other.digest
        )

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.shape[0]} x {self.shape[1]})"


class Dense(LinearOperator):
    """The operator of a matrix.

    >>> Dense(RationalMatrix.from_rationals([[1, 2], [3, 4]])).row(1)
    [3, 4]
    """

    def __init__(self, matrix: RationalMatrix) -> None:
        self.__dict__["matrix"] = matrix

    @property
    def shape(self) -> tuple[int, int]:
        return self.matrix.shape

    def apply(self, columns: RationalArray) -> RationalArray:
        return self.matrix.exact * columns
