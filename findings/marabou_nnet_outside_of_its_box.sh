#!/usr/bin/env bash
# Guess: outside of the inputs' box, a reader of .nnet files clips first (as the format says), and all its evaluations agree.
# Seen (maraboupy 2.0.0, read_nnet(normalize=True)): for an input outside of the box, evaluateWithMarabou scales but does not clip,
# evaluateNNet neither clips nor scales: three values for one network, input and file, without an error.
# So: exact.sources.nnet clips and scales in one place, and says so.
"$(dirname "$0")/with" numpy==2.4.6 maraboupy==2.0.0 <<'PY'
import os

import numpy as np
from maraboupy import Marabou

lines = ["2,2,1,2,", "2,2,1,", "0,", "-1.0,-2.0,", "1.0,2.0,", "0.5,0.25,3.0,", "2.0,4.0,10.0,",
         "1.0,-1.0,", "0.5,2.0,", "0.125,", "-0.25,", "1.0,2.0,", "-0.5,"]
with open("tiny.nnet", "w", encoding="ascii") as file:
    file.write("// two inputs, two neurons, one output\n" + "\n".join(lines) + "\n")
x = np.array([5.0, 5.0])

def network(x):
    hidden = np.maximum(np.array([[1, -1], [0.5, 2]]) @ x + [0.125, -0.25], 0)
    return hidden @ [1, 2] - 0.5

def scaled(x):
    return network((x - [0.5, 0.25]) / [2, 4]) * 10 + 3

found = Marabou.read_nnet("tiny.nnet", normalize=True)
silence, terminal = os.open(os.devnull, os.O_WRONLY), os.dup(1)
os.dup2(silence, 1)
solved = found.evaluateWithMarabou([np.array([x])])[0].item()
os.dup2(terminal, 1)
assert scaled(np.clip(x, [-1, -2], [1, 2])) == 13        # what the format says
assert abs(solved - scaled(x)) < 1e-6 and scaled(x) == 74.875
assert found.evaluateNNet(x).item() == network(x) == 24.125
print("maraboupy 2.0.0 at (5, 5): evaluateWithMarabou", solved, "evaluateNNet", found.evaluateNNet(x).item(), "by the format 13")
PY
