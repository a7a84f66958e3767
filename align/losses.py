"""Time-contrastive losses over the frames of a step, each frame embedded once.

Every loss takes the embeddings z (episodes, views, times, dim) of synchronized views and the time
step of each column, times (episodes, times). Frames of one episode at most `window` time steps
apart count as near, all others as far; frames of different episodes are never compared, since
nothing says which of their moments correspond.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from typing_extensions import assert_never

from align.soft_dtw import SoftDtwConfig, lav
from align.step import Embeddings, Times, mean_where, ordered_view_pairs, time_gaps
from align.tcc import TccConfig, tcc
from align.time_reversed import TimeReversedConfig, time_reversed

LossName = Literal[
    "contrastive",
    "n_pairs",
    "margin_triplet",
    "single_view_triplet",
    "published_triplet",
    "tcc",
    "soft_dtw",
    "time_reversed",
]


@dataclass(frozen=True)
class LossConfig:
    """Which loss, and its constants; each constant concerns the losses named in its line."""

    name: LossName = "contrastive"
    """contrastive: soft multi-positive; n_pairs, margin_triplet and single_view_triplet: TCN's;
    published_triplet: the recipe of 3DTRL; tcc: cycle-back regression; soft_dtw: LAV's;
    time_reversed: AE2's."""
    window: int = 0
    """Time steps around an anchor within which frames are not negatives; twice as many for
    single_view_triplet. 0 takes the published one of the data set's environment: 3 for pick and
    minecraft, 2 for the others."""
    temperature: float = 0.1
    """contrastive, n_pairs: divides the similarities; 1 in TCN's n-pairs, see `TcnConfig.loss`."""
    sigma: float = 1.0
    """contrastive: width in time steps of the Gaussian that spreads the positives; 0 takes only
    the same time in the other views."""
    margin: float = 0.2
    """margin_triplet, single_view_triplet."""
    published_margin: float = 30.0
    """published_triplet."""
    l2: float = 0.0005
    """n_pairs: weight of the embeddings' squared norm; does nothing to unit vectors, which those of
    TCN's n-pairs are not, see `TcnConfig.loss`."""
    tcc: TccConfig = field(default_factory=TccConfig)
    soft_dtw: SoftDtwConfig = field(default_factory=SoftDtwConfig)
    time_reversed: TimeReversedConfig = field(default_factory=TimeReversedConfig)

    @property
    def negatives_from(self) -> int:
        """Frames more than so many time steps apart are negatives; an episode must have some."""
        return 2 * self.window if self.name == "single_view_triplet" else self.window


def build_loss(config: LossConfig) -> Callable[[Embeddings, Times], Float[Tensor, ""]]:
    """The loss that a configuration names, as a function of embeddings and times.

    Raises:
        ValueError: When the window is not a positive number of time steps.
    """
    if config.window < 1:
        raise ValueError(f"a loss needs a window of 1 time step or more, not {config.window}")
    match config.name:
        case "contrastive":
            return lambda z, times: contrastive(
                z, times, config.window, config.temperature, config.sigma
            )
        case "n_pairs":
            return lambda z, times: n_pairs(z, times, config.window, config.temperature, config.l2)
        case "margin_triplet":
            return lambda z, times: margin_triplet(z, times, config.window, config.margin)
        case "single_view_triplet":
            return lambda z, times: single_view_triplet(z, times, config.window, config.margin)
        case "published_triplet":
            return lambda z, times: published_triplet(
                z, times, config.window, config.published_margin
            )
        case "tcc":
            return lambda z, times: tcc(z, times, config.tcc)
        case "soft_dtw":
            return lambda z, times: lav(z, times, config.window, config.soft_dtw)
        case "time_reversed":
            return lambda z, times: time_reversed(z, times, config.time_reversed)
        case _:
            assert_never(config.name)


def contrastive(
    z: Embeddings, times: Times, window: int, temperature: float, sigma: float
) -> Float[Tensor, ""]:
    """Soft multi-positive contrastive loss over every ordered pair of views.

    Cross-entropy between the softmax of a frame's cosine similarities to the frames of one other
    view and a Gaussian of their distance in time, cut off at the window (after CARL's sequence
    contrastive loss). Each softmax stays within one view, as the search for the nearest frame does
    in evaluation: what all frames of a view share cancels, so a network at initialisation, whose
    embeddings tell views apart and little else, is not first asked to forget the view.
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

    Cross-entropy of each frame's similarities to the frames of one other view, the same time being
    the class; frames of that view within the window of it are left out. TCN's own has temperature 1
    and embeddings that are no unit vectors.
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

    The positive is the same time in the other view; the negative is, of the frames of that view
    outside the window, the nearest that is still farther than the positive, or the farthest.
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
    z: Embeddings, times: Times, window: int, margin: float
) -> Float[Tensor, ""]:
    """Single-view TCN on unit vectors: the views of a step count as so many videos.

    Positives lie within the window of an anchor, negatives beyond twice the window, in the same
    view; averaged over all such triplets of the step.
    """
    z = F.normalize(z, dim=-1)
    squared = 2 - 2 * z @ z.transpose(-1, -2)
    gap = time_gaps(times)
    near, far = (gap > 0) & (gap <= window), gap > 2 * window
    # (episodes, views, anchor, positive, 1) against (…, anchor, 1, negative).
    hinge = F.relu(squared[..., :, None] - squared[..., None, :] + margin)
    triplets = near[:, None, :, :, None] & far[:, None, :, None, :]
    return mean_where(hinge, triplets.expand_as(hinge))


def published_triplet(z: Embeddings, times: Times, window: int, margin: float) -> Float[Tensor, ""]:
    """The triplet of the published recipe (3DTRL) as intended; its code takes p2, n2 from view 1.

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


def count_triplets(times: Times, views: int, window: int) -> int:
    """Number of (pair of views, anchor, positive, negative) that a step's frames make."""
    gap = time_gaps(times)
    near = ((gap > 0) & (gap <= window)).sum(-1)
    far = (gap > window).sum(-1)
    return int((near * far).sum()) * views * (views - 1) // 2
