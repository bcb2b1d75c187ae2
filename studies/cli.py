"""The command line: `exactlens train | partition | check | graph | draw | gpt2 | ... | cache`.

Exit codes: 0 done, 2 bad input (one line on stderr), 3 an enumeration that ended before it was
complete, or its certificate, 4 a certificate that is rejected, 5 a study in which a theorem fails,
6 one in which a question of the user's does (both write their reports), 7 a condition that fails,
130 interrupted, 141 the reader of the output went away (the work is done). The commands are in
`studies.command_line`; `exactlens check FILE` is answered here, by the checker alone, and waits for
nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from studies.outlet import Outlet

BAD_INPUT, INTERRUPTED, CLOSED_PIPE = 2, 130, 141


def run(args: Sequence[str]) -> int:
    """Run one command line and return its exit code; a mistake of the user's gives one line on
    stderr.
    """
    if len(args) == 2 and args[0] == "check" and not args[1].startswith("-"):
        code = _checked(args[1])
        if code is not None:
            return code
    from studies import command_line

    return command_line.run(args)


def _checked(path: str) -> int | None:
    """Verify a certificate, and print the verdict; None where there is none to verify, of which the
    command tells in the words of the command line.
    """
    from exact.check.__main__ import of_file
    from exact.errors import ExactlensError

    try:
        lines, code = of_file(path)
    except (ExactlensError, OSError):
        return None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    print(*lines, sep="\n")
    return code


def main() -> None:
    """The entry point of `exactlens`."""
    outlet = Outlet(sys.stdout if sys.stdout is not None else open(os.devnull, "w"))  # noqa: SIM115 - until the end
    sys.stdout = outlet  # type: ignore[assignment]
    code = run(sys.argv[1:])
    outlet.flush()
    if isinstance(outlet.failure, BrokenPipeError):
        code = CLOSED_PIPE
    elif outlet.failure is not None:
        failure = OSError(outlet.failure.errno, outlet.failure.strerror, "standard output")
        from studies.command_line import line_of

        print(line_of(failure, sys.argv[1:]), file=sys.stderr)
        code = BAD_INPUT
    if code == INTERRUPTED:
        # CPython ends by SIGINT, whatever the exit code, when the interrupt passed through an
        # exec() on its way to us (the first import of parts of torch has some): leave before it
        # does.
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
