"""`exactlens moved`: the verdicts in which two runs of a study differ."""

from __future__ import annotations

import sys
from pathlib import Path

from exact.atomic_files import write_atomically
from studies.moved import Comparison, Verdicts
from studies.runs import writable

SUFFIXES = (".md",)


def run(first: str, second: str, *, root: Path, out: Path | None) -> int:
    """Print the comparison as Markdown, and write it where that was asked for."""
    if out is not None:
        writable(out, SUFFIXES)
    comparison = Comparison(*(Verdicts.read(target, root) for target in (first, second)))
    page = comparison.markdown
    print(page, end="")
    if comparison.warning:
        print(comparison.warning, file=sys.stderr)
    if out is not None:
        write_atomically(out, page.encode())
    return 0
