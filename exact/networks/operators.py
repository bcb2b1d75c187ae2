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
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from math import isfinite
from typing import Any, Self, TypeVar

import numpy as np

from exact.arithmetic.enclosures.ball_matrices import BallMatrix
from exact.arithmetic.enclosures.ball_tensors import Balls, matrix_product
from exact.arithmetic.linear_algebra import identity, is_wide, wide_product
from exact.arithmetic.nearest import follow
from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    RationalArray,
    RationalMatrix,
    nearest_floats,
    rational,
)
from exact.errors import InvalidInput, require_methods


class LinearOperator(ABC):
    """A linear map of R^inputs into R^outputs with rational entries.

    One of one's own is a subclass with `shape` and `apply`; a layer refuses it with InvalidInput
    where they do not fit each other, or a method that it overrides disagrees with `apply`.
    Equal operators have equal matrices, whatever their classes are; cost of comparing: their
    matrices once.

    >>> from exact.arithmetic.numbers import RationalArray
    >>> from exact.networks.operators import Dense
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

    def __new__(cls, *given: object, **named: object) -> Self:
        require_methods(cls, "linear operator")
        return super().__new__(cls)

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

    @property
    def content(self) -> bytes:
        """What graphs know it by: cheap to make, the same for operators that are written alike."""
        return self.digest

    def row(self, output: int) -> list[Rational]:
        """The coefficients of one output over the inputs."""
        return self.matrix.row(output)

    def apply_row(self, output: int, columns: RationalArray) -> list[Rational]:
        """One row of :meth:`apply`."""
        return _times(self.row(output), columns)

    def pull_back(self, row: RationalArray) -> RationalArray:
        """A form over the outputs (1 x outputs) as one over the inputs (1 x inputs), exactly."""
        return row * self.matrix.exact

    def apply_float(self, rows: FloatArray) -> FloatArray:
        """The images of the rows of a (batch x inputs) array in float64, without a bound."""
        return np.asarray(rows @ self.matrix.float64().T)

    def magnitude(self, rows: FloatArray) -> FloatArray:
        """The images of rows of nonnegative numbers under the entries' absolute values, in float64:
        what bounds of :meth:`apply_float` are made of.
        """
        return np.asarray(rows @ np.abs(self.matrix.float64()).T)

    @property
    def terms(self) -> int:
        """At most how many products one output adds up; 0 where numbers are only moved about."""
        return self.shape[1]

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


def check_operator(operator: LinearOperator) -> None:
    """InvalidInput unless an operator of one's own keeps its promises, as far as a few columns
    tell: images of the shape it says, linear, and its fast paths with the same values.

    Those of this folder keep them. Cost: four columns through `apply`, and through each fast path
    that it has; once an operator.
    """
    if type(operator).__module__.startswith(_OWN) or _CHECKED in vars(operator):
        return
    name, shape = type(operator).__name__, operator.shape
    if not (
        isinstance(shape, tuple | list)
        and len(shape) == 2
        and all(isinstance(x, int | np.integer) and x >= 0 for x in shape)
    ):
        raise InvalidInput(
            f"shape of the operator {name} is no pair of numbers",
            value=repr(shape)[:60],
            remedy="give (outputs, inputs)",
        )
    outputs, inputs = shape
    if outputs and inputs:
        _check_images(operator, _probes(inputs))
    vars(operator)[_CHECKED] = True


_CHECKED, _OWN = "_keeps_its_promises", "exact.networks."


def _probes(inputs: int) -> RationalArray:
    """Columns x, y, z and x + 2 y: the first and the last unit vector's sum, and ramps."""
    ends = [int(i == 0) + int(i == inputs - 1) for i in range(inputs)]
    ramp, turns = [1 + i % 5 for i in range(inputs)], [(-1) ** i * (i % 3) for i in range(inputs)]
    rows = [[x, y, z, x + 2 * y] for x, y, z in zip(ends, ramp, turns, strict=True)]
    return RationalArray(inputs, 4, [Rational(x) for row in rows for x in row])


def _check_images(operator: LinearOperator, columns: RationalArray) -> None:
    name, (outputs, inputs) = type(operator).__name__, operator.shape
    images = operator.apply(columns)
    if not isinstance(images, RationalArray) or (images.nrows(), images.ncols()) != (outputs, 4):
        raise InvalidInput(
            f"apply() of the operator {name} gives images of another shape than it says",
            value=f"{images!r} from 4 columns, shape ({outputs}, {inputs})",
            remedy="let shape be (outputs, inputs), and apply() give an image for each column",
        )
    kept = [i for i in range(outputs) if i < _SEEN or i >= outputs - _SEEN]
    rows = {i: [images[i, k] for k in range(4)] for i in kept}
    if any(last != x + 2 * y for x, y, _, last in rows.values()):
        raise InvalidInput(
            f"apply() of the operator {name} is not linear",
            value="another image of x + 2 y than apply(x) + 2 apply(y)",
            remedy="leave constants to the layer's bias",
        )
    for path, is_right in _PATHS.items():
        own = getattr(type(operator), path) is not getattr(LinearOperator, path)
        if own and not is_right(operator, columns, rows):
            raise InvalidInput(
                f"{path}() of the operator {name} disagrees with apply()",
                value=f"shape ({outputs}, {inputs})",
                remedy="give the same map, as LinearOperator says of it, or leave it out",
            )


