"""Which hinges are nearest by float64 with proved bounds, and where that is certain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exact.arithmetic.enclosures.late import torch
from exact.arithmetic.enclosures.roundoff import U
from exact.instruments.batches.hinges.hinge_rows import ROOM, Caps

if TYPE_CHECKING:
    from torch import Tensor
_FOLD = 3  # what folding angles beyond pi / 2 does to an error


@dataclass(frozen=True)
class Measured:
    """A chunk of B rows against m hinges in float64: what orders them, and what is read off later.

    `along` is cos phi, without a norm the signed distance; `cosine` and `sine` (m or B x m) are
    those of theta. `order` is within `loose` (B) plus `slack` (m or B x m) of what is increasing in
    the distance. `unknown` hinges are candidates everywhere, `without` have no boundary (m or B x
    m).
    """

    along: Tensor
    along_error: Tensor
    order: Tensor
    loose: Tensor
    slack: Tensor
    unknown: Tensor
    without: Tensor
    cosine: Tensor | None = None
    cosine_error: Tensor | None = None
    sine: Tensor | None = None
    sine_error: Tensor | None = None


def across_of(along: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
    """sin phi from cos phi, with errors: |sqrt a - sqrt b| <= |a - b| / sqrt a, and <= sqrt |a -
    b|.
    """
    square = torch.addcmul(torch.ones_like(along), along, along, value=-1.0).clamp(min=0)
    loose, across = 2 * ROOM * error + 4 * U, square.sqrt()
    return across, torch.minimum(loose.sqrt(), loose / across) * ROOM + 2 * U


def on_sphere(
    along: Tensor, loose: Tensor, cap: Caps, unknown: Tensor, without: Tensor
) -> Measured:
    """Order hinges by |phi - theta|: by |sin(phi - theta)| up to pi / 2, and beyond by 2 minus
    that.
    """
    sine = torch.addcmul(
        torch.ones((), dtype=along.dtype, device=along.device), along, along, value=-1.0
    )
    sine = sine.clamp_(min=0).sqrt_()
    least = sine.amin(dim=1)
    widest = 2 * ROOM * loose + 4 * U
    across = torch.minimum(widest.sqrt(), widest / least) * ROOM + 2 * U
    order = sine * cap.cosine
    order.addcmul_(along, cap.sine, value=-1.0).abs_()
    steepest = float(cap.cosine.abs().amax()) if cap.cosine.numel() else 0.0
    flattest = float(cap.sine.amin()) if cap.sine.numel() else 1.0
    # cos(phi - theta) < 0 needs both angles close to opposite poles
    if not float(along.abs().amax()) * steepest < float(least.amin()) * flattest:
        backwards = torch.addcmul(along * cap.cosine, sine, cap.sine) < 0
        order = torch.where(backwards, 2.0 - order, order)
    error = (loose + across + 8 * U) * _FOLD
    slack = (cap.cosine_error + cap.sine_error) * _FOLD * ROOM
    return Measured(
        along,
        loose[:, None].expand_as(along),
        order,
        error,
        slack,
        unknown,
        without,
        cap.cosine,
        cap.cosine_error,
        cap.sine,
        cap.sine_error,
    )


def _lower(measured: Measured, rows: slice) -> Tensor:
    """What is increasing in the distance, at least, but for `loose`; infinite where the hinge has
    no boundary or nothing is known.
    """
    slack = measured.slack if measured.slack.ndim == 1 else measured.slack[rows]
    return measured.order[rows] - slack


def _masked(mask: Tensor, rows: slice) -> Tensor:
    return mask if mask.ndim == 1 else mask[rows]


def candidates(measured: Measured, k: int, rows: slice) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Which hinges may be among the k nearest (B x m), the k that are least by `lower`, their
    `lower` and upper bounds.
    """
    lower = _lower(measured, rows)
    unknown, without = _masked(measured.unknown, rows), _masked(measured.without, rows)
    hidden = unknown | without
    if bool(hidden.any()):
        lower = lower.masked_fill(hidden, torch.inf)
    slack = measured.slack if measured.slack.ndim == 1 else measured.slack[rows]
    some = min(k, lower.shape[1])
    if some == 1:
        least, index = lower.min(dim=1, keepdim=True)
    else:
        least, index = torch.topk(lower, some, dim=1, largest=False)
    wide = slack.expand(len(lower), -1) if slack.ndim == 1 else slack
    loose = measured.loose[rows, None]
    upper = least + 2 * (wide.gather(1, index) + loose) * ROOM
    limit = upper.amax(dim=1, keepdim=True)
    chosen = ~(lower > limit)
    if bool(hidden.any()):
        chosen = (chosen | unknown) & ~without
    return chosen, index, least, upper


def picked_of(measured: Measured, k: int) -> tuple[Tensor, Tensor]:
    """The k nearest hinges of every row (B x k, -1 where there is none), and whether that is
    certain (B).
    """
    chosen, index, least, upper = candidates(measured, k, slice(None))
    exists = least < torch.inf
    sure = chosen.sum(dim=1) == exists.sum(dim=1)
    apart = (upper[:, :-1] < least[:, 1:]) | ~exists[:, 1:]
    sure &= apart.all(dim=1) & (upper.isfinite() | ~exists).all(dim=1)
    picked = torch.where(exists, index, -1)
    missing = k - picked.shape[1]
    if missing > 0:
        picked = torch.nn.functional.pad(picked, (0, missing), value=-1)
    return picked, sure
