"""Networks in .safetensors files whose metadata says which tensors make which layer.

The metadata entry `architecture` is the JSON text of :mod:`exact.networks.architectures`. Files of
:func:`write` and of `partition.save` and the weights of checkpoints have it;
`safetensors.torch.save_file(tensors, path, metadata={"architecture": line})` writes it to any.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from exact.atomic_files import write_atomically
from exact.errors import InvalidInput
from exact.networks.architectures import architecture, network_of
from exact.networks.network import Network

if TYPE_CHECKING:
    import torch

SUFFIX = ".safetensors"
_LONGEST_HEADER = 100_000_000  # what the format itself allows
# the dtypes that NumPy has; it lacks bfloat16 and the floats of 8 bits
_OF_NUMPY = {"BOOL", "F64", "F32", "F16", *(f"{s}{bits}" for s in "IU" for bits in (8, 16, 32, 64))}
_EXAMPLE = (
    '{"blocks": [{"layers": [{"weight": "0.weight", "bias": "0.bias", '
    '"activation": "ReLU"}, ...]}]}'
)


@dataclass(frozen=True)
class WeightFile:
    """A .safetensors file that was opened: the names of its tensors, and its metadata, which is
    text by name.
    """

    path: Path
    names: Sequence[str]
    metadata: Mapping[str, str]
    _open: Any

    def tensor(self, name: str) -> Any:
        """One tensor (a NumPy array; a torch tensor where NumPy has no such dtype). Raises
        InvalidInput for other names.
        """
        if name not in self.names:
            raise InvalidInput(
                "the file has no tensor of that name",
                value=f"{name!r} in {self.path}",
                remedy=f"name one of {_some(self.names)}",
            )
        file = self._open("np")
        if file.get_slice(name).get_dtype() in _OF_NUMPY:
            return file.get_tensor(name)
        found: torch.Tensor = self._open("pt").get_tensor(name)
        return found

    def json(self, entry: str) -> Any:
        """An entry of the metadata that is JSON text. Raises InvalidInput where it is not."""
        try:
            return json.loads(self.metadata[entry])
        except (ValueError, RecursionError) as error:
            raise InvalidInput(
                f"the metadata entry {entry!r} is not JSON",
                value=f"{self.path}",
                remedy="write the file again",
            ) from error

    def network(self) -> Network:
        """The network that the architecture makes of the tensors. Raises InvalidInput where there
        is none.
        """
        if "architecture" not in self.metadata:
            raise InvalidInput(
                "the file does not say its architecture",
                value=f"{self.path} with {_some(self.names)}",
                remedy=f"save it with metadata={{'architecture': '{_EXAMPLE}'}}",
            )
        return network_of(self.json("architecture"), self.tensor)


def read(path: str | Path) -> Network:
    """Read the network of a .safetensors file with an `architecture` line in its metadata, at exact
    float values.

    Raises InvalidInput for a file that is missing, damaged or no safetensors, for a missing or
    wrong architecture, and for weights that do not fit or are not finite. Nothing is executed, and
    nothing is allocated that the file does not hold.

    >>> import json, tempfile, numpy, safetensors.numpy
    >>> line = {"blocks": [{"layers": [{"weight": "w", "activation": "ReLU"}]}]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     name = f"{folder}/net.safetensors"
    ...     metadata = {"architecture": json.dumps(line)}
    ...     safetensors.numpy.save_file({"w": numpy.eye(2)}, name, metadata)
    ...     read(name).widths
    (2,)
    """
    return read_file(path).network()


def write(path: str | Path, network: Network) -> Path:
    """Write a network to a .safetensors file from which :func:`read` makes an equal one.

    Tensors whose numbers all are float64 are stored as such. Of the others every number is stored
    as a fraction in text, so nothing is rounded. The file is whole or absent, and replaces one of
    the same name. Raises InvalidInput for another suffix and for a folder that is not there,
    Unsupported for a norm or an activation of one's own that is not known by name.

    >>> import tempfile
    >>> from exact.sources import tensors
    >>> from exact.sources.weight_files import read
    >>> third = tensors.mlp([([["1/3", 1]], [0])])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(read(write(f"{folder}/third.safetensors", third)) == third)
    True
    """
    target = Path(path)
    if target.suffix != SUFFIX:
        raise InvalidInput(
            "the name of a file of weights ends otherwise",
            value=target,
            remedy=f"end it in {SUFFIX}",
        )
    if target.is_dir() or target.is_symlink():
        raise InvalidInput(
            "a folder or a link stands where the weights are to go",
            value=target,
            remedy="give another name",
        )
    if not target.parent.is_dir():
        raise InvalidInput(
            "the folder of the file does not exist", value=target.parent, remedy="make it first"
        )
    write_atomically(target, packed(network))
    return target


def packed(network: Network) -> bytes:
    """The content of the file that :func:`write` writes; equal networks make equal bytes.

    >>> from exact.sources import tensors
    >>> b'"architecture"' in packed(tensors.mlp([([[1, 2]], [0])]))
    True
    """
    from safetensors.numpy import save

    line, arrays = architecture(network)
    held = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return save(held, {"architecture": json.dumps(line)})


def read_file(path: str | Path) -> WeightFile:
    """Open a .safetensors file. Raises InvalidInput where it is missing, damaged, truncated or
    something else.
    """
    import safetensors

    target = Path(path)
    if target.is_symlink():
        raise InvalidInput(
            "symbolic links are not followed",
            value=target,
            remedy=f"give {target.resolve()} itself",
        )
    if not target.is_file():
        raise InvalidInput(
            "there is no such file", value=target, remedy="give the path of a .safetensors file"
        )
    _refuse_long_header(target)

    def opened(framework: str) -> Any:
        return safetensors.safe_open(target, framework)

    try:
        file = opened("np")
        return WeightFile(target, tuple(file.keys()), dict(file.metadata() or {}), opened)
    except safetensors.SafetensorError as error:
        raise InvalidInput(
            "the file is damaged, or not in the safetensors format",
            value=f"{target}: {error}",
            remedy="write it again, or restore it",
        ) from error


def _refuse_long_header(path: Path) -> None:
    """The header's length stands in the first eight bytes; a file cannot hold more than it has."""
    with path.open("rb") as file:
        head = file.read(8)
    length, size = int.from_bytes(head, "little"), path.stat().st_size
    if len(head) < 8 or length > min(size - 8, _LONGEST_HEADER):
        raise InvalidInput(
            "the file is truncated, or not in the safetensors format",
            value=f"{path} of {size:,} bytes",
            remedy="write it again, or restore it",
        )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(name[:40] for name in sorted(names)[:4])
    return shown + (f", ... ({len(names)} tensors)" if len(names) > 4 else "")
