"""Soft alignment with global cycle consistency (Hadji et al. 2021), as AE2's code measures it.

Source: `dtw_consistency` of AE2 (Xue and Grauman 2023), whose constants these are.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from align.losses.pairs import Embeddings, Times, ViewTimes, in_order, ordered_view_pairs

# Divides similarities, and differences between ways through the table.
_TEMPERATURE = 0.1
_SMOOTHING = 0.1
# Weight of the costs of both alignments beside the consistency, and of the whole loss.
_COST_WEIGHT, _SCALE = 0.1, 0.01
# Cost of cells outside the table. A softmax gives them no weight at all.
_OUTSIDE = 1e8


def dtw_consistency(z: Embeddings, times: Times | ViewTimes) -> Float[Tensor, ""]:
    """Cost of the soft alignment of two views, and whether going there and back is consistent.

    Mean of `pair_consistency` over ordered pairs of views. As published, embeddings are not scaled
    to unit length.
    """
    z, _ = in_order(z, times)
    first, second = ordered_view_pairs(z.shape[1], z.device)
    return pair_consistency(z[:, first].flatten(0, 1), z[:, second].flatten(0, 1))


def pair_consistency(
    x: Float[Tensor, "pairs times dim"], y: Float[Tensor, "pairs times dim"]
) -> Float[Tensor, ""]:
    """The loss of pairs of sequences.

    The tables of accumulated costs of both directions, each a softmax over its rows, are multiplied
    to the way there and back, which should be the identity. As published, the product of two
    softmaxes is taken for logits.
    """
    there, back = alignment_table(x, y), alignment_table(y, x)
    logits = ((-there).softmax(dim=1) @ (-back).softmax(dim=1)).transpose(1, 2)
    own = torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
    consistency = F.cross_entropy(logits.flatten(0, 1), own.flatten(), label_smoothing=_SMOOTHING)
    cost = there[:, -1, -1].mean() + back[:, -1, -1].mean()
    return _SCALE * (consistency + _COST_WEIGHT * cost)


def alignment_table(
    x: Float[Tensor, "pairs rows dim"], y: Float[Tensor, "pairs cols dim"]
) -> Float[Tensor, "pairs rows cols"]:
    """Accumulated cost of aligning the first frames of x with the first frames of y.

    A cell costs the negative log of the softmax over x's frames of their products with y's frame.
    To it comes the mean of the cells left, diagonal and above, weighted by the softmax of their
    negatives. All cells of an anti-diagonal, of all pairs, are computed at once.
    """
    cost = -(x @ y.transpose(1, 2) / _TEMPERATURE).log_softmax(dim=1)
    pairs, rows, cols = cost.shape
    row = torch.arange(rows, device=cost.device)
    col = torch.arange(rows + cols - 1, device=cost.device)[:, None] - row
    inside = (col >= 0) & (col < cols)
    skewed = cost[:, row, col.clamp(0, cols - 1)].masked_fill(~inside, _OUTSIDE)
    # Slot i + 1 of a diagonal is row i; slot 0 lies outside.
    outside = cost.new_full((pairs, 1), _OUTSIDE)
    before = F.pad(outside, (0, rows), value=_OUTSIDE)
    diagonals = [torch.cat([outside, skewed[:, 0]], dim=1)]
    for diagonal, within in zip(skewed.unbind(dim=1)[1:], inside[1:], strict=True):
        last = diagonals[-1]
        reached = torch.stack([last[:, 1:], before[:, :-1], last[:, :-1]])
        expected = ((-reached / _TEMPERATURE).softmax(dim=0) * reached).sum(dim=0)
        cells = (diagonal + expected).where(within, outside)
        before = last
        diagonals.append(torch.cat([outside, cells], dim=1))
    table = torch.stack(diagonals, dim=1)[:, :, 1:]
    column = torch.arange(cols, device=cost.device)
    return table[:, row[:, None] + column, row[:, None]]
