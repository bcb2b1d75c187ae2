"""`exactlens cache`: where trained toys are kept, how many and how large; and their end."""

from __future__ import annotations

from pathlib import Path

from studies.commands.job import console
from toy_models import TrainingCache


def run(root: Path, *, clear: bool) -> int:
    """Print a line about the cache under `root`, after deleting its entries where `clear` says
    so.
    """
    kept, screen = TrainingCache.under(root), console()
    if clear:
        size = kept.size
        screen.print(f"{kept.folder}: {kept.clear()} files deleted, {size / 1e6:.1f} MB")
        return 0
    screen.print(f"{kept.folder}: {len(kept)} toys, {kept.size / 1e6:.1f} MB")
    return 0
