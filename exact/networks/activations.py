"""Activation functions as data: where they bend, and the affine piece between two bends.

A neuron with b breakpoints contributes b bits to the spline code, bit k set iff `z >
breakpoints[k]`; the number of set bits is the index of the affine piece. ReLU has one breakpoint
(0), hard tanh two, the identity none. A smooth activation keeps the sign of its pre-activation as
its one bit and has no pieces: it is not piecewise linear.

All that is said about an activation stands in this one file: its class, and by :func:`known` the
names and the torch modules by which readers find it. To train one, it also needs a name in
`toy_models.models`.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, Self, TypeVar

import numpy as np

from exact.arithmetic.enclosures.late import ByModule
from exact.arithmetic.nearest import follow
from exact.arithmetic.numbers import (
    Ball,
    FloatArray,
    Rational,
    ball_bounds,
    nearest_float,
    rational,
)
from exact.arithmetic.texts.number_texts import full_repr
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput, NotPiecewiseLinear, require_methods

if TYPE_CHECKING:
    from torch import nn

_ZERO, _ONE = Rational(0), Rational(1)
_FAR = 2.0**500  # points beyond are not asked of a float pass
_DEFAULT_SLOPE = rational(0.01)
Piece = tuple[Rational, Rational]


class Activation(ABC):
    """A scalar function applied to every pre-activation of a layer.

    One of one's own is a subclass with `breakpoints`, `pieces` and `forward_float`. A layer refuses
    it with InvalidInput where bends do not ascend, pieces do not fit them, or the float pass is
    another function.

    >>> from exact import rational
    >>> class Clipped(Activation):
    ...     zero, one, six = rational(0), rational(1), rational(6)
    ...     breakpoints = zero, six
    ...     pieces = (zero, zero), (one, zero), (zero, six)
    ...     def forward_float(self, z):
    ...         return z.clip(0, 6)
    >>> Clipped().is_continuous, Clipped().name
    (True, 'Clipped()')
    """

    def __new__(cls, *given: object, **named: object) -> Self:
        require_methods(cls, "activation")
        return super().__new__(cls)

    @property
    @abstractmethod
    def breakpoints(self) -> tuple[Rational, ...]:
        """The pre-activations at which the spline code changes, ascending."""

    @property
    @abstractmethod
    def pieces(self) -> tuple[Piece, ...]:
        """(slope, intercept) of each affine piece, left to right; NotPiecewiseLinear for a smooth
        activation.
        """

    @abstractmethod
    def forward_float(self, z: FloatArray) -> FloatArray:
        """The function in float64 (approximate)."""

    @property
    def is_piecewise_linear(self) -> bool:
        """Whether the function is affine between its breakpoints."""
        return True

    @property
    def name(self) -> str:
        """The class with its parameters in full, used in messages; digests know by it only what has
        no pieces.
        """
        return (
            full_repr(self)
            if type(self).__repr__ is not object.__repr__
            else f"{type(self).__qualname__}()"
        )

    @property
    def digest(self) -> bytes:
        """sha256 of bends and pieces, whatever the class is called; of bends and name where there
        are no pieces.

        >>> from exact import rational
        >>> LeakyReLU(0).digest == ReLU().digest
        True
        """
        pieces, name = (self.pieces, "") if self.is_piecewise_linear else ((), self.name)
        written = ",".join(_hexadecimal(piece) for piece in pieces)
        bends = ",".join(_hexadecimal([bend]) for bend in self.breakpoints)
        return hashlib.sha256(f"{bends};{written};{name}".encode("utf-8", "surrogatepass")).digest()

    def __eq__(self, other: object) -> bool:
        """Whether both are of one class and the same function; dataclasses compare their fields."""
        if not isinstance(other, Activation):
            return NotImplemented
        return type(self) is type(other) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash((type(self), self.digest))

    @property
    def float_bounds(self) -> tuple[float, float]:
        """A bound on |derivative|, and on the error of the function in float64 in units of
        `2^-53 |z|`; infinite where none is known.

        >>> from exact import rational
        >>> ReLU().float_bounds, LeakyReLU("1/4").float_bounds
        ((1.0, 0.0), (1.0, 0.25))
        """
        if not self.is_piecewise_linear:
            return float("inf"), float("inf")
        sloped = [(abs(slope), intercept) for slope, intercept in self.pieces if slope != 0]
        steepest = nearest_float(max((slope for slope, _ in sloped), default=_ZERO))
        if any(intercept != 0 for _, intercept in sloped):
            return steepest, float("inf")
        return steepest, nearest_float(max((s for s, _ in sloped if s != 1), default=_ZERO))

    @property
    def is_continuous(self) -> bool:
        """Whether the bends ascend, with one piece more, and every two pieces meet at the bend
        between them.
        """
        bends = self.breakpoints
        if any(low >= high for low, high in pairwise(bends)):
            return False
        if not self.is_piecewise_linear:
            return bool(bends)
        if len(self.pieces) != len(bends) + 1:
            return False
        ends = zip(bends, pairwise(self.pieces), strict=True)
        return all(
            left[0] * bend + left[1] == right[0] * bend + right[1] for bend, (left, right) in ends
        )


Kind = TypeVar("Kind", bound=type[Activation])
KINDS: dict[str, type[Activation]] = {}  # what files call them: the names of the classes
NAMED: dict[str, Activation] = {}  # what transformers calls them
TORCH = ByModule[Callable[["nn.Module"], Activation]]()


def known(
    torch: Mapping[type[nn.Module] | str, Sequence[str]] | None = None,
    named: Mapping[str, Sequence[object]] | None = None,
) -> Callable[[Kind], Kind]:
    """Let readers and files know a class of activations, a dataclass whose fields are numbers, or
    texts where their default is one.

    `torch` says which attributes of which modules, or of those of which names in `torch.nn`, the
    fields are, `named` which values they have under the names of configurations.

    >>> from torch import nn
    >>> from exact.networks.activations import KINDS, NAMED, TORCH
    >>> NAMED["relu6"], TORCH[nn.Hardtanh](nn.Hardtanh(-2, 3)), KINDS["ReLU"]()
    (HardTanh(lo=0, hi=6), HardTanh(lo=-2, hi=3), ReLU())
    """

    def register(kind: Kind) -> Kind:
        def reader(attributes: Sequence[str]) -> Callable[[nn.Module], Activation]:
            return lambda module: kind(*(getattr(module, name) for name in attributes))

        KINDS[kind.__name__] = kind
        NAMED.update({name: kind(*values) for name, values in (named or {}).items()})
        for module, names in (torch or {}).items():
            TORCH[module] = reader(names)
        return kind

    return register


def check_activation(activation: Activation) -> None:
    """InvalidInput unless an activation of one's own keeps its promises, as far as a few points
    tell: bends ascend, there is one piece more, all are Rationals, which no Fraction or float
    stands for, and the float pass follows the pieces.
    """
    if type(activation).__module__ == __name__:
        return
    bends, name = activation.breakpoints, type(activation).__name__
    if not _are_rationals(bends):
        raise InvalidInput(
            f"breakpoints of the activation {name} is no tuple of Rationals",
            value=repr(bends)[:60],
            remedy="give exact.rational(x) for each bend, and () for none",
        )
    if any(low >= high for low, high in pairwise(bends)):
        raise InvalidInput(
            f"breakpoints of the activation {name} do not ascend",
            value=bends,
            remedy="give them in ascending order, each once",
        )
    if activation.is_piecewise_linear:
        _check_pieces(activation, name)
    elif not isinstance(activation, Smooth):
        raise InvalidInput(
            f"the activation {name} has neither pieces nor enclosures",
            value="is_piecewise_linear = False",
            remedy="derive it from exact.networks.activations.Smooth, with forward_ball",
        )
    else:
        _check_enclosures(activation, name)


def _check_pieces(activation: Activation, name: str) -> None:
    pieces, bends = activation.pieces, activation.breakpoints
    if not isinstance(pieces, tuple | list) or not all(
        _are_rationals(piece) and len(piece) == 2 for piece in pieces
    ):
        raise InvalidInput(
            f"pieces of the activation {name} are no pairs of Rationals",
            value=repr(pieces)[:60],
            remedy="give (slope, intercept) for each piece, of exact.rational(x)",
        )
    if len(pieces) != len(bends) + 1:
        raise InvalidInput(
            f"pieces of the activation {name} do not fit its breakpoints",
            value=f"{len(bends)} breakpoints, {len(pieces)} pieces",
            remedy="give one piece more than breakpoints, from left to right",
        )
    points = [x for x in map(nearest_float, _between(bends)) if abs(x) < _FAR]
    inside = [rational(x) for x in points]
    exact = [
        slope * x + intercept
        for x in inside
        for slope, intercept in [pieces[sum(x > bend for bend in bends)]]
    ]
    found = activation.forward_float(np.array(points))
    if not follow(found, exact):
        raise InvalidInput(
            f"forward_float of the activation {name} is another function than its pieces",
            value=f"{repr(found)[:60]} at {points}",
            remedy="let it take an array and give slope z + intercept of each z's piece",
        )


def _check_enclosures(activation: Smooth, name: str) -> None:
    balls: list[object] = [activation.forward_ball(Ball(x)) for x in (-1, 2)]
    found = activation.forward_float(np.array([-1.0, 2.0]))
    middles = [
        sum(ball_bounds(b), _ZERO) / 2 for b in balls if isinstance(b, Ball) and b.is_finite()
    ]
    if len(middles) < 2 or not follow(found, middles):
        raise InvalidInput(
            f"forward_ball of the activation {name} is another function than forward_float",
            value=f"{repr(balls)[:60]}, {repr(found)[:60]} at -1 and 2",
            remedy="let forward_ball enclose what forward_float computes",
        )


def _are_rationals(values: object) -> bool:
    return isinstance(values, tuple | list) and all(isinstance(x, Rational) for x in values)


def _between(bends: Sequence[Rational]) -> list[Rational]:
    """A point inside every piece."""
    if not bends:
        return [_ONE]
    middles = [(low + high) / 2 for low, high in pairwise(bends)]
    return [bends[0] - 1 - abs(bends[0]), *middles, bends[-1] + 1 + abs(bends[-1])]


def _hexadecimal(values: Iterable[Rational]) -> str:
    return " ".join(f"{int(x.p):x}/{int(x.q):x}" for x in values)


@known(torch={"ReLU": ()}, named={"relu": ()})
@dataclass(frozen=True)
class ReLU(Activation):
    """max(z, 0).

    >>> ReLU().breakpoints == (0,), ReLU().pieces == ((0, 0), (1, 0))
    (True, True)
    """

    @property
    def breakpoints(self) -> tuple[Rational, ...]:
        return (_ZERO,)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        return ((_ZERO, _ZERO), (_ONE, _ZERO))

    def forward_float(self, z: FloatArray) -> FloatArray:
        return np.maximum(z, 0.0)


@known(torch={"LeakyReLU": ["negative_slope"]}, named={"leaky_relu": ()})
@short_repr
@dataclass(frozen=True)
class LeakyReLU(Activation):
    """z for z > 0, else slope * z. A float slope is taken at its exact value (0.01 is the float64
    nearest to 1/100).

    >>> [(str(slope), str(intercept)) for slope, intercept in LeakyReLU("1/4").pieces]
    [('1/4', '0'), ('1', '0')]
    """

    slope: Rational = _DEFAULT_SLOPE

    def __post_init__(self) -> None:
        object.__setattr__(self, "slope", rational(self.slope, "negative slope"))

    @property
    def breakpoints(self) -> tuple[Rational, ...]:
        return (_ZERO,)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        return ((self.slope, _ZERO), (_ONE, _ZERO))

    def forward_float(self, z: FloatArray) -> FloatArray:
        return np.where(z > 0, z, nearest_float(self.slope) * z)


@known()
@dataclass(frozen=True)
class AbsoluteValue(Activation):
    """|z|.

    >>> [str(slope) for slope, _ in AbsoluteValue().pieces], AbsoluteValue().is_continuous
    (['-1', '1'], True)
    """

    @property
    def breakpoints(self) -> tuple[Rational, ...]:
        return (_ZERO,)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        return ((-_ONE, _ZERO), (_ONE, _ZERO))

    def forward_float(self, z: FloatArray) -> FloatArray:
        return np.abs(z)


@known(
    torch={"Hardtanh": ["min_val", "max_val"], "ReLU6": ["min_val", "max_val"]},
    named={"relu6": (0, 6)},
)
@short_repr
@dataclass(frozen=True)
class HardTanh(Activation):
    """min(max(z, lo), hi) with lo < hi.

    >>> [str(bend) for bend in HardTanh().breakpoints], len(HardTanh().pieces)
    (['-1', '1'], 3)
    """

    lo: Rational = -_ONE
    hi: Rational = _ONE

    def __post_init__(self) -> None:
        object.__setattr__(self, "lo", rational(self.lo, "lo"))
        object.__setattr__(self, "hi", rational(self.hi, "hi"))
        if self.lo >= self.hi:
            raise InvalidInput(
                "hard tanh needs lo < hi", value=(self.lo, self.hi), remedy="swap the bounds"
            )

    @property
    def breakpoints(self) -> tuple[Rational, ...]:
        return (self.lo, self.hi)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        return ((_ZERO, self.lo), (_ONE, _ZERO), (_ZERO, self.hi))

    def forward_float(self, z: FloatArray) -> FloatArray:
        return np.clip(z, nearest_float(self.lo), nearest_float(self.hi))


@known(torch={"Identity": ()}, named={"linear": ()})
@dataclass(frozen=True)
class Identity(Activation):
    """z: no breakpoint, no bit.

    >>> Identity().breakpoints, Identity().is_piecewise_linear
    ((), True)
    """

    @property
    def breakpoints(self) -> tuple[Rational, ...]:
        return ()

    @property
    def pieces(self) -> tuple[Piece, ...]:
        return ((_ONE, _ZERO),)

    def forward_float(self, z: FloatArray) -> FloatArray:
        return z


class Smooth(Activation):
    """An activation without affine pieces; its one bit is the sign of the pre-activation."""

    @abstractmethod
    def forward_ball(self, z: Ball) -> Ball:
        """An enclosure of the function on a ball."""

    @property
    def breakpoints(self) -> tuple[Rational, ...]:
        return (_ZERO,)

    @property
    def is_piecewise_linear(self) -> bool:
        return False

    @property
    def pieces(self) -> tuple[Piece, ...]:
        raise NotPiecewiseLinear(
            "this network has a smooth activation, so its regions have no affine map",
            value=self.name,
            remedy="use codes of the first hidden layer only, or network.relu_ised() for the ReLU "
            "in its place",
        )


@known(
    torch={"GELU": ["approximate"]},
    named={  # gelu_fast has another constant than the tanh form
        "gelu_new": ["tanh"],
        "gelu_pytorch_tanh": ["tanh"],
        "gelu_python_tanh": ["tanh"],
        "gelu_accurate": ["tanh"],
        "gelu": ["none"],
        "gelu_python": ["none"],
    },
)
@dataclass(frozen=True)
class GELU(Smooth):
    """z Phi(z) (`approximate="none"`), or its tanh form (`"tanh"`, GPT-2's gelu_new). Not piecewise
    linear.

    >>> GELU().is_piecewise_linear, [str(bend) for bend in GELU("tanh").breakpoints]
    (False, ['0'])
    """

    approximate: Literal["none", "tanh"] = "none"

    def __post_init__(self) -> None:
        if self.approximate not in ("none", "tanh"):
            raise InvalidInput(
                "unknown form of GELU",
                value=repr(self.approximate),
                remedy='write "none" or "tanh"',
            )

    @property
    def float_bounds(self) -> tuple[float, float]:
        return 1.13, 64.0

    def forward_ball(self, z: Ball) -> Ball:
        if self.approximate == "tanh":
            return (
                z
                * (1 + ((2 / Ball.pi()).sqrt() * (z + Ball(rational("0.044715")) * z**3)).tanh())
                / 2
            )
        return z * (1 + (z / Ball(2).sqrt()).erf()) / 2

    def forward_float(self, z: FloatArray) -> FloatArray:
        if self.approximate == "tanh":
            return np.asarray(
                0.5 * z * (1.0 + np.tanh((2.0 / np.pi) ** 0.5 * (z + 0.044715 * z**3)))
            )
        from scipy.special import erf

        return np.asarray(0.5 * z * (1.0 + erf(z / 2.0**0.5)))


@known(torch={"SiLU": ()}, named={"silu": (), "swish": ()})
@dataclass(frozen=True)
class SiLU(Smooth):
    """z sigmoid(z). Not piecewise linear.

    >>> import numpy as np
    >>> SiLU().forward_float(np.array([0.0, 2.0])).round(4).tolist(), SiLU().is_piecewise_linear
    ([0.0, 1.7616], False)
    """

    @property
    def float_bounds(self) -> tuple[float, float]:
        return 1.1, 64.0

    def forward_ball(self, z: Ball) -> Ball:
        return z / (1 + (-z).exp())

    def forward_float(self, z: FloatArray) -> FloatArray:
        from scipy.special import expit

        return np.asarray(z * expit(z))
