"""Two trees on the same jobs, in turn, in one run: `python -m benchmarks.side_by_side OLD` compares
OLD with this tree.

Each round runs every job in a fresh process of the one tree and then of the other; a job is
repeated inside its process after a first call that compiles or loads kernels. What is compared is
the least of all times, and the digests: of the codes, and of the adjacency and witnesses of up to
300 regions. OLD is a folder that holds another state of the repository, as `git worktree add OLD
COMMIT` makes one. Exit code 1 where an answer differs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Times = dict[str, list[float]]
HERE = Path(__file__).resolve()


def workload() -> dict[str, Callable[[], Any]]:
    """Calls by name: each makes a partition and asks it nothing. Written for what every state of
    the repository can say.
    """
    import numpy as np

    from exact import (
        Block,
        Box,
        GreatCircle,
        Layer,
        LayerNorm,
        Line,
        Network,
        NormBall,
        Plane,
        RealSpace,
        ReLU,
        RMSNorm,
        Segment,
        Sphere,
        partition,
        partition_circles,
    )

    def net(
        dim: int,
        *widths: int,
        norm: Any = None,
        seed: int = 0,
        integers: bool = False,
        norms: int = 1,
    ) -> Network:
        draw, blocks, before = np.random.default_rng(seed), list[Block](), dim
        cuts = [widths] if norms == 1 else [(width,) for width in widths]
        for group in cuts:
            layers = list[Layer]()
            start = before
            for width in group:
                weight, bias = draw.normal(size=(width, before)), draw.normal(size=width)
                weight, bias = (weight.round(), bias.round()) if integers else (weight, bias)
                layers.append(Layer.of(weight, bias, ReLU()))
                before = width
            layers.append(Layer.of(draw.normal(size=(start, before)), draw.normal(size=start)))
            blocks.append(Block(tuple(layers), norm.of(dim=start) if norm else None))
            before = start
        return Network(tuple(blocks))

    made = {
        "layer 3: 64, space": (net(3, 64), RealSpace(3)),
        "layer 4: 40, space": (net(4, 40), RealSpace(4)),
        "layer 4: 14 of integers, space": (net(4, 14, integers=True), RealSpace(4)),
        "deep 2: 64-64-64, box": (net(2, 64, 64, 64), Box(-1, 1, dim=2)),
        "deep 3: 16-16, box": (net(3, 16, 16), Box(-1, 1, dim=3)),
        "deep 2: 8-8-8 of integers, box": (net(2, 8, 8, 8, integers=True), Box(-3, 3, dim=2)),
        "circle 768: 3072": (
            net(768, 3072, norm=LayerNorm),
            GreatCircle(*np.random.default_rng(1).normal(size=(2, 768))),
        ),
        "line behind two norms 6: 12-12": (
            net(6, 12, 12, norm=RMSNorm, norms=2),
            Line([0.5] * 6, [1, 2, 3, -1, 1, 0.25]),
        ),
        "sphere S2: 256": (net(3, 256, norm=RMSNorm), Sphere()),
        "sphere S2: 16-16": (net(3, 16, 16, norm=RMSNorm), Sphere()),
        "sphere S2: 9 of integers": (net(3, 9, norm=RMSNorm, integers=True), Sphere()),
        "sphere S3: 24": (net(4, 24, norm=RMSNorm), Sphere()),
        "sphere S3: 24, LayerNorm": (net(5, 24, norm=LayerNorm), Sphere()),
        "ball n = 3: 6": (net(3, 6, norm=RMSNorm), NormBall()),
    }
    calls: dict[str, Callable[[], Any]] = {
        name: lambda job=job: partition(*job) for name, job in made.items()
    }
    for engine in ("facet_walk", "lp_tree"):
        calls[f"deep 4: 10-10, box, {engine}"] = lambda engine=engine: partition(
            net(4, 10, 10), Box(-1, 1, dim=4), engine=engine
        )

    def wide() -> Network:
        draw = np.random.default_rng(0)
        shapes = ((64, 82_048), (64, 64), (10, 64))
        weights = [draw.normal(size=shape) / shape[1] ** 0.5 for shape in shapes]
        bends = (ReLU(), ReLU(), None)
        return Network((Block(tuple(map(Layer.of, weights, [None] * 3, bends))),))

    points = np.random.default_rng(3).normal(size=(3, 82_048))

    def codes_alone(domain: Any) -> list[Any]:
        """Codes and adjacency: to write witnesses out takes longer than to find them."""
        found = partition(wide(), domain)
        return [(found.digest, found.neighbours().ravel().tolist())]

    calls["wide segment 82048: 64-64"] = lambda: codes_alone(Segment(*points[:2]))
    calls["wide plane 82048: 64-64"] = lambda: codes_alone(Plane(*points, s=(0, 1), t=(0, 1)))
    ends = np.random.default_rng(2).normal(size=(2, 100, 96))
    calls["100 circles 96: 384"] = lambda: partition_circles(net(96, 384, norm=LayerNorm), *ends)
    questioned = {
        name: made[name]
        for name in ("layer 3: 64, space", "deep 2: 64-64-64, box", "sphere S2: 16-16")
    }
    for name, job in questioned.items():
        found = partition(*job)
        calls[f"{name}: codes and witnesses"] = lambda found=found: [
            (r.code, r.witness) for r in found.regions[:300]
        ]
    return calls


def answer(found: Any) -> str:
    """A digest of what was found: codes, adjacency, and the witnesses of the first regions."""
    import hashlib

    digest = hashlib.sha256()
    if hasattr(found, "digest"):
        digest.update(found.digest.encode())
        digest.update(str([tuple(region.witness) for region in found.regions[:300]]).encode())
        if len(found) < 20_000:
            digest.update(str(sorted(map(sorted, found.graph().edges()))).encode())
    elif isinstance(found, list):
        digest.update(str([(str(code), tuple(witness)) for code, witness in found]).encode())
    else:
        digest.update(str([found[i].digest for i in range(10)]).encode())
    return digest.hexdigest()[:12]


def work(only: str, seconds: float, answers: bool) -> None:
    """Run the jobs of this process's own tree; a line of JSON each."""
    for name, call in workload().items():
        if only not in name:
            continue
        result = call()
        times = list[float]()
        while sum(times) < seconds or len(times) < 2:
            started = time.perf_counter()
            call()
            times.append(time.perf_counter() - started)
        print(
            json.dumps(
                {"job": name, "seconds": min(times), "answer": answer(result) if answers else None}
            ),
            flush=True,
        )


