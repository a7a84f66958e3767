"""Options of all losses; nothing heavy is imported here, so `--help` does not wait for torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

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
PoseReduction = Literal["mean", "patch_sum"]


@dataclass(frozen=True)
class TccConfig:
    """Cycle-back regression."""

    temperature: float = 0.5
    """Divides the squared distances of unit vectors in both soft searches. At the 0.1 of the
    authors, whose distances are divided by the width too, returns are so sure from the start that
    training from scratch goes astray."""
    variance_weight: float = 0.001
    """Weight of the logarithm of the standard deviation of the moment returned to."""


@dataclass(frozen=True)
class SoftDtwConfig:
    """LAV's loss: soft-DTW between views, a contrastive regulariser within each."""

    gamma: float = 0.1
    """Softness of the minimum over paths."""
    regularizer: float = 1.0
    """Weight of the regulariser."""
    margin: float = 2.0
    """Distance that far frames of a view should have at least; on a sphere, opposite ones."""


@dataclass(frozen=True)
class TimeReversedConfig:
    """Contrastive soft-DTW with time-reversed negatives."""

    gamma: float = 0.1
    """Softness of the minimum over paths."""
    temperature: float = 0.1
    """Divides the cosine similarities."""
    weight: float = 1.0
    """Weight of the hinge that compares with the reversed view."""
    margin: float = 0.0
    """Least difference, per frame, between the cost of the reversed view and that of the view."""


@dataclass(frozen=True)
class LossConfig:
    """Which loss, and its constants; each constant names the losses that read it."""

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
    """margin_triplet, single_view_triplet: margin between squared distances of unit vectors."""
    published_margin: float = 30.0
    """published_triplet: margin between sums of squared distances."""
    l2: float = 0.0005
    """n_pairs: weight of the embeddings' squared norm. It has no effect on unit vectors, which
    those of TCN's n-pairs are not, see `TcnConfig.loss`."""
    tcc: TccConfig = field(default_factory=TccConfig)
    soft_dtw: SoftDtwConfig = field(default_factory=SoftDtwConfig)
    time_reversed: TimeReversedConfig = field(default_factory=TimeReversedConfig)

    @property
    def negatives_from(self) -> int:
        """Largest gap in time steps that is no negative; an episode must have larger ones."""
        return 2 * self.window if self.name == "single_view_triplet" else self.window
