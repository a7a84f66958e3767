"""How well progress follows time and phases, and tells success from failure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int64
from scipy.stats import kendalltau, mannwhitneyu, somersd, spearmanr

MEASURES = ("spearman_time", "kendall_time", "spearman_phase", "kendall_phase")


def order_measures(
    progress: Float[np.ndarray, " time"], phases: Int64[np.ndarray, " time"] | None
) -> dict[str, float]:
    """Value-order correlations of one video.

    Spearman's rho and Kendall's tau-b against time, and both against the simulator's phases.
    Moments of one phase have no order, so Kendall's counts pairs of moments of different phases
    alone (Somers' D). Spearman's shares ranks among them, so that less than 1 is its highest value.

    Args:
        progress: Progress of each frame.
        phases: Phase of each frame; None, or one phase alone, where they are not known.

    Returns:
        MEASURES; 0 where progress is constant, and NaN against phases that are not known.
    """
    time = np.arange(len(progress))
    found = dict.fromkeys(MEASURES, math.nan) | _against(progress, time, "time")
    if phases is not None and len(np.unique(phases)) > 1:
        found |= _against(progress, phases, "phase")
    return found


def _against(progress: np.ndarray, order: np.ndarray, name: str) -> dict[str, float]:
    if len(np.unique(progress)) == 1:
        return {f"spearman_{name}": 0.0, f"kendall_{name}": 0.0}
    rho = float(spearmanr(progress, order).statistic)
    if name == "time":
        return {"spearman_time": rho, "kendall_time": float(kendalltau(progress, order).statistic)}
    return {"spearman_phase": rho, "kendall_phase": _phase_order(progress, order)}


def _phase_order(progress: np.ndarray, phases: np.ndarray) -> float:
    """Pairs of different phases in the right order less those in the wrong one, as a share."""
    return float(somersd(phases, progress).statistic)


def success_auc(successes: Sequence[float], failures: Sequence[float]) -> float:
    """Area under the ROC curve: the chance that a success ends further than a failure.

    Args:
        successes: Progress at the end of each video of a success.
        failures: The same of failures.

    Returns:
        0.5 where both end alike; NaN where there are none of one kind.
    """
    if not successes or not failures:
        return math.nan
    won = mannwhitneyu(successes, failures).statistic
    return float(won) / (len(successes) * len(failures))


def mean_measures(videos: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each measure over videos; a NaN does not count."""
    columns = {name: [video[name] for video in videos] for name in MEASURES}
    known = {name: [v for v in values if not math.isnan(v)] for name, values in columns.items()}
    return {name: float(np.mean(v)) if v else math.nan for name, v in known.items()}
