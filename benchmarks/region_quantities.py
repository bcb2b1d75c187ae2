"""`python -m benchmarks quantities`: what is asked of every region, by this tree and by an older
one in turn, in microseconds of CPU time a region.

Each tree answers in processes of its own, with one thread, best of several; the older tree may have
no arrays and is asked region by region then, some hundred regions of each network where it takes
long. Run as a file it answers for one tree: the one that `exact` is imported from.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

NETS = ("2: 32-32", "2: 64-64-64", "3: 16-16", "3: 32-32", "4: 12-12", "5: 10-10")
QUANTITIES = (
    *("different maps", "linear pieces", "maps", "volumes", "facets", "centroids", "perimeters"),
    *("classes", "ranges", "graph"),
)
_SOME = 120  # regions that are asked one by one
_REPEATS = 3
Row = dict[str, Any]


def answer(net: str) -> dict[str, float]:
    """Microseconds a region for each quantity, by the tree that `exact` is imported from."""
    import exact

    network, dim = _network(net)
    domain = exact.Box(-1, 1, dim=dim)

    def fresh() -> Any:
        found = exact.partition(network, domain)
        found.neighbours()
        return found

    fresh()  # compiles, and loads what is compiled
    found = fresh()
    has_arrays = hasattr(type(found), "maps_float")
    asked = _by_arrays() if has_arrays else _one_by_one()
    for once in asked.values():
        once(found, [0])
    result = {"regions": float(len(found))}
    for name, once in asked.items():
        found, some = fresh(), range(len(found))
        if not has_arrays and name not in ("different maps", "linear pieces", "graph"):
            some = range(0, len(found), max(1, len(found) // _SOME))
        gc.collect()
        gc.freeze()  # else the collector walks all modules in the middle of some quantity
        start = time.process_time()
        once(found, some)
        result[name] = (time.process_time() - start) / len(some) * 1e6
    return result


Asked = dict[str, Callable[[Any, Sequence[int]], object]]


def _by_arrays() -> Asked:
    return {
        "different maps": lambda found, _: found.distinct_map_count,
        "linear pieces": lambda found, _: found.linear_piece_count,
        "maps": lambda found, _: found.maps_bound,
        "volumes": lambda found, _: found.volumes_float,
        "facets": lambda found, _: found.facet_measures_float,
        "centroids": lambda found, _: found.centroids_float,
        "perimeters": lambda found, _: found.perimeters_float,
        "classes": lambda found, _: found.class_ids,
        "ranges": lambda found, _: found.output_ranges_float,
        "graph": lambda found, _: found.graph(witnesses=False),
    }


def _one_by_one() -> Asked:
    return {
        "different maps": lambda found, _: found.distinct_map_count,
        "linear pieces": lambda found, _: found.linear_piece_count,
        "maps": lambda found, some: [found.regions[i].affine for i in some],
        "volumes": lambda found, some: [found.regions[i].volume for i in some],
        "facets": lambda found, some: [found.regions[i].facet_measures for i in some],
        "graph": lambda found, _: found.graph(witnesses=False),
    }


def _network(net: str) -> tuple[Any, int]:
    """The network of a name as in `benchmarks.jobs`, with three outputs."""
    import torch

    from exact.sources import tensors

    dim, widths = net.split(": ")
    torch.manual_seed(0)
    sizes = [int(dim), *map(int, widths.split("-")), 3]
    modules = [torch.nn.Linear(a, b, dtype=torch.float64) for a, b in pairwise(sizes)]
    layers = [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in modules]
    return tensors.mlp(layers), int(dim)


def one_thread() -> dict[str, str]:
    """The environment of processes with one thread."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(names, "1")}


def measured(tree: Path, net: str) -> dict[str, float]:
    """One answer of a tree, in a process of its own with one thread."""
    environment = {**one_thread(), "PYTHONPATH": str(tree)}
    command = [sys.executable, "-P", str(Path(__file__).resolve()), "--answer", net]
    done = subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def best(answers: Iterable[dict[str, float]]) -> dict[str, float]:
    """The least of several measurements of each quantity.

    >>> best([{"maps": 3.0, "graph": 1.0}, {"maps": 2.0, "graph": 4.0}])
    {'maps': 2.0, 'graph': 1.0}
    """
    every = list(answers)
    return {name: min(one[name] for one in every) for name in every[0]}


def lines(rows: Sequence[Row]) -> list[str]:
    """The table: a row for each network and quantity, with the older tree's where there is one."""
    from benchmarks.quantities import quantity, ratio

    found = [
        "| net | regions | quantity | before, us a region | now, us a region | ratio |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        new, old = row["new"], row.get("old", {})
        found += [
            f"| {row['net']} | {int(new['regions']):,} | {name} | {quantity(old.get(name))} | "
            f"{quantity(new[name])} | {ratio(old.get(name), new[name])} |"
            for name in QUANTITIES
        ]
    return found


def main(arguments: Sequence[str]) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks quantities", description=__doc__)
    parser.add_argument("--old", type=Path, help="the older tree, a checkout of another commit")
    parser.add_argument("--nets", nargs="*", default=list(NETS), help="'d: widths', as elsewhere")
    parser.add_argument("--repeats", type=int, default=_REPEATS, help="processes, best of them")
    parser.add_argument("--answer", metavar="NET", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.answer:
        print(json.dumps(answer(chosen.answer)))
        return 0
    trees = {"new": Path(__file__).resolve().parents[1]}
    if chosen.old is not None:
        if not (chosen.old / "exact").is_dir():
            parser.error(f"no tree: {chosen.old} has no folder exact")
        trees["old"] = chosen.old.resolve()
    rows: list[Row] = []
    for net in chosen.nets:
        several: dict[str, list[dict[str, float]]] = {name: [] for name in trees}
        for _ in range(chosen.repeats):  # in turn, so that both meet the same load
            for name, tree in trees.items():
                several[name].append(measured(tree, net))
        rows.append({"net": net, **{name: best(found) for name, found in several.items()}})
        print(*lines(rows[-1:])[2:], sep="\n", flush=True)
    print(*lines(rows), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
