"""`exactlens draw`: the figures that fit a run and a domain, as SVG and PNG."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from exact import InvalidInput
from studies.arguments import DomainRequest
from studies.commands.job import JobOptions, Result, console, enumerate_regions, open_run
from studies.runs import find
from toy_models.stored_files import refuse_links
from viz.catalogue import Subject, figures_of

MOST_DATA = 400


def run(options: JobOptions, *, out: Path | None) -> int:
    """Draw every figure that fits, print where they lie, and return the exit code."""
    folder = out if out is not None else _default_folder(find(options.target, options.root))
    if folder.exists() and not folder.is_dir():
        raise InvalidInput(
            "the folder for the figures is a file", value=folder, remedy="give another --out"
        )
    refuse_links(folder)
    result = enumerate_regions(
        options if options.domain is not None else replace(options, domain=fitting(options))
    )
    screen = console()
    screen.print(f"{result.opened.label()}: {result.partition!r}")
    figures = figures_of(_subject(result))
    if not figures:
        raise InvalidInput(
            "there is no figure of this",
            value=repr(result.partition),
            remedy="give a --plane or a --great-sphere",
        )
    for write in figures:
        screen.print(f"drawn {write(folder)}")
    return result.exit_code


def _default_folder(place: Path) -> Path:
    """`figures` in the folder of a run, `FILE-figures` beside a file."""
    return place / "figures" if place.is_dir() else place.with_name(f"{place.stem}-figures")


def fitting(options: JobOptions) -> DomainRequest:
    """The domain that fits a network: the circle or 2-sphere of its first norm, or the square [-1,
    1]^2 for two inputs.
    """
    network = open_run(options).network
    if network.has_norm and network.norms[0].sphere_dim in (1, 2):
        return DomainRequest("sphere", ())
    if not network.has_norm and network.input_dim == 2:
        return DomainRequest("box", ((Fraction(-1),), (Fraction(1),)))
    raise InvalidInput(
        "no domain fits this network by itself",
        value=f"{network.input_dim} inputs, {len(network.norms)} norms",
        remedy="give --plane, --great-circle, --great-sphere, --ellipse, --ray or --segment",
    )


def _subject(result: Result) -> Subject:
    """The partition with rows of the data that the run was trained on, where they are known."""
    opened = result.opened
    subject = Subject(opened.name, result.partition, opened.whole.blocks[: opened.start])
    rows = None if opened.checkpoint is None else opened.checkpoint.data
    if rows is None:
        return subject
    classes = rows.targets[:MOST_DATA].tolist() if rows.kind == "classification" else None
    return replace(subject, inputs=rows.inputs[:MOST_DATA].double().numpy(), classes=classes)
