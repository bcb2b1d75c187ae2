"""LayerNorm and RMSNorm as exact maps.

`norm(x) = gain * sqrt(n) P x / (scale of P x) + bias`, with P = I - 11'/n (LayerNorm) or I
(RMSNorm) and r = |P x|. Two conventions place eps: "var" divides by sqrt(r^2 + n eps) (PyTorch,
GPT-2), "std" by r + sqrt(n) eps (mathematics.md, "LayerNorm and RMSNorm"). With eps = 0 the image
is the sphere of radius sqrt(n) in the image of P, before gain and bias. An orthonormal basis of
that space would bring in sqrt(2), sqrt(6), ...; every computation here stays with P itself, which
is rational.

All that is said about a norm stands here: its class, and by :func:`known` the names and the torch
module by which readers find it. To train one, it also needs a name in `toy_models.models`.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import numpy as np

from exact.arithmetic.enclosures.float_environment import in_ieee_floats
from exact.arithmetic.enclosures.late import ByModule
from exact.arithmetic.linear_algebra import identity, matrix, rank
from exact.arithmetic.nearest import exponent, follow, scaled_by
from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    RationalArray,
    RationalMatrix,
    nearest_float,
    rational,
    whole_number,
)
from exact.errors import InvalidInput, require_methods

if TYPE_CHECKING:
    from torch import nn

EpsRule = Literal["var", "std"]
Projector = RationalMatrix | Literal["identity", "mean"]
IndexArray = np.ndarray[Any, np.dtype[np.int64]]
_ZERO = Rational(0)
_FAR = 1 << 20  # beyond every exponent of a float64


@dataclass(frozen=True)
class Norm(ABC):
    """A normalisation of R^dim with exact eps, gain and bias (columns of length `dim`).

    A norm of one's own is a subclass with `project`, `sphere_dim` and `sphere_basis`; P must be an
    orthogonal projection and the basis one of its image, else making one raises InvalidInput.

    >>> from exact.arithmetic.linear_algebra import matrix
    >>> norm = LayerNorm.of(eps=0, dim=3)
    >>> norm.sphere_dim, norm.project(matrix([[3], [0], [0]], 1)).entries() == [2, -1, -1]
    (1, True)
    """

    dim: int
    eps: Rational
    gain: RationalMatrix
    bias: RationalMatrix
    eps_rule: EpsRule = "var"

    def __new__(cls, *given: object, **named: object) -> Self:
        require_methods(cls, "norm")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        _check_fields(self)
        if type(self) not in (LayerNorm, RMSNorm):
            _check_projection(self)

    @classmethod
    def of(
        cls,
        eps: object = 1e-5,
        gain: Any = None,
        bias: Any = None,
        dim: int | None = None,
        eps_rule: EpsRule = "var",
    ) -> Self:
        """Build from anything readable; `dim` is needed only when neither gain nor bias gives
        it.
        """
        given = [
            None if x is None else RationalMatrix.read(x, f"norm {name}")
            for x, name in ((gain, "gain"), (bias, "bias"))
        ]
        size = (
            next((x.shape[0] for x in given if x is not None), None)
            if dim is None
            else whole_number(dim, "dim")
        )
        if size is None or size < 1:
            raise InvalidInput(
                "the dimension of the norm is unknown",
                value=size,
                remedy="give dim=, gain= or bias=",
            )
        exact_eps = rational(eps, "eps")
        if exact_eps < 0:
            raise InvalidInput("eps of a norm is negative", value=eps, remedy="give eps >= 0")
        if eps_rule not in ("var", "std"):
            raise InvalidInput(
                "unknown eps rule", value=repr(eps_rule), remedy='write "var" or "std"'
            )
        columns = [_column(given[0], size, 1, "gain"), _column(given[1], size, 0, "bias")]
        return cls(size, exact_eps, columns[0], columns[1], eps_rule)

    @abstractmethod
    def project(self, columns: RationalArray) -> RationalArray:
        """P applied to every column of a (dim x k) matrix."""

    @property
    @abstractmethod
    def sphere_dim(self) -> int:
        """The dimension of the sphere that is the image at eps = 0: dim - 2 (LayerNorm), dim - 1
        (RMSNorm).
        """

    @abstractmethod
    def sphere_basis(self) -> list[list[Rational]]:
        """A rational basis of the image of P (sphere_dim + 1 vectors)."""

    def projector(self) -> Projector:
        """P as filters and figures use it: "identity", "mean" where it takes the mean off, else its
        (dim x dim) matrix.
        """
        if type(self) in (LayerNorm, RMSNorm):
            return "mean" if type(self) is LayerNorm else "identity"
        found, ones = (
            self.project(identity(self.dim)),
            matrix([[Rational(1, self.dim)] * self.dim] * self.dim, self.dim),
        )
        if found == identity(self.dim):
            return "identity"
        return "mean" if found == identity(self.dim) - ones else RationalMatrix.from_backend(found)

    @property
    def eps_under_root(self) -> Rational:
        """The share of eps added to the mean square."""
        return self.eps if self.eps_rule == "var" else _ZERO

    @property
    def eps_beside_root(self) -> Rational:
        """The share of eps added to the root mean square."""
        return self.eps if self.eps_rule == "std" else _ZERO

    @property
    def digest(self) -> bytes:
        """sha256 of projection, eps, gain and bias, whatever the class is called."""
        projection = self.projector()
        named = projection.encode() if isinstance(projection, str) else projection.digest
        shares = (self.eps_under_root, self.eps_beside_root)
        eps = ";".join(f"{int(x.p):x}/{int(x.q):x}" for x in shares)
        body = named + f";{eps};".encode() + self.gain.digest + self.bias.digest
        return hashlib.sha256(body).digest()

    def project_float(self, x: FloatArray) -> FloatArray:
        """P applied to every row of x (batch x dim), in float64 (approximate)."""
        found = self.projector()
        if found == "mean":
            return np.asarray(x - x.mean(axis=1, keepdims=True))
        return x if isinstance(found, str) else np.asarray(x @ found.float64().T)

    @in_ieee_floats
    def forward_float(self, x: FloatArray) -> FloatArray:
        """The norm in float64, to a few roundings of P x and of the result; x has shape (batch,
        dim).

        Powers of two are taken out of every row, so that its square neither underflows nor
        overflows. NaN where the norm is undefined.
        """
        centred, shift = _in_range(x)
        centred, more = _in_range(
            self.project_float(centred), _half_exponent(self.eps, self.eps_rule) - shift
        )
        shift = shift + more
        mean_square = np.mean(centred**2, axis=1, keepdims=True)
        scale = np.sqrt(mean_square + _shifted(self.eps_under_root, -2 * shift)) + _shifted(
            self.eps_beside_root, -shift
        )
        # 0 / 0 is NaN and a gain may lead beyond float64: both are meant
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(centred / scale * self.gain.float64().T + self.bias.float64().T)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(dim={self.dim}, eps={nearest_float(self.eps):g}, "
            f"eps_rule={self.eps_rule!r})"
        )


Kind = TypeVar("Kind", bound=type[Norm])
KINDS: dict[str, type[Norm]] = {}  # what files call them: the names of the classes
NAMED: dict[str, type[Norm]] = {}  # what functions of `sources` call them
TORCH = ByModule[type[Norm]]()


def known(name: str, torch: type[nn.Module] | str | None = None) -> Callable[[Kind], Kind]:
    """Let readers and files know a class of norms, which its five fields make.

    `torch` is a module, or its name in `torch.nn`, that computes as it does and has
    `normalized_shape`, `eps` and `weight`, and perhaps `bias`, as nn.LayerNorm has.

    >>> from torch import nn
    >>> from exact.networks.norms import KINDS, NAMED, TORCH
    >>> NAMED["rms"] is TORCH[nn.RMSNorm] is KINDS["RMSNorm"] is RMSNorm
    True
    """

    def register(kind: Kind) -> Kind:
        KINDS[kind.__name__] = NAMED[name] = kind
        if torch is not None:
            TORCH[torch] = kind
        return kind

    return register


def _in_range(x: FloatArray, at_least: IndexArray | int = -_FAR) -> tuple[FloatArray, IndexArray]:
    """Rows times 2^-k with entries below one, and k (batch x 1): the exponent of the largest entry,
    or `at_least`.
    """
    largest = np.abs(x).max(axis=1, keepdims=True, initial=0.0)
    shift = np.maximum(np.where(largest > 0, np.frexp(largest)[1], -_FAR), at_least)
    shift = np.where(shift == -_FAR, 0, shift)
    return np.ldexp(x, -shift), shift


def _half_exponent(eps: Rational, rule: EpsRule) -> int:
    """An exponent of what eps stands for beside an entry of P x."""
    return -_FAR if eps == 0 else (exponent(eps) + 1) // 2 if rule == "var" else exponent(eps)


def _shifted(eps: Rational, powers: IndexArray) -> FloatArray:
    """`eps 2^power` for every power, in float64."""
    size = exponent(eps)
    return np.asarray(np.ldexp(nearest_float(scaled_by(eps, -size)), size + powers))


@known("layernorm", "LayerNorm")
class LayerNorm(Norm):
    """P removes the mean; the image at eps = 0 is a sphere of dimension dim - 2.

    >>> import numpy as np
    >>> LayerNorm.of(dim=4, eps=0).forward_float(np.array([[1.0, 1.0, 3.0, 3.0]])).tolist()
    [[-1.0, -1.0, 1.0, 1.0]]
    """

    def project(self, columns: RationalArray) -> RationalArray:
        rows, k = columns.nrows(), columns.ncols()
        ones = RationalArray(1, rows, [Rational(1, rows)] * rows)
        means = (ones * columns).entries()
        return columns - RationalArray(rows, k, [*means] * rows)

    @property
    def sphere_dim(self) -> int:
        return self.dim - 2

    def sphere_basis(self) -> list[list[Rational]]:
        n = self.dim
        return [[Rational((j == i) - (j == i + 1)) for j in range(n)] for i in range(n - 1)]


@known("rms", "RMSNorm")
class RMSNorm(Norm):
    """P is the identity; the image at eps = 0 is a sphere of dimension dim - 1.

    >>> import numpy as np
    >>> RMSNorm.of(dim=2, eps=0).forward_float(np.array([[7.0, -1.0]])).tolist()
    [[1.4, -0.2]]
    """

    def project(self, columns: RationalArray) -> RationalArray:
        return columns

    @property
    def sphere_dim(self) -> int:
        return self.dim - 1

    def sphere_basis(self) -> list[list[Rational]]:
        return [[Rational(int(i == j)) for j in range(self.dim)] for i in range(self.dim)]


def _check_fields(norm: Norm) -> None:
    """InvalidInput unless the five fields are what :meth:`Norm.of` makes of its arguments."""
    column, numbers = (norm.dim, 1), (norm.gain, norm.bias)
    fits = type(norm.dim) is int and isinstance(norm.eps, Rational)
    if not fits or not all(isinstance(x, RationalMatrix) and x.shape == column for x in numbers):
        raise InvalidInput(
            f"the fields of the norm {type(norm).__name__} are not exact numbers of its dimension",
            value=f"dim {norm.dim!r}, eps {norm.eps!r}",
            remedy=f"make it with {type(norm).__name__}.of(eps, gain, bias, dim)",
        )


def _check_projection(norm: Norm) -> None:
    """InvalidInput unless P is an orthogonal projection whose image the basis of the sphere
    spans, and which floats follow.
    """
    n, basis, name = norm.dim, norm.sphere_basis(), type(norm).__name__
    found = norm.project(identity(n))
    if not isinstance(found, RationalArray) or (found.nrows(), found.ncols()) != (n, n):
        raise InvalidInput(
            f"project() of the norm {name} gives no matrix of its columns' shape",
            value=f"{found!r} from the {n} unit vectors",
            remedy="give a RationalArray with an image for each column",
        )
    if found * found != found or found.transpose() != found:
        raise InvalidInput(
            f"project() of the norm {name} is no orthogonal projection",
            value=found,
            remedy="let it apply one symmetric matrix P with P P = P to every column",
        )
    listed = isinstance(basis, list | tuple) and type(norm.sphere_dim) is int
    if not listed or not all(
        isinstance(row, list | tuple)
        and len(row) == n
        and all(isinstance(x, Rational) for x in row)
        for row in basis
    ):
        raise InvalidInput(
            f"sphere_basis() of the norm {name} gives no vectors of Rationals, or sphere_dim is "
            "no int",
            value=f"{repr(basis)[:60]}, sphere_dim {norm.sphere_dim!r}",
            remedy=f"give lists of {n} entries exact.rational(x), one more than sphere_dim",
        )
    columns = matrix(basis, n).transpose()
    trace = sum((found[i, i] for i in range(n)), _ZERO)
    if (
        len(basis) != norm.sphere_dim + 1
        or trace != len(basis)
        or rank(basis) != len(basis)
        or found * columns != columns
    ):
        raise InvalidInput(
            f"sphere_basis() of the norm {name} is no basis of the image of project()",
            value=f"{len(basis)} vectors, sphere_dim {norm.sphere_dim}, rank {trace}",
            remedy="give sphere_dim + 1 independent vectors that project() leaves as they are",
        )
    if norm.projector() != Norm.projector(norm):
        raise InvalidInput(
            f"projector() of the norm {name} is another map than project()",
            value=norm.projector(),
            remedy='give "identity", "mean" or the matrix of P, or leave it out',
        )
    ramp = [1 + k % 5 for k in range(n)]
    images = norm.project_float(np.array([ramp], dtype=np.float64))
    if not follow(images, (found * matrix([[Rational(x)] for x in ramp], 1)).entries()):
        raise InvalidInput(
            f"project_float of the norm {name} is another map than project()",
            value=f"{repr(images)[:60]} of {ramp}",
            remedy="let it take rows (batch x dim) and give P x of each, or leave it out",
        )


def _column(column: RationalMatrix | None, size: int, default: int, name: str) -> RationalMatrix:
    if column is None:
        return RationalMatrix.from_floats(np.full(size, float(default)))
    if column.shape != (size, 1):
        raise InvalidInput(
            f"norm {name} does not fit the norm", value=column.shape, remedy=f"give {size} entries"
        )
    return column
