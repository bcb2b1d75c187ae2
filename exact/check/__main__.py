"""`python -m exact.check FILE`: verify a certificate with Python's own library alone.

Exit codes: 0 proved and complete, 3 proved but not complete, 4 rejected, 2 not a certificate; of a
certificate of `exact.holds` 0 the condition holds, 7 it fails, 4 rejected.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from exact.check import told
from exact.errors import InvalidInput

BAD_INPUT = 2


def main(arguments: Sequence[str]) -> int:
    """Print the verdict on a file, or one line on stderr, and return the exit code."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        got = " ".join(arguments) or "nothing"
        print(f"error: not one file; got {got}; write python -m exact.check FILE", file=sys.stderr)
        return BAD_INPUT
    try:
        lines, code = told.of_file(arguments[0])
    except (InvalidInput, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    print(*lines, sep="\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
