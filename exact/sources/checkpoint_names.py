"""The names of tensors in checkpoints, without what wrappers write in front of them."""

from __future__ import annotations

from collections.abc import Iterable

from exact.errors import InvalidInput

# DataParallel, DistributedDataParallel and averaged models; adapters
_IN_FRONT = ("module.", "base_model.model.")
# compiled, sharded, recomputed modules
_ANYWHERE = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")


def bare(name: str) -> str:
    """The name that the tensor has in the model inside its wrappers.

    >>> bare("module._orig_mod.transformer.h.0.ln_2.weight")
    'transformer.h.0.ln_2.weight'
    """
    for wrapper in _ANYWHERE:
        name = name.replace(wrapper, "")
    for wrapper in _IN_FRONT:
        if name.startswith(wrapper):
            return bare(name.removeprefix(wrapper))
    return name


def stored_names(names: Iterable[str]) -> dict[str, str]:
    """Bare names -> the names that are stored. Raises InvalidInput where two tensors have one bare
    name.
    """
    found: dict[str, str] = {}
    for name in names:
        first = found.setdefault(bare(name), name)
        if first != name:
            raise InvalidInput(
                "two tensors of the checkpoint have one name behind their prefixes",
                value=f"{first}, {name}",
                remedy="save the state dict of the model inside the wrapper alone",
            )
    return found
