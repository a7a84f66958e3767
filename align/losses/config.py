"""Options of all losses; nothing heavy is imported here, so `--help` does not wait for torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from datasets.bounds import NaturalInt, NonNegativeFloat, PositiveFloat

LossName = Literal[
    "contrastive",
    "n_pairs",
    "margin_triplet",
    "single_view_triplet",
    "published_triplet",
    "tcc",
    "soft_dtw",
    "time_reversed",
    "dtw_consistency",
    "vava",
]
# The losses that compare no moment of one view with the same moment of another, so that the views
# may be videos of different executions of a task.
UNPAIRED_LOSSES: tuple[LossName, ...] = (
    "single_view_triplet",
    "tcc",
    "soft_dtw",
    "time_reversed",
    "dtw_consistency",
    "vava",
)
PoseReduction = Literal["mean", "patch_sum"]


@dataclass(frozen=True)
class TccConfig:
    """Cycle-back regression."""

    # The authors use 0.1 and divide distances by the width too. With 0.1 alone, returns are so
    # certain from the start that training from scratch fails.
    temperature: PositiveFloat = 0.5
    """Divisor of the squared distances of unit vectors in both soft searches."""
    variance_weight: NonNegativeFloat = 0.001
    """Weight of the logarithm of the standard deviation of the moment returned to."""


@dataclass(frozen=True)
class SoftDtwConfig:
    """LAV's loss: soft-DTW between views, a contrastive regulariser within each."""

    gamma: PositiveFloat = 0.1
    """Softness of the minimum over paths."""
    regularizer: NonNegativeFloat = 1.0
    """Weight of the regulariser."""
    margin: NonNegativeFloat = 2.0
    """Distance that far frames of a view should have at least; on a sphere, opposite ones."""


@dataclass(frozen=True)
class TimeReversedConfig:
    """Contrastive soft-DTW with time-reversed negatives."""

    gamma: PositiveFloat = 0.1
    """Softness of the minimum over paths."""
    temperature: PositiveFloat = 0.1
    """Divides the cosine similarities."""
    weight: NonNegativeFloat = 1.0
    """Weight of the hinge that compares with the reversed view."""
    margin: NonNegativeFloat = 0.0
    """Least difference, per frame, between the cost of the reversed view and that of the view."""


@dataclass(frozen=True)
class LossConfig:
    """Which loss, and its constants; each constant names the losses that read it."""

    name: LossName = "contrastive"
    """contrastive (this project's), n_pairs and *_triplet (TCN's, 3DTRL's), or sequence losses."""
    # The published windows: 3 for pick and minecraft, 2 for the others. single_view_triplet doubles
    # it.
    window: NaturalInt = 0
    """Time steps around an anchor without negatives; 0: the published one of the world."""
    temperature: PositiveFloat = 0.1
    """contrastive, n_pairs: divides the similarities; 1 in TCN's n-pairs, see `TcnConfig.loss`."""
    sigma: PositiveFloat = 1.0
    """contrastive: width in time steps of the positives' Gaussian; 0: the same time only."""
    margin: NonNegativeFloat = 0.2
    """margin_triplet, single_view_triplet: margin between squared distances of unit vectors."""
    published_margin: NonNegativeFloat = 30.0
    """published_triplet: margin between sums of squared distances."""
    # It has no effect on unit vectors; TCN's n-pairs embeddings have other lengths.
    l2: NonNegativeFloat = 0.0005
    """n_pairs: weight of the embeddings' squared norm."""
    tcc: TccConfig = field(default_factory=TccConfig)
    soft_dtw: SoftDtwConfig = field(default_factory=SoftDtwConfig)
    time_reversed: TimeReversedConfig = field(default_factory=TimeReversedConfig)

    @property
    def negatives_from(self) -> int:
        """Largest gap in time steps that is no negative; an episode must have larger ones."""
        return 2 * self.window if self.name == "single_view_triplet" else self.window
