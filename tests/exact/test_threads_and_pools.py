"""Several partitions at once: in threads of one process, and in processes that are started
afresh.
"""

import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest
import torch
from flint import ctx

from exact import Box, InvalidInput, Network, Partition, partition
from exact.arithmetic.enclosures import numpy_threads
from exact.arithmetic.enclosures.ball_tensors import one_thread
from exact.arithmetic.enclosures.float_environment import ieee_floats
from exact.arithmetic.numbers import Ball, Rational, ball_precision
from tests.exact.portable_jobs import JOBS, network

MANY = [name for name in JOBS if "3-sphere" not in name]


def _found(name: str) -> Partition:
    return JOBS[name]()


def _in_box(net: Network, width: int) -> Partition:
    return partition(net, Box(-width, width, dim=net.input_dim))


def test_threads_find_what_one_thread_finds() -> None:
    alone = [_found(name) for name in MANY]
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(_found, [*MANY, *MANY]))
            assert pool.submit(torch.get_num_threads).result() == 2
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert together == [*alone, *alone]
    pairs = zip(alone, together, strict=False)
    assert all(a.decisions == b.decisions and a.evidence == b.evidence for a, b in pairs)


def test_a_thread_that_ends_leaves_one_thread_to_the_other() -> None:
    """Overlapping, not nested: the first in is the first out."""
    before, entered, left = torch.get_num_threads(), threading.Event(), threading.Event()
    torch.set_num_threads(2)
    seen = []

    def other() -> None:
        with one_thread():
            entered.set()
            left.wait(10)
            seen.append(torch.get_num_threads())

    worker = threading.Thread(target=other)
    try:
        with one_thread():
            worker.start()
            assert entered.wait(10)
        left.set()
        worker.join(10)
        assert seen == [1]
        assert torch.get_num_threads() == 2
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 2
    finally:
        torch.set_num_threads(before)


def test_numpy_multiplies_in_one_thread_until_the_last_one_leaves() -> None:
    calls = numpy_threads._calls()
    if calls is None:  # of another maker: its threads are left as they are
        with one_thread():
            return
    told, chosen = calls
    before = told()
    try:
        chosen(2)
        with one_thread():
            with one_thread():
                assert told() == 1
            assert told() == 1
        assert told() == 2
    finally:
        chosen(before)


def test_no_thread_works_at_the_precision_of_another() -> None:
    inside, accuracies = threading.Event(), []

    def accuracy() -> int:
        return (Ball(Rational(2)).sqrt() + Ball(Rational(3)).sqrt()).rel_accuracy_bits()

    def other() -> None:
        with ball_precision(3000), ball_precision(2000):
            inside.set()
            accuracies.append(accuracy())

    worker = threading.Thread(target=other)
    with ball_precision(500):
        worker.start()
        assert not inside.wait(0.2)
        accuracies.append(accuracy())
    worker.join(10)
    assert [accurate // 100 for accurate in accuracies] in ([4, 19], [4, 20], [5, 20])


def test_a_door_that_another_thread_opens_changes_no_precision() -> None:
    """Neither in the middle of a block of balls, nor for good when doors overlap."""
    before, asked, left, seen = ctx.prec, threading.Event(), threading.Event(), []

    def other() -> None:
        asked.set()
        with ieee_floats():
            seen.append(ctx.prec)
            left.wait(10)

    worker = threading.Thread(target=other)
    ctx.prec = 71
    try:
        with ieee_floats(), ball_precision(200):
            worker.start()
            assert asked.wait(10) and not left.wait(0.2)
            assert ctx.prec == 200
        left.set()
        worker.join(10)
        assert (ctx.prec, seen) == (71, [53])
    finally:
        ctx.prec = before


@pytest.fixture(scope="module")
def spawned() -> ProcessPoolExecutor:
    """One process: what comes back is compared with what is found here, and to start another one
    takes seconds.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


def test_processes_return_partitions(spawned: ProcessPoolExecutor) -> None:
    net = network(2, 5, 1)
    _ = net.sha256, net.hinges, net.code([1, 2])
    found = list(spawned.map(_in_box, [net] * 3, [1, 2, 3]))
    assert found == [_in_box(net, width) for width in (1, 2, 3)]
    assert found[1].regions[0].witness == _in_box(net, 2).regions[0].witness


@pytest.mark.parametrize(
    "name", ["circle behind two norms", "2-sphere", "3-sphere", "norm ball", "stopped, walk"]
)
def test_processes_return_every_kind(name: str, spawned: ProcessPoolExecutor) -> None:
    found, here = spawned.submit(_found, name).result(), _found(name)
    assert found == here
    assert [region.witness for region in found.regions] == [
        region.witness for region in here.regions
    ]


def test_processes_are_given_partitions(spawned: ProcessPoolExecutor) -> None:
    found = JOBS["3-sphere"]()
    x = found.regions[1].witness
    assert spawned.submit(found.locate, x).result() == 1
    assert spawned.submit(type(found).check, found).result() == found.check()


def test_a_failure_comes_back_as_it_was(spawned: ProcessPoolExecutor) -> None:
    """A failure that does not unpickle would break the whole pool."""
    with pytest.raises(InvalidInput, match="lo"):
        spawned.submit(_in_box, network(2, 3, 1), -1).result()
    assert spawned.submit(_in_box, network(2, 3, 1), 1).result() == _in_box(network(2, 3, 1), 1)
