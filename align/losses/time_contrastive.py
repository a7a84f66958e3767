"""Time-contrastive losses over the frames of a step, each frame embedded once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from align.losses.pairs import (
    Embeddings,
    Times,
    ViewTimes,
    mean_where,
    ordered_view_pairs,
    time_gaps,
    times_of_views,
)


def contrastive(
    z: Embeddings, times: Times, window: int, temperature: float, sigma: float
) -> Float[Tensor, ""]:
    """Soft multi-positive contrastive loss over every ordered pair of views.

    Cross-entropy between the softmax of a frame's cosine similarities to the frames of one other
    view and a Gaussian of their distance in time, cut off at the window (after CARL's sequence
    contrastive loss). Each softmax stays within one view, as the search for the nearest frame does
    in evaluation. A part that all frames of a view share therefore cancels: embeddings at
    initialisation differ mostly by view, and training need not remove that first.
    """
    z = F.normalize(z, dim=-1)
    similarity = torch.einsum("eitd,ejsd->eijts", z, z) / temperature
    gap = time_gaps(times)
    target = torch.exp(-0.5 * (gap / sigma).square()) if sigma > 0 else (gap == 0).float()
    target = target.masked_fill(gap > window, 0)
    target = (target / target.sum(-1, keepdim=True)).to(similarity.dtype)
    i, j = ordered_view_pairs(z.shape[1], z.device)
    log_probability = similarity[:, i, j].log_softmax(dim=-1)
    return -(target[:, None] * log_probability).sum(-1).mean()


def n_pairs(
    z: Embeddings, times: Times, window: int, temperature: float, l2: float
) -> Float[Tensor, ""]:
    """TCN's n-pairs loss over every ordered pair of views.

    Cross-entropy of each frame's similarities to the frames of one other view, where the same time
    is the class; frames of that view within the window are left out. As published, the temperature
    is 1 and embeddings are not scaled to unit length.
    """
    similarity = torch.einsum("eitd,ejsd->eijts", z, z) / temperature
    gap = time_gaps(times)
    left_out = (gap > 0) & (gap <= window)
    similarity = similarity.masked_fill(left_out[:, None, None], -torch.inf)
    i, j = ordered_view_pairs(z.shape[1], z.device)
    log_probability = similarity[:, i, j].log_softmax(dim=-1)
    same_time = log_probability.diagonal(dim1=-2, dim2=-1)
    return -same_time.mean() + l2 * z.square().sum(-1).mean()


def margin_triplet(z: Embeddings, times: Times, window: int, margin: float) -> Float[Tensor, ""]:
    """TCN's triplet loss with semi-hard negatives on unit vectors, over ordered pairs of views.

    The positive is the same time in the other view. The negative is a frame of that view outside
    the window: the nearest that is farther than the positive, or the farthest if none is.
    """
    z = F.normalize(z, dim=-1)
    squared = 2 - 2 * torch.einsum("eitd,ejsd->eijts", z, z)
    i, j = ordered_view_pairs(z.shape[1], z.device)
    squared = squared[:, i, j]
    positive = squared.diagonal(dim1=-2, dim2=-1)
    far = (time_gaps(times) > window)[:, None].expand_as(squared)
    semi_hard = far & (squared > positive[..., None])
    nearest_semi_hard = squared.masked_fill(~semi_hard, torch.inf).amin(-1)
    farthest = squared.masked_fill(~far, -torch.inf).amax(-1)
    negative = torch.where(semi_hard.any(-1), nearest_semi_hard, farthest)
    return mean_where(F.relu(positive - negative + margin), far.any(-1))


def single_view_triplet(
    z: Embeddings, times: Times | ViewTimes, window: int, margin: float
) -> Float[Tensor, ""]:
    """Single-view TCN on unit vectors: each view of a step counts as a separate video.

    Positives lie within the window of an anchor, negatives beyond twice the window, in the same
    view; averaged over all such triplets of the step.
    """
    z = F.normalize(z, dim=-1)
    squared = 2 - 2 * z @ z.transpose(-1, -2)
    gap = time_gaps(times_of_views(times, z.shape[1]))
    near, far = (gap > 0) & (gap <= window), gap > 2 * window
    # (episodes, views, anchor, positive, 1) against (…, anchor, 1, negative).
    hinge = F.relu(squared[..., :, None] - squared[..., None, :] + margin)
    return mean_where(hinge, near[..., :, None] & far[..., None, :])


def published_triplet(z: Embeddings, times: Times, window: int, margin: float) -> Float[Tensor, ""]:
    """The triplet loss of the published recipe (3DTRL), as intended.

    The published code takes p2 and n2 from view 1 by mistake; here they are from view 2.

    For two views 1 and 2 and every anchor a, positive p (within the window, not a) and negative n
    (outside): all six squared distances between a1, a2, p1, p2 pull, the four between a and n
    push, above `margin`. Averaged over all such triplets of all pairs of views of the step.
    """
    views = z.shape[1]
    gap = time_gaps(times)
    near = (gap > 0) & (gap <= window)
    far = gap > window
    flat = rearrange(z, "e v t d -> e (v t) d")
    norm = flat.square().sum(-1)
    squared = norm[:, :, None] + norm[:, None, :] - 2 * flat @ flat.transpose(1, 2)
    squared = rearrange(squared, "e (v t) (w s) -> e v w t s", v=views, w=views)
    i, j = torch.triu_indices(views, views, offset=1, device=z.device)
    within1, within2, across, back = (
        squared[:, first, second] for first, second in ((i, i), (j, j), (i, j), (j, i))
    )
    same_time = across.diagonal(dim1=-2, dim2=-1)
    # pull depends on (a, p), push on (a, n): (episodes, pairs, a, p, 1) against (…, a, 1, n).
    pull = same_time[..., :, None] + same_time[..., None, :] + within1 + within2 + across + back
    push = within1 + within2 + across + back
    hinge = F.relu(pull[..., None] - push[..., None, :] + margin)
    triplets = near[:, None, :, :, None] & far[:, None, :, None, :]
    return mean_where(hinge, triplets.expand_as(hinge))
