"""relucent on one network in all of R^d: runs in the environment of `make bench-env`, and imports
nothing of ours.

`python relucent_rate.py weights.npz SECONDS WORKERS` prints a JSON object; at the time limit, what
was found until then.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

import numpy as np
import relucent
import torch


def network(path: str) -> torch.nn.Sequential:
    """The ReLU network of the arrays W0, b0, W1, b1, ..., the last layer linear."""
    with np.load(path) as arrays:
        pairs = [
            (torch.from_numpy(arrays[f"W{i}"]), torch.from_numpy(arrays[f"b{i}"]))
            for i in range(len(arrays) // 2)
        ]
    modules: list[torch.nn.Module] = []
    for weight, bias in pairs:
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0], dtype=torch.float64)
        linear.load_state_dict({"weight": weight, "bias": bias})
        modules += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*modules[:-1])


def main() -> None:
    path, seconds, workers = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    found = relucent.Complex(network(path))
    started = time.perf_counter()

    def tell(complete: bool) -> None:
        result = {
            "regions": len(found),
            "seconds": time.perf_counter() - started,
            "complete": complete,
        }
        print(json.dumps(result), flush=True)
        os._exit(0)

    limit = threading.Timer(seconds, tell, [False])
    limit.start()
    complete = found.bfs(nworkers=workers, verbose=0).complete
    limit.cancel()
    tell(bool(complete))


if __name__ == "__main__":
    main()
