"""Partitions that several referees read: made once, and complete or refused."""

from __future__ import annotations

from functools import lru_cache

from exact import Domain, Network, Outcome, Partition, Undecided, partition


@lru_cache(maxsize=16)
def whole_partition(network: Network, domain: Domain) -> Partition:
    """The partition of a domain, remembered; Undecided where it is not complete."""
    found = partition(network, domain)
    if found.outcome is not Outcome.COMPLETE:
        raise Undecided(
            "there is no exact value",
            value=f"{found.outcome.value} after {len(found)} regions",
            remedy="take a smaller network or domain",
        )
    return found
