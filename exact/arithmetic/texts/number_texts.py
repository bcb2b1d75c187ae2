"""Rationals and integers as text in base 16, for files: no length is too great to be read back, and
nothing is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from exact.arithmetic.numbers import Rational, backend_defaults
from exact.errors import InvalidInput

Json = Any
ByteArray = np.ndarray[Any, np.dtype[np.uint8]]
_RATIONAL = re.compile(r"-?[0-9a-f]+(/[0-9a-f]+)?", re.ASCII)
_INTEGER = re.compile(r"-?[0-9a-f]+", re.ASCII)


def full_repr(thing: object) -> str:
    """The `repr` with nothing left out, the same however the backend of rationals has been told to
    print.

    >>> from exact.networks.activations import LeakyReLU
    >>> full_repr(LeakyReLU(1))
    'LeakyReLU(slope=1)'
    """
    made = type(thing).__repr__
    with backend_defaults():
        return str(getattr(made, "full", made)(thing))


def rational_text(value: Rational) -> str:
    """`p/q` in base 16, or `p`.

    >>> from exact.arithmetic.numbers import Rational
    >>> rational_text(Rational(-1, 10)), rational_text(Rational(255))
    ('-1/a', 'ff')
    """
    numerator, denominator = int(value.p), int(value.q)
    return f"{numerator:x}" if denominator == 1 else f"{numerator:x}/{denominator:x}"


def rational_of_text(text: object) -> Rational:
    """The rational that `rational_text` wrote. Raises InvalidInput for anything else.

    >>> rational_of_text("-1/a")
    -1/10
    """
    if not isinstance(text, str) or not _RATIONAL.fullmatch(text):
        raise InvalidInput(
            "not a rational in base 16",
            value=repr(text)[:60],
            remedy="write p or p/q, such as -1/a",
        )
    numerator, _, denominator = text.partition("/")
    below = int(denominator or "1", 16)
    if below == 0:
        raise InvalidInput(
            "a rational has the denominator 0", value=repr(text)[:60], remedy="write p/q with q > 0"
        )
    return Rational(int(numerator, 16), below)


def integers_text(values: Iterable[int]) -> str:
    """Integers in base 16, separated by spaces.

    >>> integers_text((16, -1))
    '10 -1'
    """
    return " ".join(f"{int(x):x}" for x in values)


def integers_of_text(text: str, count: int) -> tuple[int, ...]:
    """The `count` integers that `integers_text` wrote. Raises InvalidInput for anything else.

    >>> integers_of_text("10 -1", 2)
    (16, -1)
    """
    words = text.split(" ") if text else []
    if len(words) != count or not all(map(_INTEGER.fullmatch, words)):
        raise InvalidInput(
            "not integers in base 16",
            value=repr(text)[:60],
            remedy=f"write {count}, separated by spaces",
        )
    return tuple(int(word, 16) for word in words)


def rationals_text(values: Sequence[Rational]) -> list[str]:
    """Each of the values as text."""
    return [rational_text(value) for value in values]


def rationals_of_texts(texts: Iterable[object]) -> tuple[Rational, ...]:
    """Each of the texts as a rational."""
    return tuple(rational_of_text(text) for text in texts)


def text_array(rows: Iterable[str]) -> ByteArray:
    """Lines of ASCII text as an array of their bytes; each line ends with a newline.

    >>> text_array(["10 -1", "2"]).tobytes()
    b'10 -1\\n2\\n'
    """
    return np.frombuffer("".join(f"{row}\n" for row in rows).encode("ascii"), dtype=np.uint8)


def lines(array: ByteArray, count: int | None) -> list[str]:
    """The lines that `text_array` wrote, `count` of them if it is given. Raises InvalidInput for
    anything else.
    """
    content = array.tobytes() if array.dtype == np.uint8 and array.ndim == 1 else b"\xff"
    rows = content.decode("ascii", errors="replace").split("\n")
    if rows.pop() or (count is not None and len(rows) != count):
        raise InvalidInput(
            "a list of exact numbers is damaged",
            value=f"{len(rows)} lines",
            remedy="save again what was written" if count is None else f"give {count} lines",
        )
    return rows
