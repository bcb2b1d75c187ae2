"""What every check reads: records of a certificate, numbers in base 16, and what the header
claims.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn, Protocol, cast

from exact.errors import InvalidInput

FORMAT = "exactlens-certificate-3"
FORMATS = ("exactlens-certificate-1", "exactlens-certificate-2", FORMAT)
"""The formats that are read; the last one is written."""
LONGEST_LINE = 1 << 30
"""No line has more bytes: a header of 50 million weights has fewer."""
ROOM = 1 << 24
"""Bytes that every line may have, whatever the header is, and a packed file unpacked."""
UNPACKED = 64
"""How many times its size a packed file may have beyond that; weights and codes pack to a third."""

Integers = list[int]
Values = tuple[int, ...]
Json = dict[str, Any]
_DIGITS = b"0123456789abcdef -"
_PIECE = 1 << 20
_OURS = re.compile(rb'\s*\{\s*"format"\s*:\s*"exactlens-certificate-')


class Rejected(Exception):
    """The certificate does not prove what it says; the message names the place."""


class TooLong(Rejected):
    """A line, or a whole file when it is unpacked, is longer than that of any certificate of such a
    network.
    """


class Readable(Protocol):
    """A file: gives the next line, cut after so many bytes."""

    def readline(self, size: int = -1, /) -> bytes: ...


class Records:
    """The lines of a certificate, one JSON value each; the last one holds the sha256 of all before
    it.

    Of a file never more than `limit` bytes are read at once.
    """

    def __init__(self, lines: Iterable[bytes] | Readable) -> None:
        self._hash, self._number, self.limit = hashlib.sha256(), 0, LONGEST_LINE
        self._readline: Callable[[int], bytes] | None = getattr(lines, "readline", None)
        self._lines = iter(()) if self._readline else iter(cast(Iterable[bytes], lines))

    def _line(self, place: str) -> bytes:
        line = self._readline(self.limit + 1) if self._readline else next(self._lines, b"")
        if len(line) > self.limit:
            raise TooLong(f"{place}: line {self._number + 1} is longer than {self.limit} bytes")
        return line

    def _first_line(self) -> bytes:
        """The header, which is read beyond `ROOM` only where it starts like one of ours."""
        if self._readline is None:
            return self._line("header")
        line = self._readline(ROOM)
        if len(line) < ROOM or line.endswith(b"\n"):
            return line
        if not _OURS.match(line):
            raise TooLong(
                f"header: the first {ROOM} bytes are neither a line nor the start of a certificate"
            )
        line += self._readline(self.limit + 1 - ROOM)
        if len(line) > self.limit:
            raise TooLong(f"header: line 1 is longer than {self.limit} bytes")
        return line

    def header(self) -> Json:
        """The first line. Raises InvalidInput where it is none of ours, Rejected where it is a
        damaged one.
        """
        line = self._first_line()
        try:
            value, problem = self._value(line, "header"), "another format"
        except Rejected as error:
            if _OURS.match(line):
                raise
            value, problem = None, str(error)
        if not isinstance(value, dict) or value.get("format") not in FORMATS:
            raise InvalidInput(
                "the file is not a certificate",
                value=problem,
                remedy="write one with exactlens partition --certificate",
            )
        self._bound(value, len(line))
        return value

    def _bound(self, header: Json, length: int) -> None:
        """How long the other lines may be: numbers are determinants of what the header holds, in so
        many parameters.
        """
        chart = header["domain"].get("chart") if isinstance(header.get("domain"), dict) else None
        rows = chart.get("rows") if isinstance(chart, dict) else None
        if isinstance(rows, list) and rows and isinstance(rows[0], str):
            columns = rows[0].count(" ") + 1
        else:
            columns = 1
        self.limit = min(LONGEST_LINE, ROOM + 64 * columns * length)

    def next(self, place: str) -> Any:
        """The value of the next line."""
        return self._value(self._line(place), place)

    def _value(self, line: bytes, place: str) -> Any:
        if not line.endswith(b"\n"):
            raise Rejected(f"{place}: the file is truncated after line {self._number}")
        self._number += 1
        self._hash.update(line)
        try:
            return json.loads(
                line.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_number
            )
        except (ValueError, RecursionError) as error:
            raise Rejected(f"{place}: line {self._number} is not JSON") from error

    def finish(self) -> None:
        """Read the last line, and see that it is the last and that its sha256 is right."""
        expected = self._hash.hexdigest()
        if self.next("last line") != {"sha256": expected}:
            raise Rejected("last line: the sha256 is not that of the lines before")
        if self._line("end"):
            raise Rejected("the file goes on behind its last line")


class Unpacked:
    """A packed file while it is unpacked: what unpacks to many times its size is no certificate."""

    def __init__(self, file: Readable, packed: BinaryIO) -> None:
        self._file, self._packed, self._read = file, packed, 0

    def readline(self, size: int = -1, /) -> bytes:
        """The next line, cut after `size` bytes; read in pieces, so that little of a bomb ever is
        in memory.
        """
        pieces = list[bytes]()
        while size > 0 and not (pieces and pieces[-1].endswith(b"\n")):
            piece = self._file.readline(min(size, _PIECE))
            if not piece:
                break
            pieces.append(piece)
            size, self._read = size - len(piece), self._read + len(piece)
            if self._read > ROOM and self._read > ROOM + UNPACKED * self._packed.tell():
                raise TooLong(
                    f"the file unpacks to more than {UNPACKED} times its size, as no certificate "
                    f"does: "
                    "unpack it, and give the file without .gz if it is one"
                )
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _object(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def get(record: Any, key: str, kind: type, place: str) -> Any:
    """The entry of an object, which must have the given type (a bool is no int)."""
    value = record.get(key) if isinstance(record, dict) else None
    if type(value) is not kind:
        raise Rejected(f"{place}: {key} is missing, or not of type {kind.__name__}")
    return value


def only(record: Any, names: Set[str], place: str) -> None:
    """An object without other entries than these: what nobody reads, nobody has checked."""
    if type(record) is not dict:
        raise Rejected(f"{place}: not an object")
    if unknown := record.keys() - names:
        raise Rejected(f"{place}: there is no entry {min(unknown)[:60]}")


def integers(text: Any, count: int, place: str) -> Integers:
    """Integers in base 16, in lower case, separated by spaces."""
    try:
        if not isinstance(text, str) or text.encode("utf-8", "replace").translate(None, _DIGITS):
            raise ValueError(place)
        values = [int(word, 16) for word in text.split()]
    except ValueError as error:
        raise Rejected(f"{place}: not a list of integers in base 16") from error
    if len(values) != count:
        raise Rejected(f"{place}: {len(values)} integers where {count} belong")
    return values


def scaled(text: Any, count: int, place: str) -> Integers:
    """Integers of which the last is a positive denominator: a homogeneous point, or numbers over
    it.
    """
    values = integers(text, count + 1, place)
    if values[-1] <= 0:
        raise Rejected(f"{place}: the denominator is not positive")
    return values


def indices(value: Any, bound: int, place: str) -> Integers:
    """Different indices below a bound."""
    if type(value) is not list or not all(type(i) is int and 0 <= i < bound for i in value):
        raise Rejected(f"{place}: not a list of indices below {bound}")
    if len(set(value)) != len(value):
        raise Rejected(f"{place}: an index is repeated")
    return value


def entries(value: Any, length: int, place: str) -> list[Any]:
    if type(value) is not list or len(value) != length:
        raise Rejected(f"{place}: not a list of {length} entries")
    return value


def counts_of(header: Json, names: Sequence[str]) -> Integers:
    """Entries of the header that count something."""
    found = [get(header, name, int, "header") for name in names]
    if min(found, default=0) < 0:
        raise Rejected("header: a count is negative")
    return found


@dataclass
class Claim:
    """What the header says about the regions; `codes` grows while they are read, in their order, as
    they are written.
    """

    kind: str
    complete: bool
    regions: int
    faces: Integers
    maps: bool
    codes: list[str]
    places: dict[str, int]

    @classmethod
    def read(cls, header: Json) -> Claim:
        kind, counts = get(header, "kind", str, "header"), get(header, "faces", list, "header")
        regions = get(header, "regions", int, "header")
        complete = get(header, "complete", bool, "header")
        if not all(type(n) is int and n >= 0 for n in (*counts, regions)):
            raise Rejected("header: an unknown kind, or counts that are no counts")
        return cls(kind, complete, regions, counts, get(header, "maps", bool, "header"), [], {})

    def add(self, record: Any, hinges: int, place: str) -> int:
        """The code of a region, its first hinge in the highest bit."""
        text, code = read_code(record, hinges, place)
        first = self.places.setdefault(text, len(self.codes))
        self.codes.append(text if first == len(self.codes) else self.codes[first])
        return code

    def add_only(self, record: Any, hinges: int, place: str) -> int:
        """The code of a record that holds nothing else."""
        only(record, {"code"}, place)
        return self.add(record, hinges, place)

    def add_new(self, record: Any, hinges: int, place: str) -> int:
        """The code of a region where no two regions share one."""
        code = self.add(record, hinges, place)
        if self.places[self.codes[-1]] != len(self.codes) - 1:
            raise Rejected(
                f"{place}: the code is that of region {self.places[self.codes[-1]]}, too"
            )
        return code


def read_code(record: Any, hinges: int, place: str) -> tuple[str, int]:
    """The code of a record as it is written, and with its first hinge in the highest bit."""
    text, size = get(record, "code", str, place), (hinges + 7) // 8
    if len(text) != 2 * size or not re.fullmatch("[0-9a-f]*", text):
        raise Rejected(f"{place}: the code is not {size} bytes in lower-case base 16")
    padded = int(text or "0", 16)
    if padded % (1 << (8 * size - hinges)):
        raise Rejected(f"{place}: the code has bits beyond its {hinges} hinges")
    return text, padded >> (8 * size - hinges)


def written_code(bits: int, hinges: int) -> str:
    """A code as it is written: its first hinge in the highest bit of the first byte."""
    size = (hinges + 7) // 8
    return f"{bits << (8 * size - hinges):0{2 * size}x}" if size else ""


def bits_of(code: int, hinges: int) -> list[bool]:
    """The bits of a code, in the order of the hinges."""
    return [bool(code >> k & 1) for k in reversed(range(hinges))]