_SEEN = 4  # rows at either end that are compared
Images = Mapping[int, Sequence[Rational]]


def _row_is_right(operator: LinearOperator, columns: RationalArray, rows: Images) -> bool:
    found = {i: operator.row(i) for i in rows}
    return all(
        isinstance(row, list) and len(row) == columns.nrows() and _times(row, columns) == [*rows[i]]
        for i, row in found.items()
    )


def _pull_back_is_right(operator: LinearOperator, columns: RationalArray, rows: Images) -> bool:
    outputs, last = operator.shape[0], max(rows)
    form = RationalArray(1, outputs, [Rational(int(i == last)) for i in range(outputs)])
    found = operator.pull_back(form)
    fits = isinstance(found, RationalArray) and (found.nrows(), found.ncols()) == (
        1,
        columns.nrows(),
    )
    return fits and (found * columns).entries() == [*rows[last]]


def _floats_are_right(operator: LinearOperator, columns: RationalArray, rows: Images) -> bool:
    floats = nearest_floats(columns.transpose().entries()).reshape(4, columns.nrows())
    found = np.asarray(operator.apply_float(floats))
    if found.shape != (4, operator.shape[0]):
        return False
    exact = [rows[i][k] for k in range(4) for i in rows]
    return follow(found[:, list(rows)], exact)


def _balls_are_right(operator: LinearOperator, columns: RationalArray, rows: Images) -> bool:
    found: object = operator.apply_balls(columns, "cpu")
    return isinstance(found, Balls) and _hold(found.mid.numpy(), found.rad.numpy(), operator, rows)


def _enclosures_are_right(operator: LinearOperator, columns: RationalArray, rows: Images) -> bool:
    found: object = operator.enclose(BallMatrix.of(columns))
    return isinstance(found, BallMatrix) and _hold(found.mid, found.rad, operator, rows)


def _hold(mid: FloatArray, rad: FloatArray, operator: LinearOperator, rows: Images) -> bool:
    """Whether balls hold the exact images; balls beyond float64 hold all."""
    if mid.shape != (operator.shape[0], 4) or rad.shape != mid.shape:
        return False
    return all(
        not isfinite(mid[i, k] + rad[i, k])
        or abs(x - rational(float(mid[i, k]))) <= rational(float(rad[i, k]))
        for i, row in rows.items()
        for k, x in enumerate(row)
    )


def _times(row: Sequence[Rational], columns: RationalArray) -> list[Rational]:
    product = RationalArray(1, len(row), list(row)) * columns
    return list(product.entries())


_PATHS: Mapping[str, Callable[[Any, RationalArray, Images], bool]] = {
    "row": _row_is_right,
    "pull_back": _pull_back_is_right,
    "apply_float": _floats_are_right,
    "apply_balls": _balls_are_right,
    "enclose": _enclosures_are_right,
}
"""What tells whether a fast path of one's own does what `apply` does."""


_IMAGES, _BALLS, _KEPT = "_images", "_balls", 4
Columns = TypeVar("Columns")
Found = TypeVar("Found")


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
        found = self._wide(columns)
        return self.matrix.exact * columns if found is None else found

    def apply_row(self, output: int, columns: RationalArray) -> list[Rational]:
        found = self._wide(columns)
        if found is None:
            return super().apply_row(output, columns)
        return [found[output, k] for k in range(columns.ncols())]

    def enclose(self, columns: BallMatrix) -> BallMatrix:
        if not is_wide(self.matrix, columns.mid.shape[1]):
            return super().enclose(columns)
        return self._kept(_BALLS, columns, super().enclose)

    def _wide(self, columns: RationalArray) -> RationalArray | None:
        """The images where a wide matrix meets few columns."""
        if not is_wide(self.matrix, columns.ncols()):
            return None
        return self._kept(_IMAGES, columns, lambda given: wide_product(self.matrix, given))

    def _kept(self, name: str, columns: Columns, make: Callable[[Columns], Found]) -> Found:
        """What was made of the last few columns, by object, is kept: the chart of a domain is
        carried through the first layer again on every region.
        """
        recent: tuple[tuple[Columns, Found], ...] = vars(self).get(name, ())
        for given, found in recent:
            if given is columns:
                return found
        made = make(columns)
        vars(self)[name] = ((columns, made), *recent[: _KEPT - 1])
        return made

    def __reduce__(self) -> tuple[object, ...]:
        return Dense, (self.matrix,)
