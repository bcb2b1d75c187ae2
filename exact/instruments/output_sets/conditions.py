"""Conditions on the outputs of a network: ors of ands of linear inequalities, strict or not.

`y = outputs(network)` are forms that add, subtract and scale; comparing two gives a condition, and
`&`, `|`, `~` join conditions. All numbers are exact, and `~(y[0] < 1)` is `y[0] >= 1`: a tie is
told from its side. A condition is kept as an or of ands.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from operator import add, ge, gt, le, lt, mul, sub, truediv
from typing import Any, NoReturn

from exact.arithmetic.numbers import Rational, rational
from exact.arithmetic.texts.printing import short_repr
from exact.errors import MOST, InvalidInput, TooLarge, abbreviated
from exact.networks.network import Network

MOST_CASES = 4096
_ZERO, _ONE = Rational(0), Rational(1)


class Form:
    """`factors . y + constant`, a linear form of the outputs y.

    >>> y = outputs(2)
    >>> 2 * y[0] - y[1] / 4 + 1
    2 y0 - 1/4 y1 + 1
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, factors: Sequence[Rational], constant: Rational) -> None:
        self.factors, self.constant = tuple(factors), constant

    def _moved(self, other: object, sign: int) -> Form:
        if not isinstance(other, Form):
            return Form(self.factors, self.constant + sign * rational(other, "number"))
        if len(other.factors) != len(self.factors):
            raise InvalidInput(
                "forms of different numbers of outputs",
                value=f"{len(self.factors)} and {len(other.factors)}",
                remedy="make all of them from one outputs(network)",
            )
        factors = [x + sign * y for x, y in zip(self.factors, other.factors, strict=True)]
        return Form(factors, self.constant + sign * other.constant)

    def __add__(self, other: object) -> Form:
        return self._moved(other, 1)

    def __sub__(self, other: object) -> Form:
        return self._moved(other, -1)

    def __neg__(self) -> Form:
        return self * -1

    def __rsub__(self, other: object) -> Form:
        return -self + other

    def __mul__(self, factor: object) -> Form:
        if isinstance(factor, Form):
            raise InvalidInput(
                "a product of two forms is not linear",
                value=f"({self}) * ({factor})",
                remedy="multiply a form by a number",
            )
        scale = rational(factor, "factor")
        return Form([x * scale for x in self.factors], self.constant * scale)

    def __truediv__(self, divisor: object) -> Form:
        if isinstance(divisor, Form):
            raise InvalidInput(
                "a ratio of two forms is not linear",
                value=f"({self}) / ({divisor})",
                remedy="divide a form by a number",
            )
        scale = rational(divisor, "divisor")
        if not scale:
            raise InvalidInput("a form divided by zero", value=self, remedy="divide by another")
        return self * (_ONE / scale)

    __radd__, __rmul__ = __add__, __mul__

    def __le__(self, other: object) -> Condition:
        return _compared(self - other, strict=False)

    def __lt__(self, other: object) -> Condition:
        return _compared(self - other, strict=True)

    def __ge__(self, other: object) -> Condition:
        return _compared(other - self, strict=False)

    def __gt__(self, other: object) -> Condition:
        return _compared(other - self, strict=True)

    def __eq__(self, other: object) -> NoReturn:
        raise InvalidInput(
            "forms are compared by <=, <, >= and > alone",
            value=f"{self} == {other}",
            remedy="write (form <= number) & (form >= number)",
        )

    def __str__(self) -> str:
        return _written([*self.factors], self.constant)

    def __repr__(self) -> str:
        return abbreviated(str(self), MOST)


@short_repr
@dataclass(frozen=True)
class Inequality:
    """`factors . y <= bound`, or `<` where it is strict."""

    factors: tuple[Rational, ...]
    bound: Rational
    strict: bool

    @property
    def negation(self) -> Inequality:
        """What holds where this one does not."""
        return Inequality(tuple(-x for x in self.factors), -self.bound, not self.strict)

    def at(self, outputs: Sequence[Rational]) -> bool:
        """Whether it holds of outputs."""
        value = sum((x * y for x, y in zip(self.factors, outputs, strict=True)), _ZERO)
        return value < self.bound or (value == self.bound and not self.strict)

    def __str__(self) -> str:
        return f"{_written(self.factors, _ZERO)} {'<' if self.strict else '<='} {self.bound}"


