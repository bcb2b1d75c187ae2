"""The measurements as tables: for the terminal, and in Markdown for docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks import spheres
from benchmarks.jobs import Job
from benchmarks.quantities import Row, quantity, rate, ratio
from exact.regions.polytopes.engines.skeleton import LEFT
from exact.regions.polytopes.engines.slivers import FANS

HEADERS = (
    "net",
    "domain",
    "engine",
    "regions",
    "seconds",
    "regions/s",
    "x relucent",
    "x HiGHS tree",
    "x limit",
    "by the filter",
    "in fans",
    "peak MB",
    "compiling s",
)


def columns(row: Row) -> list[str]:
    """One line of the table. Ratios to others are of regions per second; that to the limit is of
    seconds.
    """
    job, ours = row["job"], row["ours"]
    name = [job["net"], job["domain"]]
    if "regions" not in ours:
        return [*name, job["engine"] or "", ours.get("failed", "refused")[:60], *[""] * 9]
    own, share = rate(ours), ours["filter_share"]
    device = "" if job["device"] == "cpu" else f" ({job['device']})"
    left = " (left to subdivision)" if ours["decisions"].get(LEFT) else ""
    return [
        *name,
        ours["engine"] + left + device,
        f"{ours['regions']:,}{'' if ours['complete'] else ' (stopped)'}",
        quantity(ours["seconds"]),
        quantity(own),
        ratio(own, rate(row.get("relucent"))),
        ratio(own, rate(row.get("highs"))),
        times_limit(ours),
        "" if share is None else f"{100 * share:.3f} %",
        in_fans(ours),
        quantity(ours["peak_mb"]),
        quantity(ours["compiling"]),
    ]


def in_fans(ours: Row) -> str:
    """The share of the regions that the skeleton read off where more than d hinges meet; nothing
    for other engines, and for jobs that it left to subdivision.
    """
    if ours["engine"] != "skeleton" or ours["decisions"].get(LEFT) or not ours["regions"]:
        return ""
    return f"{100 * ours['decisions'].get(FANS, 0) / ours['regions']:.1f} %"


def left(rows: Iterable[Row]) -> str:
    """How many jobs of the skeleton wanted a part of the regions, so that all faces were kept."""
    own = [row["ours"] for row in rows if row["ours"].get("engine") == "skeleton"]
    count = sum(1 for ours in own if ours["decisions"].get(LEFT))
    return f"skeleton left {count} of {len(own)} jobs to subdivision" if own else ""


def line(row: Row) -> list[str]:
    """The row in the table where it belongs."""
    return spheres.columns(row) if Job(**row["job"]).is_round else columns(row)


def regions(rows: Iterable[Row]) -> list[list[str]]:
    """Every job on a flat domain."""
    return [list(HEADERS), *(columns(row) for row in rows if not Job(**row["job"]).is_round)]


def times_limit(ours: Row) -> str:
    """Our seconds over those of evaluating every neuron once per region and writing the codes."""
    return "" if not ours["limits"] else ratio(ours["seconds"], sum(ours["limits"].values()))


def growth(rows: Iterable[Row]) -> list[list[str]]:
    """Microseconds per region as the output grows, by dimension, for one layer in all of R^d."""
    lines = [
        [
            "net",
            "engine",
            "regions",
            "seconds",
            "microseconds per region",
            "evaluate and write, microseconds",
            "ratio",
        ]
    ]
    for row in rows:
        ours = row["ours"]
        if row["job"]["suite"] == "growth" and "regions" in ours:
            own, limit = (
                1e6 * s / ours["regions"] for s in (ours["seconds"], sum(ours["limits"].values()))
            )
            lines.append(
                [
                    row["job"]["net"],
                    ours["engine"],
                    f"{ours['regions']:,}",
                    quantity(ours["seconds"]),
                    quantity(own),
                    quantity(limit),
                    ratio(own, limit),
                ]
            )
    return lines


def others(rows: Iterable[Row]) -> list[list[str]]:
    """What the other programs did in this run."""
    lines = [["net", "domain", "program", "regions", "seconds", "regions/s", "finished"]]
    for row in rows:
        for name in ("relucent", "highs"):
            if (found := row.get(name)) is not None:
                finished = found.get("failed") or ("yes" if found["complete"] else "no")
                lines.append(
                    [
                        row["job"]["net"],
                        row["job"]["domain"],
                        name,
                        f"{found.get('regions', 0):,}",
                        quantity(found.get("seconds")),
                        quantity(rate(found)),
                        finished,
                    ]
                )
    return lines


def plain(lines: Sequence[Sequence[str]]) -> str:
    """Columns of equal width."""
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """The same as a Markdown table."""
    head, *body = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([head, "|" + "---|" * len(lines[0]), *body])


def page(rows: Sequence[Row], setting: str) -> str:
    """All tables in Markdown, under one line that says what was run."""
    parts = [setting]
    for title, lines in (
        ("## Regions", regions(rows)),
        ("## Time per region, one layer in all of R^d", growth(rows)),
        ("## Spheres", spheres.table(rows)),
        ("## The others in the same run", others(rows)),
    ):
        if len(lines) > 1:
            parts += [title, markdown(lines)]
    return "\n\n".join(parts) + "\n"
