"""Detects collapsed embeddings, which no longer distinguish the moments of an episode.

There are three kinds of collapse:

- point: all frames of a video have one embedding, or so nearly one that every frame finds the same
  nearest frame. The alignment error is about (l − 1) / (2 l) for episodes of l frames.
- chance: no information about time. The error is that of random matching, 1/3.
- line: embeddings vary along one or two dimensions (effective rank) and the error is high. With a
  low error this is no fault: a perfect clock is a line.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

log = logging.getLogger(__name__)

Kind = Literal["none", "point", "line", "chance"]

# Error of random matching, and how far below it an error still counts as chance: about three
# standard deviations of random matching in six pairs of views of 60 frames.
_CHANCE, _NEAR_CHANCE = 1 / 3, 0.035
# Below this spread, frames differ by little more than rounding, and their order means nothing.
_POINT_SPREAD = 1e-3
# Below this spread, an error this near to that of a single point also shows a point.
_NARROW_SPREAD, _NEAR_POINT = 0.1, 0.03
# An effective rank below 2 is a line. It is a fault only with a high error: a clock is a line too.
_LINE_RANK, _LINE_ERROR = 2.0, 0.25

_ADVICE: Mapping[Kind, str] = {
    "point": "all frames of a video have nearly the same embedding (the error is that of a single "
    "point). Try --head.whiten with --head.center, a loss that pushes frames apart (--loss.name "
    "contrastive), or a lower --optim.lr.",
    "line": "the embeddings vary along a line at most. Try --head.whiten, a lower "
    "--loss.temperature or a smaller --optim.weight-decay.",
    "chance": "matching is no better than random. Early in training that is usual. If it stays: "
    "train longer, keep --head.center on, lighten --batch.augment, try another --optim.lr, and "
    "look at the frames with python -m datasets.info. On views that training has not seen: "
    "--train-on episodes of sims.generate --random-cameras.",
}


@dataclass(frozen=True)
class Collapse:
    """Spread of embeddings, and whether they have collapsed.

    Attributes:
        kind: The kind of collapse, or none.
        effective_rank: Dimensions that a video's embeddings use around their mean, see
            `effective_rank`; mean over videos.
        spread: Root mean square distance of a video's embeddings from their mean, relative to
            their root mean square length; mean over videos. 1 where the head centres them.
        alignment_error: The error from which `kind` was decided.
        point_error: The error if all frames had one embedding, (l − 1) / (2 l).
    """

    kind: Kind
    effective_rank: float
    spread: float
    alignment_error: float
    point_error: float

    @property
    def message(self) -> str:
        """The problem and what to try; empty without a collapse."""
        if self.kind == "none":
            return ""
        # At chance, embeddings may differ from frame to frame, but not with time.
        what = "do not distinguish moments" if self.kind == "chance" else "have collapsed"
        return (
            f"embeddings {what} (alignment error {self.alignment_error:.3f}, a point has "
            f"{self.point_error:.3f}, random 0.333; effective rank {self.effective_rank:.1f}, "
            f"spread {self.spread:.3f}): {_ADVICE[self.kind]}"
        )


def effective_rank(z: Float[Tensor, "frames dim"]) -> float:
    """The entropy of the singular values' shares, exponentiated (Roy and Vetterli, 2007).

    1 for frames on a line, `dim` for an isotropic cloud, 0 where all frames are equal.
    """
    centred = z.double() - z.double().mean(dim=0)
    values = torch.linalg.svdvals(centred)
    # Equal frames differ by rounding, which must not count as a direction.
    if values[0] <= 1e-6 * z.double().norm():
        return 0.0
    shares = values / values.sum()
    return float(torch.special.entr(shares).sum().exp())


def spread(z: Float[Tensor, "frames dim"]) -> float:
    """Root mean square distance from the mean, relative to the root mean square length."""
    z = z.double()
    length = z.square().sum(dim=1).mean()
    if length == 0:
        return 0.0
    return float(((z - z.mean(dim=0)).square().sum(dim=1).mean() / length).sqrt())


def diagnose(
    episodes: Iterable[Mapping[str, Float[Tensor, "time dim"]]], alignment_error: float
) -> Collapse:
    """Detects a collapse in the embeddings of some episodes.

    Args:
        episodes: For each episode, view name to embeddings.
        alignment_error: Mean over these episodes and all pairs of views.
    """
    videos = [z for views in episodes for z in views.values()]
    if not videos:
        raise ValueError("no embeddings to diagnose.")
    rank = sum(map(effective_rank, videos)) / len(videos)
    wide = sum(map(spread, videos)) / len(videos)
    point = sum((len(z) - 1) / (2 * len(z)) for z in videos) / len(videos)
    kind = _kind(alignment_error, point, rank, wide)
    return Collapse(kind, rank, wide, alignment_error, point)


def _kind(error: float, point: float, rank: float, wide: float) -> Kind:
    if wide < _POINT_SPREAD or (wide < _NARROW_SPREAD and error > point - _NEAR_POINT):
        return "point"
    if rank < _LINE_RANK and error > _LINE_ERROR:
        return "line"
    return "chance" if error > _CHANCE - _NEAR_CHANCE else "none"


class CollapseWatch:
    """Logs one warning when validations in a row show a collapse, and again only after a recovery.

    A single validation does not warn, since the first ones of a network from scratch are often at
    chance.
    """

    def __init__(self, patience: int = 2) -> None:
        """Warns at the `patience`-th validation in a row that shows a collapse."""
        self.patience = patience
        self.in_a_row = 0

    def see(self, collapse: Collapse) -> None:
        """Counts one validation."""
        self.in_a_row = 0 if collapse.kind == "none" else self.in_a_row + 1
        if self.in_a_row == self.patience:
            log.warning("%s validations in a row: %s", self.patience, collapse.message)
