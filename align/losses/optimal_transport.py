"""VAVA (Liu et al. 2022): alignment by optimal transport with priors on it, as AE2's code has it.

Source: `vava` of AE2 (Xue and Grauman 2023), whose constants these are.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from align.losses.pairs import Embeddings, Times, ViewTimes, in_order, ordered_view_pairs

# Frames of a sequence farther apart than this should differ by the margin, nearer ones be alike.
_NEAR, _MARGIN = 15, 2.0
# Distance of any frame to the virtual frame, which takes those without a match.
_VIRTUAL = 0.5
# Distance in time from the diagonal that a virtual match counts as, times the frames of both.
_VIRTUAL_GAP = 15.0
# Width of the prior's Gaussian, in frames.
_WIDTH = 2.0
# Softness of the transport, for sequences of n and m frames: times n m / 4.
_ENTROPY = 0.1
_SINKHORN_STEPS = 20
# The share of the prior on the diagonal shrinks with the root of the step, within these bounds.
_DECAY, _LEAST_SHARE = 0.999, 0.001
_LEAST, _MOST = 1e-15, 1e20
_ORDERING_WEIGHT, _ORDERING_SCALE = 1e-4, 2.0


def vava(z: Embeddings, times: Times | ViewTimes, step: int) -> Float[Tensor, ""]:
    """Mean of `pair_vava` over ordered pairs of views.

    As published, embeddings are not scaled to unit length, and distances in time are counted in
    drawn moments.

    Args:
        z: Embeddings.
        times: Time steps, by which moments are put in order.
        step: The training's step, from 0.
    """
    z, _ = in_order(z, times)
    first, second = ordered_view_pairs(z.shape[1], z.device)
    return pair_vava(z[:, first].flatten(0, 1), z[:, second].flatten(0, 1), step).mean()


def pair_vava(
    x: Float[Tensor, "pairs times dim"], y: Float[Tensor, "pairs times dim"], step: int
) -> Float[Tensor, " pairs"]:
    """The loss of each pair of sequences of one length.

    It is the cost of the transport, what each sequence lacks of being smooth, and the ordering of
    best and worst matches. As published, the last one has no gradient, and the cost is divided by
    the lengths twice.
    """
    cost, moved = transport(x, y, step)
    smooth = (_unsmooth(x) + _unsmooth(y)) / 2
    per_pair = cost / (x.shape[1] * y.shape[1])
    return smooth + per_pair + _ORDERING_WEIGHT * _ordering(x, y, moved).detach()


def transport(
    x: Float[Tensor, "pairs n dim"], y: Float[Tensor, "pairs m dim"], step: int
) -> tuple[Float[Tensor, " pairs"], Float[Tensor, "pairs n_virtual m_virtual"]]:
    """Cost of the transport of x to y, each with a virtual frame first, and kernel times distance.

    Sinkhorn's steps have uniform margins. The kernel is the prior `_priors` of a match times the
    exponential of its regulariser less its distance.
    """
    n, m = x.shape[1], y.shape[1]
    distance = torch.nn.functional.pad(_squared(x, y), (1, 0, 1, 0), value=_VIRTUAL)
    prior, bonus = _priors(x, y, step)
    kernel = prior * ((bonus - distance) / (_ENTROPY * n * m / 4)).exp()
    kernel = kernel.clamp(_LEAST, _MOST)
    back = kernel.transpose(1, 2)
    u = x.new_full((len(x), n + 1, 1), 1 / (n + 1))
    for _ in range(_SINKHORN_STEPS):
        u = 1 / ((n + 1) * kernel @ (1 / (m + 1) / (back @ u)))
    v = 1 / (m + 1) / (back @ u)
    u = 1 / ((n + 1) * kernel @ v)
    moved = kernel * distance
    return (u * (moved @ v)).sum(dim=(1, 2)) / ((n + 1) * (m + 1)), moved


def _priors(
    x: Float[Tensor, "pairs n dim"], y: Float[Tensor, "pairs m dim"], step: int
) -> tuple[Float[Tensor, "pairs rows cols"], Float[Tensor, "pairs rows cols"]]:
    """The prior of each match, and its regulariser.

    Both mix the distance from the diagonal with that from the nearest frame, in relative time; the
    first one's share shrinks during training. The virtual frame has the index 1.
    """
    rows, cols = x.shape[1] + 1, y.shape[1] + 1
    share = min(max(_DECAY ** math.isqrt(step + 1), _LEAST_SHARE), _DECAY)
    i = torch.arange(1, rows + 1, device=x.device, dtype=x.dtype)[:, None] / rows
    j = torch.arange(1, cols + 1, device=x.device, dtype=x.dtype) / cols
    nearest = torch.nn.functional.pad(_nearest(x, y) + 1, (1, 0), value=1)
    diagonal, match = (i - j).square(), (j - nearest[..., None] / cols).square()
    gap = torch.full_like(diagonal, (_VIRTUAL_GAP / (rows + cols)) ** 2)
    virtual = (torch.arange(rows, device=x.device)[:, None] == 0) ^ (
        torch.arange(cols, device=x.device) == 0
    )
    unit = 1 / rows**2 + 1 / cols**2
    weight = x.shape[1] + y.shape[1]

    def prior(squared: Tensor) -> Tensor:
        return (-squared / unit / (2 * _WIDTH**2)).exp() / (_WIDTH * math.sqrt(2 * math.pi))

    def bonus(squared: Tensor) -> Tensor:
        return weight / (squared + 1)

    return tuple(  # type: ignore[return-value]
        (share * of(diagonal) + (1 - share) * of(match)).where(~virtual, of(gap))
        for of in (prior, bonus)
    )


def _nearest(
    x: Float[Tensor, "pairs n dim"], y: Float[Tensor, "pairs m dim"]
) -> Int64[Tensor, "pairs n"]:
    return _squared(x, y).argmin(dim=2)


def _unsmooth(x: Float[Tensor, "pairs times dim"]) -> Float[Tensor, " pairs"]:
    """The mean of two costs: near frames' difference, and far frames' lack of the margin."""
    index = torch.arange(x.shape[1], device=x.device)
    gap = (index[:, None] - index).abs()
    difference = _squared(x, x) / x.shape[2]
    far = (_MARGIN - difference).clamp(min=0)
    return far.where(gap > _NEAR, difference / (gap.square() + 1)).mean(dim=(1, 2))


def _ordering(
    x: Float[Tensor, "pairs times dim"],
    y: Float[Tensor, "pairs times dim"],
    moved: Float[Tensor, "pairs n_virtual m_virtual"],
) -> Float[Tensor, " pairs"]:
    """Cross-entropy of fixed logits (0, 1) with the mean distances of best and worst matches."""
    real = moved[:, 1:, 1:]
    logs = torch.tensor([0.0, 1.0], dtype=x.dtype, device=x.device).log_softmax(dim=0)
    matches = (real.argmax(dim=2), real.argmax(dim=1)), (real.argmin(dim=2), real.argmin(dim=1))
    distances = [
        _ORDERING_SCALE * (_to(x, y, of_x) + _to(y, x, of_y)).mean(dim=(1, 2))
        for of_x, of_y in matches
    ]
    return -(distances[0] * logs[0] + distances[1] * logs[1])


def _to(x: Tensor, y: Tensor, match: Int64[Tensor, "pairs times"]) -> Tensor:
    """Squared differences of each frame of x and its match in y."""
    return (x - y.gather(1, match[..., None].expand_as(x))).square()


def _squared(
    x: Float[Tensor, "pairs n dim"], y: Float[Tensor, "pairs m dim"]
) -> Float[Tensor, "pairs n m"]:
    return (x[:, :, None] - y[:, None]).square().sum(dim=3)
