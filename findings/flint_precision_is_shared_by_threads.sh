#!/usr/bin/env bash
# Guess: flint.ctx.prec belongs to the thread that sets it, as decimal's context does.
# Seen (python-flint 0.9.0): one precision for the process. What a thread sets, the others compute with from then on; two threads
# that each set and restore it can leave it changed for good.
# So: blocks that set it take a lock here.
"$(dirname "$0")/with" python-flint==0.9.0 <<'PY'
import threading

from flint import arb, ctx

ctx.prec, seen = 200, []

def other():
    seen.append(ctx.prec)
    ctx.prec = 17

thread = threading.Thread(target=other)
thread.start()
thread.join()
assert seen == [200] and ctx.prec == 17
assert arb(2).sqrt().rel_accuracy_bits() < 20
print("python-flint 0.9.0: the main thread set 200 bits and now computes with", ctx.prec)
PY
