"""What a verification found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """What a verification found. Has no truth value: compare with `is`."""

    COMPLETE = "verified, complete"
    INCOMPLETE = "verified, but not complete"
    REJECTED = "rejected"

    def __bool__(self) -> bool:
        raise TypeError(
            "a Status has no truth value; got bool(status); write status is Status.COMPLETE"
        )


@dataclass(frozen=True)
class Verdict:
    """What is proved, about which network and domain; or the first reason found for rejecting the
    certificate.

    COMPLETE: the listed codes are exactly those of the open regions in the domain; on curves and
    2-spheres those of its cells, the connected parts. INCOMPLETE: they are regions, all different,
    and more may exist. `digest` is that of `Partition.digest`, `network_sha256` that of
    `Network.sha256`, `domain_sha256` one of the chart, walls, ends or radius as numbers, all
    computed here; `named_sha256` is that by which the file knows the network, in the first format
    another one. All are empty, as is `domain`, where the certificate was rejected.
    """

    status: Status
    reason: str
    regions: int = 0
    maps: bool = False
    network_sha256: str = ""
    domain: str = ""
    digest: str = ""
    domain_sha256: str = ""
    named_sha256: str = ""

    def __repr__(self) -> str:
        reason = self.reason if len(self.reason) <= 90 else self.reason[:87] + "..."
        if self.network_sha256:
            about = f", network {self.network_sha256[:12]}, digest {self.digest[:12]}"
        else:
            about = ""
        return f"<{self.status.value}, {self.regions} regions: {' '.join(reason.split())}{about}>"

    def __bool__(self) -> bool:
        raise TypeError(
            "a Verdict has no truth value; got bool(verdict); write verdict.status is "
            "Status.COMPLETE"
        )
