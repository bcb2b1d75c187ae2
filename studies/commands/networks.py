"""The network that `steer` and `codes` ask: of a run, or the MLP of one layer of a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from exact import GatedMLP, InvalidInput, Network
from exact.sources import checkpoint_folders, transformers
from studies.commands.job import JobOptions, open_run

GATE = "a gated MLP: its gate decides the codes, and is what is asked"


@dataclass(frozen=True)
class Asked:
    """A network, what it is called, and how many blocks and hidden layers of the whole stand in
    front of it.
    """

    label: str
    network: Network
    blocks_before: int = 0
    layers_before: int = 0


def mlp_network(model: str | Path, layer: int) -> tuple[Network, bool]:
    """The MLP of a layer behind its norm, or its gate's network, and whether it is gated."""
    found = transformers.mlp(model, layer)
    return (found.gate, True) if isinstance(found, GatedMLP) else (found, False)


def asked(target: str, root: Path, layer: int | None, relu_ised: bool) -> Asked:
    """The network behind a target: a model folder, or (with a layer) a hub name; else a run.

    `layer` is that in front of whose MLP (from 0), or of whose hidden layer in a run (from 1), the
    vectors stand.
    """
    if _is_model(target, root, layer):
        return _of_model(target, layer, relu_ised)
    opened = open_run(JobOptions(target, root, None, relu_ised=relu_ised))
    if layer is None:
        return Asked(opened.label(), opened.network)
    behind = opened.network.from_layer(layer)
    before = len(opened.network.blocks) - len(behind.blocks)
    return Asked(f"{opened.label()}, from hidden layer {layer} on", behind, before, layer - 1)


def _is_model(target: str, root: Path, layer: int | None) -> bool:
    if (Path(target) / "config.json").is_file():
        return True
    return layer is not None and not Path(target).exists() and not (root / target).exists()


def _of_model(target: str, layer: int | None, relu_ised: bool) -> Asked:
    folder = checkpoint_folders.folder(target)
    if layer is None:
        raise InvalidInput(
            "a model has an MLP in every layer",
            value=target,
            remedy=f"give --layer 0 .. {transformers.layer_count(folder) - 1}",
        )
    network, gated = mlp_network(folder, layer)
    label = f"{target}, layer {layer}: {network.input_dim} -> {network.hinge_count}"
    network = network.relu_ised() if relu_ised else network
    return Asked(f"{label} ({GATE})" if gated else label, network, layer)
