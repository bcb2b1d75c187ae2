"""`python -m exact.check FILE`: verify a certificate with Python's own library alone.

Exit codes: 0 proved and complete, 3 proved but not complete, 4 rejected, 2 not a certificate; of a
certificate of `exact.holds` 0 the condition holds, 7 it fails, 4 rejected.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from exact.check import conditions, one_line, records, verify_file
from exact.check.network import DIALECT, Network
from exact.check.statements import domain_digest
from exact.check.verdicts import Status, Verdict
from exact.errors import InvalidInput

BAD_INPUT = 2
EXIT_CODES = {Status.COMPLETE: 0, Status.INCOMPLETE: 3, Status.REJECTED: 4}
CONDITION_CODES = {"holds": 0, "fails": 7}


def main(arguments: Sequence[str]) -> int:
    """Print the verdict on a file, or one line on stderr, and return the exit code."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        got = " ".join(arguments) or "nothing"
        print(f"error: not one file; got {got}; write python -m exact.check FILE", file=sys.stderr)
        return BAD_INPUT
    try:
        found, code = of_file(arguments[0])
    except (InvalidInput, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    print(*found, sep="\n")
    return code


def of_file(path: str) -> tuple[list[str], int]:
    """What a certificate of either sort proves, and the exit code. Raises as `verify_file` does."""
    if conditions.is_condition(path):
        return of_condition(path)
    verdict = verify_file(path)
    return lines(path, verdict), EXIT_CODES[verdict.status]


def of_condition(path: str, network_sha256: str = "") -> tuple[list[str], int]:
    """What a certificate of :func:`exact.holds` proves, and the exit code: 0 the condition holds, 7
    it fails, 4 nothing is proved. Of a network of another sha256 than the given one nothing is.
    """
    try:
        record = conditions.read_file(path)
        word = conditions.check(record)
        sha256 = Network.read(record["network"], DIALECT).sha256
        if network_sha256 not in ("", sha256):
            raise conditions.Rejected(f"it speaks of another network, whose sha256 is {sha256}")
    except (conditions.Rejected, records.Rejected) as error:
        return [f"{_plain(path)}: rejected", f"  reason   {one_line(str(error))}"], EXIT_CODES[
            Status.REJECTED
        ]
    domain = record["domain"]
    about = [
        f"  condition {conditions.in_words(record)}",
        f"  domain    {domain['dim']} dimensions, sha256 {domain_digest(domain)}",
        f"  network   sha256 {sha256}",
    ]
    if "witness" in record:
        about.append(f"  witness   {' '.join(record['witness'])}")
    return [f"{_plain(path)}: proved, the condition {word}", *about], CONDITION_CODES[word]


def lines(path: str, verdict: Verdict) -> list[str]:
    """What is proved about which network and domain, or why the certificate is rejected."""
    return [
        f"{_plain(path)}: {verdict.status.value}",
        *(f"  {word:9}{value}" for word, value in _entries(verdict)),
    ]


def _plain(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()


def _entries(verdict: Verdict) -> list[tuple[str, str]]:
    if verdict.status is Status.REJECTED:
        return [("reason", verdict.reason)]
    is_complete = verdict.status is Status.COMPLETE
    count = f"{verdict.regions:,}" if is_complete else f"at least {verdict.regions:,}"
    maps = "with their exact affine maps" if verdict.maps else "without maps"
    is_known = verdict.named_sha256 == verdict.network_sha256
    named = "" if is_known else f", in the file {verdict.named_sha256}"
    return [
        ("regions", f"{count}, {maps}"),
        ("domain", verdict.domain),
        ("network", f"sha256 {verdict.network_sha256}{named}"),
        ("digest", verdict.digest),
        ("proof", verdict.reason),
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
