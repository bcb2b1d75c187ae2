"""`exactlens holds`: whether a condition on the outputs holds on all of a domain."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

from exact import Answer, Budget, Condition, Verdict, holds
from exact.arithmetic.numbers import nearest_float, rational
from studies.commands.job import (
    JobOptions,
    built_domain,
    console,
    in_words_of_the_command_line,
    open_run,
)
from studies.runs import writable

EXIT_CODES = {Verdict.HOLDS: 0, Verdict.BUDGET_REACHED: 3, Verdict.FAILS: 7}


def run(options: JobOptions, text: str, *, certificate: Path | None) -> int:
    """Print the verdict, with a point where the condition fails, and return the exit code."""
    if certificate is not None:
        writable(certificate, (".json", ".gz"))
    opened = open_run(options)
    domain = built_domain(options, opened.network)
    budget = Budget(options.budget_regions, options.budget_seconds, options.budget_bytes)
    started = time.monotonic()
    with in_words_of_the_command_line(codes_only=False):
        asked = Condition.read(text, opened.network.output_dim)
        answer = holds(opened.network, domain, asked, budget=budget)
    screen = console()
    screen.print(f"{opened.label()}: {domain!r}")
    for word, value in _lines(answer, time.monotonic() - started):
        screen.print(f"  {word:10}{value}")
    if certificate is not None:
        answer.certificate(certificate)
        screen.print(f"certificate written to {certificate}")
    return EXIT_CODES[answer.verdict]


def _lines(answer: Answer, seconds: float) -> list[tuple[str, str]]:
    found = [
        ("condition", str(answer.condition)),
        ("verdict", answer.verdict.value),
        ("evidence", answer.evidence),
        ("boxes", f"{answer.boxes:,} bounded, {answer.left:,} left"),
        ("cells", f"{answer.cells:,} listed"),
    ]
    if answer.witness is not None and answer.outputs is not None:
        found.append(("witness", ", ".join(map(_number, answer.witness))))
        found.append(("outputs", ", ".join(map(_number, answer.outputs))))
    return [*found, ("seconds", f"{seconds:.2f}")]


def _number(value: Fraction) -> str:
    """A number exactly, and behind it what it is near where that is not seen at once."""
    exact = rational(value)
    if value.denominator == 1 and abs(value) < 10**9:
        return str(exact)
    return f"{exact} (about {nearest_float(exact):.6g})"
