"""`python -m benchmarks`: measure, print tables, write benchmarks/results/*.json and *.md."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks import (
    certificates,
    instruments,
    opponents,
    region_quantities,
    slices,
    spheres,
    tables,
)
from benchmarks.clock import setting
from benchmarks.jobs import QUICK, SUITES, Job

RESULTS = Path(__file__).parent / "results"
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "suites",
        nargs="*",
        metavar="suite",
        help=f"of {', '.join(SUITES)}; all of them if left out; or instruments, "
        "quantities, certificates or slices, which have options of their own",
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny networks and limits: does it still run?"
    )
    parser.add_argument("--nets", nargs="*", help="these networks of the suites only")
    parser.add_argument(
        "--engines",
        nargs="*",
        default=[None],
        help="engines instead of the one that partition chooses",
    )
    parser.add_argument(
        "--seconds", type=float, default=300.0, help="time limit per network (default: 300)"
    )
    parser.add_argument(
        "--highs-seconds", type=float, default=60.0, help="the same for SciPy's HiGHS (default: 60)"
    )
    parser.add_argument("--alone", action="store_true", help="without the other programs")
    parser.add_argument(
        "--threads",
        type=int,
        default=len(os.sched_getaffinity(0)),
        help="threads, and processes of relucent",
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the tables go")
    chosen = parser.parse_args(arguments)
    if unknown := sorted(set(chosen.suites) - set(SUITES)):
        parser.error(f"no such suite: {', '.join(unknown)}; choose of {', '.join(SUITES)}")
    return chosen


def jobs(chosen: argparse.Namespace) -> Iterator[Job]:
    """The jobs of the command line, once per engine and device."""
    named = (
        QUICK if chosen.quick else [job for name in chosen.suites or SUITES for job in SUITES[name]]
    )
    devices = ["cpu", "cuda"] if has_cuda() else ["cpu"]
    for job in named:
        if chosen.nets is None or job.net in chosen.nets:
            yield from (
                replace(job, engine=engine, device=device)
                for engine in chosen.engines
                for device in devices
            )


def has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def run(job: Job, chosen: argparse.Namespace) -> dict[str, Any]:
    """Our engine in a fresh process, then the others on the same job."""
    command = [sys.executable, "-m", "benchmarks.measure", json.dumps(asdict(job))]
    row = {
        "job": asdict(job),
        "ours": opponents.last_line(command, chosen.seconds + opponents.GRACE),
    }
    if chosen.alone or job.device != "cpu" or job.is_round:
        return row
    if job.is_random and job.suite not in ("growth", "live"):
        row["highs"] = opponents.highs(job, chosen.highs_seconds)
    if job.suite in ("peers", "quick"):
        row["relucent"] = opponents.relucent(job, chosen.seconds, chosen.threads)
    return row


def wrong(rows: Iterable[dict[str, Any]]) -> list[str]:
    """The jobs that failed, and those on which a finished tree of float programmes counts
    otherwise.
    """
    found = []
    for row in rows:
        ours, other, name = (
            row["ours"],
            row.get("highs"),
            f"{row['job']['net']} ({row['job']['domain']})",
        )
        if "failed" in ours:
            found.append(f"{name}: {ours['failed']}")
        elif (
            other
            and other["complete"]
            and ours.get("complete")
            and other["regions"] != ours["regions"]
        ):
            found.append(
                f"{name}: {ours['regions']} regions, the float tree has {other['regions']}"
            )
    return found


def main(arguments: list[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["instruments"]:
        return instruments.main(given[1:])
    if given[:1] == ["quantities"]:
        return region_quantities.main(given[1:])
    if given[:1] == ["certificates"]:
        return certificates.main(given[1:])
    if given[:1] == ["slices"]:
        return slices.main(given[1:])
    chosen = options(given)
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(chosen.threads)))
    print(line := setting(chosen.threads), flush=True)
    rows = []
    for job in jobs(chosen):
        rows.append(run(job, chosen))
        print("  ".join(cell for cell in tables.line(rows[-1]) if cell), flush=True)
    for lines in (
        tables.regions(rows),
        tables.growth(rows),
        spheres.table(rows),
        tables.others(rows),
    ):
        print("\n" + tables.plain(lines) if len(lines) > 1 else "")
    print(tables.left(rows))
    chosen.results.mkdir(parents=True, exist_ok=True)
    (chosen.results / "benchmarks.json").write_text(
        json.dumps({"setting": line, "rows": rows}, indent=1) + "\n"
    )
    (chosen.results / "benchmarks.md").write_text(tables.page(rows, line))
    faults = wrong(rows)
    print(*faults, f"written to {chosen.results}", sep="\n")
    return min(len(faults), 1)


if __name__ == "__main__":
    sys.exit(main())
