"""Writes the truths: small networks whose counts are theorems, one JSON file per family, and one
text file per sphere.

Run `python -m tests.truths.generate` to rewrite the files; a test checks that they are what this
script writes. The numbers come from the formulas of the families, never from an engine; `oracle.py`
and `sphere_oracle.py` count again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.truths import (
    arrangements,
    circle_packings,
    circles,
    curves,
    deep,
    deep_spheres,
    sphere_files,
    sphere_tables,
)
from tests.truths.cases import Case
from tests.truths.sphere_files import SphereTruth

FOLDER = Path(__file__).parent / "data"

FAMILIES: tuple[Callable[[], Iterator[Case]], ...] = (
    *arrangements.FAMILIES,
    *circles.FAMILIES,
    *curves.FAMILIES,
    *deep.FAMILIES,
)


def files() -> dict[str, str]:
    """File name to content, for every family."""
    return {f"{family.__name__}.json": render(list(family())) for family in FAMILIES}


SPHERES: tuple[Callable[[], Iterator[SphereTruth]], ...] = (
    *sphere_tables.FAMILIES,
    *circle_packings.FAMILIES,
    *deep_spheres.FAMILIES,
)


def sphere_texts() -> dict[str, str]:
    """File name to content, for every truth about spheres; ValueError when two have one name."""
    truths = [truth for family in SPHERES for truth in family()]
    texts = {f"{truth.name}.txt": sphere_files.write(truth) for truth in truths}
    if len(texts) < len(truths):
        raise ValueError("two truths about spheres have one name")
    return texts


def render(cases: Sequence[Case]) -> str:
    """A list of cases, one per line."""
    return "[\n" + ",\n".join(json.dumps(case_) for case_ in cases) + "\n]\n"


def main() -> None:
    for folder, contents in ((FOLDER, files()), (sphere_files.FOLDER, sphere_texts())):
        folder.mkdir(exist_ok=True)
        for name, content in contents.items():
            (folder / name).write_text(content)


if __name__ == "__main__":
    main()
