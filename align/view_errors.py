"""Alignment error by the kinds of views: between a first-person view and the others, among those.

What a first-person view shows of the body hardly changes, so poses cannot help there as they can
between third-person views: the mean over all pairs hides which of the two a method improves.
"""

from __future__ import annotations

from collections.abc import Sequence

from align.metrics import PairResult, mean_metrics
from align.protocols import EGO

EGO_ERROR, THIRD_ERROR = "alignment_error_ego", "alignment_error_third"


def view_errors(pairs: Sequence[PairResult]) -> dict[str, float]:
    """Means over the pairs with the first-person view and over those without, as far as any are."""
    with_ego = [pair for pair in pairs if EGO in (pair.view1, pair.view2)]
    third = [pair for pair in pairs if EGO not in (pair.view1, pair.view2)]
    kinds = {EGO_ERROR: with_ego, THIRD_ERROR: third}
    return {name: mean_metrics(some)["alignment_error"] for name, some in kinds.items() if some}
