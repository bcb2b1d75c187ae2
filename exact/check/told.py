"""A verdict in words, as the command line prints it, and its exit code."""

from __future__ import annotations

from exact.check.verdicts import Status, Verdict

EXIT_CODES = {Status.COMPLETE: 0, Status.INCOMPLETE: 3, Status.REJECTED: 4}


def lines(path: str, verdict: Verdict) -> list[str]:
    """What is proved about which network and domain, or why the certificate is rejected."""
    name = path.encode("utf-8", "backslashreplace").decode()
    return [
        f"{name}: {verdict.status.value}",
        *(f"  {word:9}{value}" for word, value in _entries(verdict)),
    ]


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