def in_tree(tree: Path, only: str, seconds: float, answers: bool) -> dict[str, dict[str, Any]]:
    """What the jobs said in a fresh process of a tree."""
    environment = os.environ | {"PYTHONPATH": str(tree)}
    command = [sys.executable, str(HERE), "--work", "--only", only, "--seconds", str(seconds)]
    command += ["--answers"] if answers else []
    lines = subprocess.run(
        command, cwd=tree, env=environment, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    return {row["job"]: row for row in map(json.loads, lines)}


def main(arguments: list[str] | None = None) -> int:
    """Compare and print; 1 where an answer differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.side_by_side", description=__doc__)
    parser.add_argument(
        "old", type=Path, nargs="?", help="a folder with the other state of the repository"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="how often each tree has its turn (default: 3)"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=0.5,
        help="how long a job is repeated in a round (default: 0.5)",
    )
    parser.add_argument("--only", default="", help="jobs whose name contains this")
    parser.add_argument("--answers", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.work:
        work(chosen.only, chosen.seconds, chosen.answers)
        return 0
    if chosen.old is None:
        parser.error("name the folder of the old tree")
    times: dict[str, tuple[list[float], list[float]]] = {}
    answers: dict[str, set[str]] = {}
    for turn in range(chosen.rounds):
        for side, tree in enumerate((chosen.old.resolve(), HERE.parent.parent)):
            for name, row in in_tree(tree, chosen.only, chosen.seconds, turn == 0).items():
                times.setdefault(name, ([], []))[side].append(row["seconds"])
                answers.setdefault(name, set()).update([row["answer"]] if turn == 0 else [])
    ratios = list[float]()
    print(f"{'job':48} {'old s':>10} {'new s':>10} {'new/old':>8}  answers")
    for name, (old, new) in times.items():
        if not (old and new):
            print(f"{name:48} only in one tree")
            continue
        ratios.append(min(new) / min(old))
        same = "the same" if len(answers[name]) == 1 else "DIFFER"
        print(f"{name:48} {min(old):10.5f} {min(new):10.5f} {ratios[-1]:8.2f}  {same}")
    print(f"geometric mean of new/old: {statistics.geometric_mean(ratios):.3f}")
    return int(any(len(found) > 1 for found in answers.values()))


if __name__ == "__main__":
    raise SystemExit(main())
