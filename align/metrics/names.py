"""Titles of an evaluation's metrics in tables, in groups that are shown together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

METRIC_TITLES = {
    "alignment_error": "alignment error",
    "cycle_error": "cycle error",
    "kendalls_tau": "Kendall's τ (3DTRL)",
    "kendalls_tau_b": "Kendall's τ-b",
}
_PHASE_TITLES = {
    "phase_f1": "phase F1",
    "phase_f1_50": "phase F1, half the labels",
    "phase_f1_10": "phase F1, a tenth of them",
    "phase_r2": "progression R²",
    "ap5": "AP@5",
    "ap10": "AP@10",
    "ap15": "AP@15",
}


@dataclass(frozen=True)
class MetricGroup:
    """Metrics that are shown together.

    Attributes:
        title: Heading of the group.
        metrics: Name to short title.
        note: Explanation for the reader.
    """

    title: str
    metrics: Mapping[str, str]
    note: str


_DIRECTIONS = {"": "", "_ego_to_exo": ", ego to exo", "_exo_to_ego": ", exo to ego"}
_UNPAIRED_TITLES = {
    **{f"unpaired_f1{name}": f"phase F1{title}" for name, title in _DIRECTIONS.items()},
    **{f"unpaired_ap10{name}": f"AP@10{title}" for name, title in _DIRECTIONS.items()},
    "unpaired_r2": "progression R²",
    "unpaired_tau": "Kendall's τ-b between videos",
}

GROUPS = (
    MetricGroup("Alignment", METRIC_TITLES, "By the nearest frame, for every pair of views."),
    MetricGroup(
        "Alignment error by kinds of views",
        {
            "alignment_error": "all pairs",
            "alignment_error_ego": "with the first-person view",
            "alignment_error_third": "among third-person views",
        },
        "Lower is better.",
    ),
    MetricGroup(
        "Alignment error by decoding",
        {
            "alignment_error": "nearest frame",
            "alignment_error_motion": "nearest in motion",
            "alignment_error_dtw": "monotone (DTW)",
            "alignment_error_window": "centred window",
        },
        "Lower is better. In motion, a frame's embedding is smoothed over time and joined by its "
        "change from before to after. DTW pairs first with first and last with last frames and "
        "never goes back; the window only holds frames within a tenth of the episode of the "
        "frame's own relative time. These two use that both views are equally long, so random "
        "embeddings do well too: compare with the last row, not across columns.",
    ),
    MetricGroup(
        "Phases of the task within a view",
        _PHASE_TITLES,
        "Learned from labelled training episodes of a view, tested in the same view of test "
        "episodes; retrieval searches the other test episodes. Higher is better.",
    ),
    MetricGroup(
        "Phases of the task across views",
        {f"across_{name}": title for name, title in _PHASE_TITLES.items()},
        "Learned from one view, tested in another; mean over all ordered pairs of views.",
    ),
    MetricGroup(
        "Unpaired videos (AE2)",
        _UNPAIRED_TITLES,
        "Phases are learned from the training videos; retrieval searches the other test videos; "
        "the order is measured between all pairs of test videos. Higher is better.",
    ),
)
