"""What is asked of a network must be given one."""

from __future__ import annotations

from exact.errors import InvalidInput
from exact.networks.network import Network


def require_network(value: object) -> None:
    """Raise InvalidInput for what is no Network; what has one as its `gate` is told to give that.

    >>> try:
    ...     require_network("gpt2")
    ... except InvalidInput as failure:
    ...     print(failure)
    not a network; got str; read it first, see exact.sources (torch_modules.read, transformers.mlp)
    """
    if isinstance(value, Network):
        return
    remedy = "read it first, see exact.sources (torch_modules.read, transformers.mlp)"
    if isinstance(getattr(value, "gate", None), Network):
        remedy = "take its .gate: codes and crossings are the gate's"
    raise InvalidInput("not a network", value=type(value).__name__, remedy=remedy)
