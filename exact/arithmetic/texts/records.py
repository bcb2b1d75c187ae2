"""JSON objects that are read entry by entry: what a file can get wrong is refused where it is read.

A reader that asks here for every entry raises InvalidInput for whatever a file holds, so that any
other failure while a file is read is a defect of ours, and is seen as one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from exact.arithmetic.numbers import Rational
from exact.arithmetic.texts.number_texts import Json, rational_of_text, rationals_of_texts
from exact.errors import InvalidInput


@dataclass(frozen=True)
class Record:
    """A JSON object; `place` says in messages where it stands.

    >>> ball = Record.of({"radius": "1/a", "points": [["1", "2"]]}, "the ball")
    >>> ball.rational("radius"), ball.rows("points", 2)
    (1/10, [['1', '2']])
    >>> ball.number("count")
    Traceback (most recent call last):
        ...
    exact.errors.InvalidInput: count of the ball is missing, or no whole number from 0; got None; \
save again what was written
    """

    values: Mapping[str, Json]
    place: str

    @classmethod
    def of(cls, value: Json, place: str) -> Record:
        """A value as an object. Raises InvalidInput for anything else."""
        if not isinstance(value, dict):
            raise _refused(f"{place} is no JSON object", value)
        return cls(value, place)

    @classmethod
    def of_text(cls, text: str, place: str) -> Record:
        """The object that a text in JSON says. Raises InvalidInput for anything else."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _refused(f"{place} is not JSON", text) from error
        return cls.of(value, place)

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def text(self, name: str) -> str:
        """An entry that is text."""
        return str(self._entry(name, str, "text"))

    def truth(self, name: str) -> bool:
        """An entry that is true or false."""
        return bool(self._entry(name, bool, "true or false"))

    def number(self, name: str, bound: int | None = None) -> int:
        """An entry that is a whole number from 0, and below the bound if there is one."""
        wanted = f"whole number from 0{_to(bound)}"
        value = int(self._entry(name, int, wanted))
        if not 0 <= value < (inf if bound is None else bound):
            raise self._wrong(name, wanted)
        return value

    def record(self, name: str) -> Record:
        """An entry that is an object itself."""
        return Record.of(self.values.get(name), f"{name} of {self.place}")

    def listed(self, name: str) -> list[Json]:
        """An entry that is a list."""
        return list(self._entry(name, list, "list"))

    def records(self, name: str) -> list[Record]:
        """An entry that is a list of objects."""
        return [Record.of(value, f"an entry of {name}") for value in self.listed(name)]

    def rows(self, name: str, length: int | None = None) -> list[list[Json]]:
        """An entry that is a list of lists, each of the length if one is given."""
        rows = self.listed(name)
        if not all(isinstance(row, list) and len(row) == (length or len(row)) for row in rows):
            raise self._wrong(name, "list of lists" + (f" of {length}" if length else ""))
        return rows

    def numbers(self, name: str, bound: int | None = None) -> list[int]:
        """An entry that is a list of whole numbers from 0, and below the bound if there is one."""
        values, most = self.listed(name), inf if bound is None else bound
        if not all(type(value) is int and 0 <= value < most for value in values):
            raise self._wrong(name, f"list of whole numbers from 0{_to(bound)}")
        return values

    def rational(self, name: str) -> Rational:
        """An entry that is a rational as text."""
        return rational_of_text(self.values.get(name))

    def rationals(self, name: str, count: int | None = None) -> tuple[Rational, ...]:
        """An entry that is a list of rationals as texts, of that many if a number is given."""
        found = rationals_of_texts(self.listed(name))
        if count is not None and len(found) != count:
            raise self._wrong(name, f"list of {count} rationals")
        return found

    def _entry(self, name: str, kind: type, wanted: str) -> Json:
        value = self.values.get(name)
        if type(value) is not kind:
            raise self._wrong(name, wanted)
        return value

    def _wrong(self, name: str, wanted: str) -> InvalidInput:
        return _refused(f"{name} of {self.place} is missing, or no {wanted}", self.values.get(name))


def _to(bound: int | None) -> str:
    return "" if bound is None else f" to {bound - 1}"


def _refused(wrong: str, value: Json) -> InvalidInput:
    return InvalidInput(wrong, value=repr(value)[:60], remedy="save again what was written")
