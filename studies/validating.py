"""The command that judges approximate methods: `exactlens validate`. As in `studies.command_line`,
only typer is imported here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studies.options import Words


def validate(
    method: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A method or its number (E1), or package:function of your own; repeat it for "
            "several (default: all).",
            show_default=False,
        ),
    ] = None,
    budget: Annotated[
        Words,
        typer.Option("--budget", metavar="N...", help="Budgets, in place of those of each method."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Five seeds, dimensions 1 to 3, budgets to 1,000.")
    ] = False,
    out: Annotated[Path, typer.Option(help="The folder of tables, figure and report.")] = Path(
        "runs/validation"
    ),
    force: Annotated[
        bool, typer.Option("--force", help="Replace a validation with other settings.")
    ] = False,
) -> int:
    """Judge approximate methods by exact referees, on trained and untrained nets.

    Interrupted, the same call goes on. docs/validate.md says what each method is, and how to bring
    one of your own: one function.

    Examples:

        exactlens validate --quick

        exactlens validate --method E7 --method mymodule:my_function --out runs/mine
    """
    from studies import arguments
    from studies.commands import validate as command

    budgets = () if budget is None else arguments.integers(budget, "--budget")
    return command.run(method or [], budgets=budgets, quick=quick, out=out, force=force)
