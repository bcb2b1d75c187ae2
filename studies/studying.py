"""The commands about studies: `exactlens study` and `exactlens moved`. As in
`studies.command_line`, only typer is imported here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studies.options import Device, Force, Root, Seed


def study(
    name: Annotated[
        str | None,
        typer.Option(
            help="Of the run (default: study, or study-part for a part of it; these are replaced).",
            show_default=False,
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="CLAIMS",
            help="Ask these questions alone: 0.1,0.4. A wrong one lists them all.",
            show_default=False,
        ),
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RUN|FILE|gpt2:FOLDER",
            help="Ask them of this run, .safetensors file, or GPT-2 instead; may be repeated.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npz",
            help="Rows for a network of --on that has none: inputs and targets, as for train.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="Networks in an ensemble (default: as the question says).", min=1),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Few networks and few tokens: a first look.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Ask every question there is, not the core alone.")
    ] = False,
    question: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE:NAME",
            help="A Question of your own, of a module here or on Python's path; may be repeated "
            "(docs/studies.md).",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    device: Device = "cpu",
    gpt2: Annotated[
        str | None,
        typer.Option(
            "--gpt2",
            "--model",
            metavar="FOLDER_OR_NAME",
            help="A trained language model to ask as well: a folder, of any family that is "
            "read, or a GPT-2 on the hub.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder of all runs.")] = Path("runs"),
    force: Force = False,
) -> int:
    """Train toys, cut them up, ask the questions, and write the report.

    Every question there is, with --all; some of them, with --only; of networks of your own, with
    --on.

    The report is an HTML page, runs/NAME/report/index.html; with --gpt2 real weights are asked too.
    A question that a network of yours does not fit leaves a row that says what it needs.

    Exit codes: 0 done, whatever the verdicts; 2 bad input; 5 a theorem fails, so that the code is
    wrong; 6 a question of your own fails, the report is written all the same; 130 interrupted.

    Examples:

        exactlens study

        exactlens study --name with-gpt2 --model gpt2 --device cuda

        exactlens study --all --quick

        exactlens study --only 0.1,0.4 --quick

        exactlens study --question mine:QUESTION --seeds 30

        exactlens study --only 0.1 --on moons-layernorm --on mine.safetensors --data mine.npz
    """
    from studies.commands import study as command

    return command.run(
        command.StudyOptions(
            name,
            out,
            seed,
            device,
            gpt2,
            force,
            only,
            tuple(on or ()),
            data,
            seeds,
            quick,
            every,
            tuple(question or ()),
        )
    )


def moved(
    first: Annotated[str, typer.Argument(metavar="RUN", help="A study.", show_default=False)],
    second: Annotated[
        str, typer.Argument(metavar="RUN", help="One of another seed.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.md", help="Write the tables here too.", show_default=False),
    ] = None,
    root: Root = Path("runs"),
) -> int:
    """Say which verdicts differ between two studies, and how many stayed, as a Markdown table.

    Examples:

        exactlens study --seed 1 --name study-1

        exactlens moved study study-1 --out verdicts.md
    """
    from studies.commands import moved as command

    return command.run(first, second, root=root, out=out)
