"""How a domain is asked for on a command line: its class says so, and nothing else lists it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """The option `--name` and the points behind it; `points` names them, one word each, and
    `example` shows them: the help and every message for other points do.

    `place` orders the options in the help. `starts_at_norm` says that the domain lies behind the
    network's first norm where there is one, `takes_radius` that it may be given a radius. The
    arguments are written as literals, so that the help can read them off the text: to import them
    takes as long as all of `exact` does.

    >>> Option("segment", points="P Q", help="From P to Q.", place=40).size
    2
    """

    name: str
    points: str
    help: str
    place: int
    example: str = ""
    starts_at_norm: bool = False
    takes_radius: bool = False

    @property
    def size(self) -> int:
        """The number of points."""
        return len(self.points.split())
