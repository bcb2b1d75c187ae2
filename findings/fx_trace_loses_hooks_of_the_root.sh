#!/usr/bin/env bash
# Guess: torch.fx.symbolic_trace keeps what forward hooks do, as torch.export and torch.jit.trace do; or it warns.
# Seen (torch 2.13.0): hooks of inner modules become part of the graph, hooks of the traced module itself are dropped in silence, so
# that the graph computes other values than the module it was traced from.
# So: sources.torch_modules refuses a module with hooks by name, and compares what it read with module(x).
"$(dirname "$0")/with" numpy==2.4.6 torch==2.13.0 <<'PY'
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.out = nn.Sequential(nn.Linear(3, 6), nn.ReLU()), nn.Linear(6, 1)

    def forward(self, x):
        return self.out(self.inner(x))

def agree(where):
    torch.manual_seed(0)
    net, x = Net(), torch.randn(4, 3)
    {"root": net, "inner": net.inner, "leaf": net.out}[where].register_forward_hook(lambda module, args, output: 2 * output)
    with torch.no_grad():
        return (torch.equal(torch.fx.symbolic_trace(net)(x), net(x)), torch.equal(torch.jit.trace(net, x)(x), net(x)),
                torch.equal(torch.export.export(net, (x,)).module()(x), net(x)))

found = {where: agree(where) for where in ("root", "inner", "leaf")}
assert found == {"root": (False, True, True), "inner": (True, True, True), "leaf": (True, True, True)}, found
print("torch 2.13.0: fx, jit.trace and export agree with the hooked module:", found)
PY
