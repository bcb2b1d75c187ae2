"""Writes the truths: small networks whose counts are theorems, one JSON file per family.

Run `python -m tests.truths.generate` to rewrite the files; a test checks that they are what this script writes. The
numbers come from the formulas of the families, never from an engine; `oracle.py` counts them a second time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.truths import arrangements, curves, deep, spheres
from tests.truths.cases import Case

FOLDER = Path(__file__).parent / "data"

FAMILIES: tuple[Callable[[], Iterator[Case]], ...] = (
    *arrangements.FAMILIES,
    *curves.FAMILIES,
    *deep.FAMILIES,
    *spheres.FAMILIES,
)


def files() -> dict[str, str]:
    """File name to content, for every family."""
    return {f"{family.__name__}.json": render(list(family())) for family in FAMILIES}


def render(cases: Sequence[Case]) -> str:
    """A list of cases, one per line."""
    return "[\n" + ",\n".join(json.dumps(case_) for case_ in cases) + "\n]\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, content in files().items():
        (FOLDER / name).write_text(content)


if __name__ == "__main__":
    main()
