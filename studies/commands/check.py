"""`exactlens check`: verify a certificate with integers alone, and say what it proves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from exact.check import Status, Verdict, conditions, verify_file
from exact.check import __main__ as told
from studies.commands.job import JobOptions, in_words_of_the_command_line, open_run


def run(path: Path, options: JobOptions | None) -> int:
    """Print the verdict and return its exit code; with `options`, the certificate must speak of the
    network of that run. Certificates of conditions are taken too.
    """
    if conditions.is_condition(path):
        sha256 = "" if options is None else open_run(options).network.sha256
        found, code = told.of_condition(str(path), sha256)
        print(*found, sep="\n")
        return code
    with in_words_of_the_command_line():
        verdict = verify_file(path)
    if options is not None and verdict.status is not Status.REJECTED:
        verdict = _compared(verdict, options)
    print(*told.lines(str(path), verdict), sep="\n")
    return told.EXIT_CODES[verdict.status]


def _compared(verdict: Verdict, options: JobOptions) -> Verdict:
    """The verdict, or a rejection where the weights of the run are not those of the certificate.

    Spheres and circles start at the norm: their certificates are about the run from there on.
    """
    opened = open_run(options)
    if opened.network.sha256 == verdict.network_sha256:
        return verdict
    norm = next((i for i, block in enumerate(opened.network.blocks) if block.norm is not None), 0)
    if (
        options.from_block is None
        and opened.network.from_block(norm).sha256 == verdict.network_sha256
    ):
        told = (
            f"{verdict.reason}; the network is that of the run from its norm on, --from-block "
            f"{norm}"
        )
        return replace(verdict, reason=told)
    reason = (
        f"the certificate speaks of another network than {opened.label()}, whose sha256 is "
        f"{opened.network.sha256}"
    )
    return replace(verdict, status=Status.REJECTED, reason=reason)
