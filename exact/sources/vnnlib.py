"""Properties in VNN-LIB 1 (of SMT-LIB): boxes or polyhedra of inputs, and closed polyhedra of
outputs that a counterexample reaches; numbers exactly as the text has them.

`(declare-const X_0 Real)` and `Y_0` name inputs and outputs; assertions are `<=`, `>=` and `=` of
linear terms over inputs alone or outputs alone, joined by `and` and `or`. All of them together say
what a counterexample is. Strict comparisons are no closed sets, and refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

from exact.arithmetic.numbers import Rational, rational
from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput, TooLarge, Unsupported
from exact.geometry.domains.flat import Box, HPolytope

_TOKEN = re.compile(r"\s+|;[^\n]*|([()])|([^\s();]+)")
_NAME = re.compile(r"([XY])_(\d+)")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_PASSED_OVER = ("set-logic", "set-info", "set-option", "check-sat", "exit", "get-model")
_MOST_CASES, _LONGEST, _DEEPEST = 10_000, 400, 100
Row = tuple[Rational, ...]
Term = dict[str, Rational]  # coefficients of names, "" of 1
Rule = tuple[str, Row]  # "X" or "Y", and coefficients that are at least 0 together with 1


@short_repr
@dataclass(frozen=True)
class Case:
    """A part of what a counterexample is: an input of `domain` whose outputs y have `row . (y, 1)
    >= 0` for all `rows`, as :func:`exact.instruments.output_sets.reached` takes them.
    """

    domain: Box | HPolytope
    rows: tuple[Row, ...]


@short_repr
@dataclass(frozen=True)
class Property:
    """A property: it is violated where one of its `cases` has a point."""

    input_dim: int
    output_dim: int
    cases: tuple[Case, ...]


def read(path: str | PathLike[str]) -> Property:
    """The property that a file states. Raises as :func:`parse` does, InvalidInput where there is no
    such file, and OSError.
    """
    if not Path(path).is_file():
        raise InvalidInput(
            "no such file", value=str(path), remedy="give the name of a .vnnlib file"
        )
    return parse(Path(path).read_text(encoding="utf-8"))


def parse(text: str) -> Property:
    """The property that a text states.

    Raises InvalidInput for what is no VNN-LIB 1, Unsupported for strict comparisons, products and
    terms of inputs and outputs together, TooLarge for more than 10,000 cases.

    >>> found = parse('''
    ... (declare-const X_0 Real) (declare-const Y_0 Real) (declare-const Y_1 Real)
    ... (assert (>= X_0 -0.1)) (assert (<= X_0 0.3))
    ... (assert (or (and (<= Y_0 Y_1)) (and (>= Y_0 2.5))))''')
    >>> found.cases[0].domain, [[list(row) for row in case.rows] for case in found.cases]
    (Box([-1/10, 3/10]), [[[-1, 1, 0]], [[1, 0, -5/2]]])
    """
    names, ways = list[str](), list[list[list[tuple[str, Term]]]]()
    for command in _expressions(_tokens(text)):
        head = command[0] if isinstance(command, list) and command else command
        if (head == "declare-const" and len(command) == 3) or head == "declare-fun":
            names.append(_declared(command))
        elif head == "assert" and len(command) == 2:
            ways.append(_ways(command[1]))
        elif head not in _PASSED_OVER:
            raise _unknown(command)
    sizes = {letter: _count(names, letter) for letter in "XY"}
    if prod(map(len, ways)) > _MOST_CASES:
        raise TooLarge(
            "the property has too many cases",
            value=f"{prod(map(len, ways)):,}",
            remedy=f"split it into files of at most {_MOST_CASES:,}",
        )
    cases = tuple(_case([x for way in chosen for x in way], sizes) for chosen in product(*ways))
    return Property(sizes["X"], sizes["Y"], cases)


def _tokens(text: str) -> Iterator[str]:
    for found in _TOKEN.finditer(text):
        if found.group(1) or found.group(2):
            yield found.group(1) or found.group(2)


def _expressions(tokens: Iterator[str]) -> list[Any]:
    """Nested lists of tokens."""
    stack: list[list[Any]] = [[]]
    for token in tokens:
        if token == "(":
            stack.append([])
        elif token == ")" and len(stack) > 1:
            own = stack.pop()
            stack[-1].append(own)
        elif token == ")" or len(stack) > _DEEPEST:
            raise InvalidInput(
                "parentheses do not match, or are too deep",
                value=f"{token} at depth {len(stack) - 1}",
                remedy="give a VNN-LIB 1 file",
            )
        else:
            stack[-1].append(token)
    if len(stack) > 1:
        raise InvalidInput(
            "a parenthesis is not closed", value=f"{len(stack) - 1}", remedy="give a whole file"
        )
    return stack[0]


def _unknown(expression: Any) -> InvalidInput:
    return InvalidInput(
        "not a statement of VNN-LIB 1",
        value=_written(expression)[:80],
        remedy="declare X_0, ..., Y_0, ... and assert <=, >=, =, and, or of linear terms",
    )


def _written(expression: Any) -> str:
    if isinstance(expression, list):
        return f"({' '.join(map(_written, expression))})"
    return str(expression)


def _declared(command: Sequence[Any]) -> str:
    name = command[1]
    if not isinstance(name, str) or not _NAME.fullmatch(name) or command[-1] != "Real":
        raise _unknown(list(command))
    return name


def _count(names: Sequence[str], letter: str) -> int:
    """How many inputs or outputs there are: 0, 1, ... each once."""
    numbers = sorted(int(name[2:]) for name in names if name[0] == letter)
    if not numbers or numbers != list(range(len(numbers))):
        raise InvalidInput(
            "the variables are not numbered from 0, each declared once",
            value=f"{letter}: {numbers[:20]}",
            remedy=f"declare {letter}_0, {letter}_1, ...",
        )
    return len(numbers)


def _ways(expression: Any) -> list[list[tuple[str, Term]]]:
    """The ways in which an assertion can hold: each the terms that are at least 0."""
    head = expression[0] if isinstance(expression, list) and expression else None
    if head == "or":
        return [way for part in expression[1:] for way in _ways(part)]
    if head == "and":
        parts = [_ways(part) for part in expression[1:]]
        if prod(map(len, parts)) > _MOST_CASES:
            raise TooLarge("an assertion has too many cases", value=head, remedy="split it")
        return [[x for way in chosen for x in way] for chosen in product(*parts)]
    if head in ("<", ">", "not", "distinct"):
        raise Unsupported(
            "a strict comparison is no closed set",
            value=_written(expression)[:80],
            remedy="write <= or >=, as competitions do",
        )
    if head not in ("<=", ">=", "=") or len(expression) != 3:
        raise _unknown(expression)
    first, second = map(_term, expression[1:])
    gap = _plus(first, second, Rational(-1))
    turned = {name: -x for name, x in gap.items()}
    terms = {"<=": [turned], ">=": [gap], "=": [gap, turned]}[head]
    return [[(_written(expression), term) for term in terms]]


def _plus(first: Term, second: Term, share: Rational) -> Term:
    names = dict.fromkeys((*first, *second))
    zero = Rational(0)
    return {name: first.get(name, zero) + share * second.get(name, zero) for name in names}


def _term(expression: Any) -> Term:
    if isinstance(expression, str):
        if _NAME.fullmatch(expression):
            return {expression: Rational(1)}
        if _NUMBER.fullmatch(expression) and len(expression) <= _LONGEST:
            return {"": rational(expression, "a number")}
        raise _unknown(expression)
    if not expression or expression[0] not in ("+", "-", "*", "/") or len(expression) < 2:
        raise _unknown(expression)
    head, parts = expression[0], [_term(part) for part in expression[1:]]
    found = parts[0]
    if head in "+-":
        share = Rational(1 if head == "+" else -1)
        if len(parts) == 1:
            return _plus({}, found, share)
        for part in parts[1:]:
            found = _plus(found, part, share)
        return found
    for part in parts[1:]:
        found = _product(expression, found, part, head == "/")
    return found


def _product(expression: Any, first: Term, second: Term, divide: bool) -> Term:
    number, other = (second, first) if set(second) <= {""} else (first, second)
    share = number.get("", Rational(0))
    if set(number) - {""} or (divide and (number is not second or share == 0)):
        raise Unsupported(
            "a term is not linear",
            value=_written(expression)[:80],
            remedy="multiply variables by numbers, and divide by numbers other than 0",
        )
    return {name: x / share if divide else x * share for name, x in other.items()}


def _case(terms: Sequence[tuple[str, Term]], sizes: dict[str, int]) -> Case:
    rules = [_rule(written, term, sizes) for written, term in terms]
    inputs = [row for letter, row in rules if letter == "X"]
    return Case(_domain(inputs, sizes["X"]), tuple(row for letter, row in rules if letter == "Y"))


def _rule(written: str, term: Term, sizes: dict[str, int]) -> Rule:
    letters = {name[0] for name in term if name}
    if len(letters) != 1:
        raise Unsupported(
            "an assertion is not about inputs alone, or outputs alone",
            value=written[:80],
            remedy="assert inputs and outputs apart",
        )
    (letter,) = letters
    names = [f"{letter}_{k}" for k in range(sizes[letter])]
    strange = [name for name in term if name and name not in names]
    if strange:
        raise InvalidInput(
            "a variable is not declared", value=strange[0], remedy="declare it as Real"
        )
    return letter, tuple(term.get(name, Rational(0)) for name in (*names, ""))


def _domain(rows: Sequence[Row], dim: int) -> Box | HPolytope:
    """A box where every row bounds one input and every input has both bounds."""
    low, high = dict[int, Rational](), dict[int, Rational]()
    for row in rows:
        own = [k for k in range(dim) if row[k] != 0]
        if len(own) != 1:
            return HPolytope(rows, dim=dim)
        k, bound = own[0], -row[-1] / row[own[0]]
        if row[k] > 0:
            low[k] = max(low.get(k, bound), bound)
        else:
            high[k] = min(high.get(k, bound), bound)
    whole = len(low) == len(high) == dim and all(low[k] <= high[k] for k in range(dim))
    if not whole:
        return HPolytope(rows, dim=dim)
    return Box([low[k] for k in range(dim)], [high[k] for k in range(dim)])
