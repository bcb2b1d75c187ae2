"""`exactlens cache`: where trained toys and language models are kept, how many and how large; and
their end.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from studies.commands.job import console
from studies.statistics.estimates import counted
from toy_models import TrainingCache


def run(root: Path, *, clear: bool) -> int:
    """Print a line about the cache under `root`, after deleting its entries where `clear` says
    so.
    """
    kept, screen = TrainingCache.under(root), console()
    where = kept.language_models
    models = sorted(place for place in where.glob("*") if place.is_dir())
    size = sum(one.stat().st_size for place in models for one in place.rglob("*") if one.is_file())
    if clear:
        toys = kept.size
        screen.print(f"{kept.folder}: {kept.clear()} files deleted, {toys / 1e6:.1f} MB")
        for place in models:
            shutil.rmtree(place, ignore_errors=True)
    else:
        screen.print(f"{kept.folder}: {len(kept)} toys, {kept.size / 1e6:.1f} MB")
    if models:
        what = "deleted" if clear else "kept"
        told = counted(len(models), "language models")
        screen.print(f"{where}: {told} {what}, {size / 1e6:.1f} MB")
    return 0