@dataclass(frozen=True)
class Condition:
    """An or of ands of inequalities of `width` outputs; `cases` are the ands.

    No case at all is false everywhere, and a case without inequalities true. It has no truth value:
    whether it holds is asked of a network on a domain.

    >>> y = outputs(3)
    >>> (y[0] < y[1]) | ((y[0] <= 2) & (y[2] >= "1/2"))
    y0 - y1 < 0, or y0 <= 2 and -y2 <= -1/2
    >>> ~(y[0] < 1) & (y[0] <= 2)
    -y0 <= -1 and y0 <= 2
    """

    width: int
    cases: tuple[tuple[Inequality, ...], ...]

    @classmethod
    def read(cls, text: str, width: int) -> Condition:
        """The condition that a text states of outputs y0, y1, ...: comparisons by <, <=, >, >=,
        joined by `and`, `or`, `not` and brackets. Decimals are the decimals.

        >>> Condition.read("y0 < y1 or 0.1 <= 2*y0 - y1/3 <= 1", 2)
        y0 - y1 < 0, or -2 y0 + 1/3 y1 <= -1/10 and 2 y0 - 1/3 y1 <= 1
        """
        found = _Reader(text, outputs(width)).read()
        if isinstance(found, Condition):
            return found
        raise _unreadable(text, "no comparison")

    @classmethod
    def every(cls, conditions: Iterable[Condition]) -> Condition:
        """All of them, of one or more."""
        first, *rest = _given(conditions)
        for condition in rest:
            first = first & condition
        return first

    @classmethod
    def some(cls, conditions: Iterable[Condition]) -> Condition:
        """At least one of them, of one or more."""
        first, *rest = _given(conditions)
        for condition in rest:
            first = first | condition
        return first

    def __or__(self, other: Condition) -> Condition:
        self._fits(other)
        return _condition(self.width, [*self.cases, *other.cases])

    def __and__(self, other: Condition) -> Condition:
        self._fits(other)
        _few(len(self.cases) * len(other.cases))
        pairs = product(self.cases, other.cases)
        return _condition(self.width, [a + b for a, b in pairs])

    def __invert__(self) -> Condition:
        count = 1
        for case in self.cases:
            count *= len(case)
            _few(count)
        return _condition(
            self.width, [tuple(one.negation for one in picked) for picked in product(*self.cases)]
        )

    def at(self, outputs: Sequence[Any]) -> bool:
        """Whether it holds of outputs, exactly.

        >>> outputs(1)[0].__lt__(1).at([1])
        False
        """
        values = [rational(y, "output") for y in outputs]
        return any(all(one.at(values) for one in case) for case in self.cases)

    def _fits(self, other: Condition) -> None:
        if not isinstance(other, Condition) or other.width != self.width:
            raise InvalidInput(
                "conditions are joined with conditions on the same outputs",
                value=repr(other)[:60],
                remedy="write (y[0] < 1) & (y[1] < 1), with y = outputs(network)",
            )

    def __bool__(self) -> bool:
        raise TypeError(
            "a condition has no truth value; got bool(condition), maybe by `and`, `or`, `not` or "
            "a chain a < y < b; write &, | and ~, with brackets around each comparison"
        )

    def __repr__(self) -> str:
        return abbreviated(str(self), MOST)

    def __str__(self) -> str:
        texts = [" and ".join(map(str, case)) or "true" for case in self.cases]
        return ", or ".join(texts) or "false"


def outputs(of: Network | int) -> tuple[Form, ...]:
    """The outputs of a network, or so many of them, as forms to write conditions with.

    >>> low, high = outputs(2)
    >>> (low <= 1) & (high - low > "1/3")
    y0 <= 1 and y0 - y1 < -1/3
    """
    width = of.output_dim if isinstance(of, Network) else of
    if not isinstance(width, int) or isinstance(width, bool) or width < 1:
        raise InvalidInput(
            "neither a network nor a number of outputs",
            value=repr(of)[:60],
            remedy="write outputs(network) or outputs(5)",
        )
    return tuple(
        Form([_ONE if i == k else _ZERO for i in range(width)], _ZERO) for k in range(width)
    )


def rows_of_cases(cases: Sequence[Sequence[Inequality]]) -> tuple[Inequality, ...]:
    """Every inequality of some cases once, in order."""
    return tuple(dict.fromkeys(one for case in cases for one in case))


_JOINS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: add,
    ast.Sub: sub,
    ast.Mult: mul,
    ast.Div: truediv,
    ast.Lt: lt,
    ast.LtE: le,
    ast.Gt: gt,
    ast.GtE: ge,
}


