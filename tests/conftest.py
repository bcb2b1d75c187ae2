"""What every test shares: thread counts, the offline rule, hypothesis profiles and the
markers `gpu` and `needs`.
"""

import os
from importlib.util import find_spec

# These are read when torch, matplotlib and huggingface_hub are imported, so they are set before any
# test module is.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
from hypothesis import HealthCheck, settings

# Exact arithmetic has no predictable running time: neither a deadline nor the speed of the machine
# may fail a test.
settings.register_profile(
    "quick",
    max_examples=30,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "fuzz",
    max_examples=2000,
    derandomize=False,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def _cuda_is_available() -> bool:
    import torch

    return torch.cuda.is_available()


def _lacks(item: pytest.Item) -> bool:
    """Whether a test marked `needs` names a package that is not installed."""
    packages = [name for mark in item.iter_markers("needs") for name in mark.args]
    return any(find_spec(name) is None for name in packages)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests marked `gpu` where there is no CUDA device, and those that need a package
    which is not there: a skip would read as something left undone.
    """
    gpu = {item for item in items if item.get_closest_marker("gpu")}
    if gpu and _cuda_is_available():
        gpu.clear()
    left_out = [item for item in items if item in gpu or _lacks(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
