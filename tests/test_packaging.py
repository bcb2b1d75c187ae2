"""The distribution is what pyproject.toml, constraints.txt and the Makefile say it is."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES: list[str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
INSTALLED_BY_MAKE = [
    *PROJECT["project"]["dependencies"],
    *(name for extra in ("gpt2", "results", "topology", "dev") for name in EXTRAS[extra]),
]
# where the import has another name
DISTRIBUTIONS = {"flint": "python-flint", "mpl_toolkits": "matplotlib", "sklearn": "scikit-learn"}
# its wheels for Linux name their own; its CPU wheels, none
CHOSEN_BY_TORCH = re.compile(r"(nvidia|cuda|triton)(-.*)?")
OLD_PYTHON = f"""#!/bin/sh
[ "$1" = --version ] && echo Python 3.10.9 && exit 0
exec {sys.executable} -c 'import sys; sys.version_info = (3, 10, 9); exec(sys.argv[1])' "$2"
"""
MARKED = """import pytest

@pytest.mark.gpu
def test_on_the_device():
    raise SystemExit("ran without a device")

def test_anywhere():
    pass
"""
PIN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*==[0-9]+(\.[0-9]+)*(\.post[0-9]+)?")


def read_pins(text: str) -> dict[str, str]:
    """Name -> version; ValueError at a line that is not an exact pin of a public version under a
    canonical name.
    """
    pins: dict[str, str] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if not PIN.fullmatch(line):
            raise ValueError(f"constraints.txt: {line!r} is not an exact pin; write name==1.2.3")
        name, version = line.split("==")
        if name in pins:
            raise ValueError(
                f"constraints.txt: {name} is pinned twice, {pins[name]} and {version}; keep one"
            )
        pins[name] = version
    return pins


def unpinned(requirements: list[str], pins: dict[str, str]) -> list[str]:
    """What the requirements need, directly or through others, that no pin covers or that a pin
    contradicts.
    """
    todo, seen, faults = [Requirement(text) for text in requirements], set(), []
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if name not in pins:
            faults.append(f"{name} has no pin")
        elif not requirement.specifier.contains(Version(pins[name])):
            faults.append(f"{requirement} is contradicted by {name}=={pins[name]}")
        elif (key := (name, frozenset(requirement.extras))) not in seen:
            seen.add(key)
            todo += needed_by(requirement)
    return faults


def needed_by(requirement: Requirement) -> list[Requirement]:
    """The requirements that apply here, among those that the installed distribution declares."""
    declared = [Requirement(text) for text in metadata.requires(requirement.name) or []]
    declared = [r for r in declared if not CHOSEN_BY_TORCH.fullmatch(canonicalize_name(r.name))]
    extras = requirement.extras or {""}
    return [
        r
        for r in declared
        if r.marker is None or any(r.marker.evaluate({"extra": extra}) for extra in extras)
    ]


def imported_packages(source: str) -> set[str]:
    """The top-level names of all absolute imports, lazy ones included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_the_installed_version_is_that_of_pyproject() -> None:
    assert metadata.version("exactlens") == PROJECT["project"]["version"]


def test_every_package_is_typed_and_documented() -> None:
    assert PACKAGES == ["exact", "toy_models", "viz", "studies"]
    for package in PACKAGES:
        assert (ROOT / package / "py.typed").is_file(), f"{package}/py.typed is missing"
        init = ROOT / package / "__init__.py"
        assert ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))), (
            f"{init} has no docstring"
        )


def test_the_command_is_a_function_that_exists() -> None:
    module, _, function = PROJECT["project"]["scripts"]["exactlens"].partition(":")
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    assert path.is_file(), f"the command exactlens starts {module}, but there is no {path}"
    body = ast.parse(path.read_text(encoding="utf-8")).body
    assert function in {node.name for node in body if isinstance(node, ast.FunctionDef)}


def test_constraints_cover_what_make_installs() -> None:
    pins = read_pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    assert unpinned(INSTALLED_BY_MAKE, pins) == []
    for backend in map(Requirement, PROJECT["build-system"]["requires"]):
        assert backend.specifier.contains(pins[backend.name])


@pytest.mark.parametrize(
    "line",
    [
        "numpy>=2.0",
        "numpy",
        "torch==2.13.0+cpu",
        "numpy==2.*",
        "numpy ==2.0",
        "NumPy==2.0",
        "numpy==2.0;x",
    ],
)
def test_anything_but_an_exact_pin_is_found(line: str) -> None:
    with pytest.raises(ValueError, match="not an exact pin"):
        read_pins(f"scipy==1.17.1\n{line}\n")


def test_two_pins_of_one_package_are_found() -> None:
    with pytest.raises(ValueError, match="pinned twice"):
        read_pins("scipy==1.17.1\nscipy==1.17.2\n")


def test_a_missing_or_contradicted_pin_is_found() -> None:
    assert unpinned(["pytest"], {"pytest": metadata.version("pytest")}) != []
    assert unpinned(["pytest>=8"], {"pytest": "7.0"}) == [
        "pytest>=8 is contradicted by pytest==7.0"
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_import_is_declared(package: str) -> None:
    texts = [*PROJECT["project"]["dependencies"], *chain.from_iterable(EXTRAS.values())]
    declared = {canonicalize_name(Requirement(text).name) for text in texts}
    for path in sorted((ROOT / package).rglob("*.py")):
        for name in (
            imported_packages(path.read_text(encoding="utf-8"))
            - sys.stdlib_module_names
            - set(PACKAGES)
        ):
            assert DISTRIBUTIONS.get(name, canonicalize_name(name)) in declared, (
                f"{path.relative_to(ROOT)} imports {name}; declare its distribution in "
                f"pyproject.toml and pin it"
            )


def test_imports_are_found_wherever_they_stand() -> None:
    source = (
        "import numpy.linalg as la\nfrom . import near\ndef f():\n    from sklearn.cluster "
        "import HDBSCAN\n"
    )
    assert imported_packages(source) == {"numpy", "sklearn"}


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in a folder that holds only what the environment depends on, apart from any make
    that runs us.
    """
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy2(ROOT / name, folder / name)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_make_explains_an_unusable_python(tmp_path: Path) -> None:
    old = tmp_path / "python3.10"
    old.write_text(OLD_PYTHON)
    old.chmod(0o755)
    run = make(tmp_path, "test", f"PYTHON={old}")
    assert run.returncode != 0
    assert "3.11 or newer" in run.stderr
    assert f"{old}: Python 3.10.9" in run.stderr
    assert "make test PYTHON=" in run.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("goal", ["test", "study"])
def test_make_installs_once_and_again_only_after_a_change(tmp_path: Path, goal: str) -> None:
    assert "pip install" in make(tmp_path, "--dry-run", goal).stdout
    stamp = tmp_path / ".venv" / ".installed"
    stamp.parent.mkdir()
    stamp.touch()
    assert "pip install" not in make(tmp_path, "--dry-run", goal).stdout
    os.utime(stamp, (0, 0))
    assert "pip install" in make(tmp_path, "--dry-run", goal).stdout


def test_gpu_tests_are_deselected_without_a_device(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy2(ROOT / name, tmp_path / Path(name).name)
    (tmp_path / "test_marked.py").write_text(MARKED)
    command = [sys.executable, "-m", "pytest", "test_marked.py"]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
    assert "1 passed, 1 deselected" in run.stdout