def _unreadable(text: str, why: str) -> InvalidInput:
    return InvalidInput(
        f"a condition that cannot be read: {why}",
        value=text,
        remedy='write it like "y0 < y1 or 2*y0 - y2 <= 0.5", with outputs y0, y1, ...',
    )


@dataclass(frozen=True)
class _Reader:
    """Python's own grammar over outputs and numbers, nothing of which is run."""

    text: str
    outputs: Sequence[Form]

    def read(self) -> Any:
        try:
            return self._value(ast.parse(self.text.strip(), mode="eval").body)
        except InvalidInput:
            raise
        except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError) as error:
            raise _unreadable(self.text, "no expression") from error

    def _value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.BoolOp):
            parts = [self._condition(part) for part in node.values]
            return (Condition.every if isinstance(node.op, ast.And) else Condition.some)(parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return ~self._condition(node.operand)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -self._number(node.operand)
        if isinstance(node, ast.Compare):
            ends = [self._number(one) for one in (node.left, *node.comparators)]
            pairs = zip(node.ops, pairwise(ends), strict=True)
            return Condition.every(self._joined(op, *pair) for op, pair in pairs)
        if isinstance(node, ast.BinOp):
            return self._joined(node.op, self._number(node.left), self._number(node.right))
        return self._atom(node)

    def _atom(self, node: ast.expr) -> Any:
        source = ast.get_source_segment(self.text.strip(), node) or ""
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return self.outputs[0] * 0 + source.replace("_", "")
        index = source[1:] if isinstance(node, ast.Name) and source[:1] == "y" else ""
        if index.isascii() and index.isdecimal() and int(index) < len(self.outputs):
            return self.outputs[int(index)]
        raise _unreadable(self.text, f"{source!r} is no output of {len(self.outputs)}, no number")

    def _condition(self, node: ast.expr) -> Condition:
        found = self._value(node)
        if not isinstance(found, Condition):
            raise _unreadable(self.text, "a number stands where a comparison belongs")
        return found

    def _number(self, node: ast.expr) -> Form:
        found = self._value(node)
        if not isinstance(found, Form):
            raise _unreadable(self.text, "a comparison stands where a number belongs")
        return found

    def _joined(self, op: ast.AST, left: Form, right: Form) -> Any:
        """Two forms joined; one of a product and the lower part of a ratio are numbers."""
        join = _JOINS.get(type(op))
        if join is None:
            raise _unreadable(self.text, f"{type(op).__name__} is not known here")
        if isinstance(op, ast.Mult) and not any(left.factors):
            left, right = right, left
        if isinstance(op, ast.Mult | ast.Div) and not any(right.factors):
            return join(left, right.constant)
        return join(left, right)


def _compared(form: Form, strict: bool) -> Condition:
    one = Inequality(form.factors, -form.constant, strict)
    return _condition(len(form.factors), [(one,)])


def _condition(width: int, cases: Sequence[tuple[Inequality, ...]]) -> Condition:
    """Inequalities and cases once each; what holds of all outputs, or of none, is left out."""
    kept = dict[tuple[Inequality, ...], None]()
    for case in cases:
        constant = [one for one in case if not any(one.factors)]
        if all(one.at([_ZERO] * width) for one in constant):
            kept[tuple(dict.fromkeys(one for one in case if any(one.factors)))] = None
    _few(len(kept))
    return Condition(width, ((),) if () in kept else tuple(kept))


def _given(conditions: Iterable[Condition]) -> list[Condition]:
    found = list(conditions)
    if not found or not all(isinstance(one, Condition) for one in found):
        raise InvalidInput(
            "no conditions to join",
            value=found[:3],
            remedy="give one or more, such as Condition.some(y[0] < y[k] for k in (1, 2))",
        )
    return found


def _few(count: int) -> None:
    if count > MOST_CASES:
        raise TooLarge(
            "a condition of too many cases",
            value=f"{count:,} or more",
            remedy=f"ask in parts of at most {MOST_CASES:,}: an and holds where each part does",
        )


def _written(factors: Sequence[Rational], constant: Rational) -> str:
    """A form as text: `2 y0 - 1/4 y1 + 1`."""
    terms = [(x, f"y{k}") for k, x in enumerate(factors) if x]
    terms += [(constant, "")] if constant or not terms else []
    text = ""
    for x, name in terms:
        size = abs(x)
        shown = name if size == 1 and name else f"{size} {name}".rstrip()
        sign = "-" if x < 0 else ""
        text += f" {'-' if x < 0 else '+'} {shown}" if text else sign + shown
    return text
