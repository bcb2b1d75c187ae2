"""`exactlens partition`: enumerate the regions of a run and print or write them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import singledispatch
from pathlib import Path

from rich.console import Console

from exact import AffineMap, Outcome, Partition, Region, Unsupported
from exact.regions import certificate as certificates
from exact.regions.arcs.partition import Arc, CurvePartition
from exact.regions.spheres.codes import CodePartition
from exact.regions.spheres.partition import SpherePartition
from exact.regions.spheres.views import SphereCell
from studies import storage
from studies.commands.job import JobOptions, Result, console, enumerate_regions, in_options
from studies.runs import writable

SHORT, ROWS, COLUMNS, CODE = 12, 3, 4, 64


def run(
    options: JobOptions,
    *,
    maps: bool,
    all_counts: bool,
    show: int,
    out: Path | None,
    certificate: Path | None = None,
) -> int:
    """Print the counts and the first regions, write the JSON and the certificate, and return the
    exit code.
    """
    if out is not None:
        writable(out, (".json",))
    if certificate is not None:
        writable(certificate, (".jsonl", ".gz"))
        if options.domain is not None and options.domain.kind == "norm-ball":
            raise Unsupported(
                "a ball has no certificate", value="--norm-ball", remedy="leave out --certificate"
            )
    result = enumerate_regions(options, maps=maps)
    counts = storage.counts(result.partition, maps=maps, all_counts=all_counts)
    if out is not None:  # files come before what is printed: a pipe that closes early loses none
        written = storage.document(
            result.partition, provenance=result.provenance(options), maps=maps, known_counts=counts
        )
        storage.write(out, written)
    if certificate is not None:
        certificates.write(
            result.partition, certificate, maps=maps, made_by=result.provenance(options)
        )
    screen = console()
    print_summary(screen, result, counts, options.device)
    if maps and show:
        screen.print(
            "first regions, with exact witnesses (vectors towards it, on spheres); ~ marks the "
            "float of a fraction"
        )
    for index in range(min(show, len(result.partition))):
        _print_region(screen, result.partition, index, maps)
    if len(result.partition) > show:
        screen.print(
            f"... and {len(result.partition) - show:,} more"
            + ("" if out else "; --out FILE.json writes all of them")
        )
    if out is not None:
        screen.print(f"written to {out}")
    if certificate is not None:
        screen.print(
            f"certificate written to {certificate}; verify it with exactlens check {certificate}"
        )
    return result.exit_code


def print_summary(screen: Console, result: Result, counts: dict[str, int], device: str) -> None:
    """The counts by name, engine, outcome and evidence."""
    found: Partition = result.partition
    at_least = "" if found.outcome is Outcome.COMPLETE else "at least "
    named = ", ".join(
        f"{name.replace('_', ' ')} {at_least}{number:,}" for name, number in counts.items()
    )
    screen.print(f"{result.opened.label()}: {found.domain!r}")
    for name, value in (
        ("counts", named),
        ("engine", f"{found.engine} on {device}, {result.seconds:.2f} s"),
        ("outcome", found.outcome.value),
        ("evidence", in_options(found.evidence)),
        ("digest", found.digest),
    ):
        screen.print(f"  {name:9}{value}")


def _print_region(screen: Console, found: Partition, index: int, maps: bool) -> None:
    region = found.regions[index]
    screen.print(f"region {region.index}")
    screen.print(f"  code     {_cut(str(region.code), CODE)}")
    for line in _measures(region):
        screen.print(f"  {line}")
    entries = ", ".join(map(_short, region.witness[:COLUMNS]))
    named = "towards" if _has_directions(found) else "witness"
    screen.print(f"  {named}  ({entries}{_more(len(region.witness), COLUMNS)})")
    if maps:
        for number, line in enumerate(_map_lines(region.affine)):
            screen.print(f"  {'map' if number == 0 else '':9}{line}")


@singledispatch
def _measures(region: Region) -> list[str]:
    """The line about size and place that only regions of one kind have."""
    return []


@_measures.register
def _(region: Arc) -> list[str]:
    start, end = region.parameters_float
    return [f"from     {start:.6g} to {end:.6g}, length {region.length_float:.6g}  (floats)"]


@_measures.register
def _(region: SphereCell) -> list[str]:
    return [f"area     {region.area_float:.6g}, {region.holes} holes  (float)"]


@singledispatch
def _has_directions(found: Partition) -> bool:
    """Whether a witness is a vector whose direction lies in the region: a sphere need not hold a
    rational point.
    """
    return False


@_has_directions.register
def _(found: CurvePartition) -> bool:
    return not found.frame.is_straight and found.curve.centre is None


@_has_directions.register(SpherePartition)
@_has_directions.register(CodePartition)
def _(found: Partition) -> bool:
    return True


def _map_lines(affine: AffineMap) -> list[str]:
    """The rows of the map; long fractions are shortened to floats behind a ~."""
    letter = "x" if affine.of == "x" else "y"
    rows, offsets = affine.matrix.tolist(), affine.offset.tolist()
    lines = [
        f"z{i + 1} = {_expression(rows[i], offsets[i][0], letter)}"
        for i in range(min(ROWS, len(rows)))
    ]
    return lines + ([f"... {len(rows) - ROWS} more outputs"] if len(rows) > ROWS else [])


def _expression(row: Sequence[Fraction], offset: Fraction, letter: str) -> str:
    terms = [f"{_short(entry)} {letter}{j + 1}" for j, entry in enumerate(row[:COLUMNS])]
    more = [f"... {len(row) - COLUMNS} more"] if len(row) > COLUMNS else []
    return " + ".join([*terms, *more, _short(offset)]).replace("+ -", "- ").replace("+ ~-", "- ~")


def _short(value: Fraction) -> str:
    text = str(value)
    return text if len(text) <= SHORT else f"~{float(value):.5g}"


def _cut(text: str, length: int) -> str:
    return (
        text if len(text) <= length else f"{text[:length]}... ({len(text.replace('|', ''))} bits)"
    )


def _more(count: int, shown: int) -> str:
    return f", ... {count - shown} more" if count > shown else ""
