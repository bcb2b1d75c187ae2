"""Where the outputs of a network lie on a domain: which sets they reach, and which conditions hold
of all of them.
"""

from __future__ import annotations

from exact.instruments.output_sets.reaching import Reached, reached

__all__ = ["Reached", "reached"]
