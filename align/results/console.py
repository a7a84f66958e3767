"""The tables that `align.evaluate` prints."""

from __future__ import annotations

import math
from collections.abc import Mapping

from align.metrics.names import GROUPS
from align.results.evaluation import Evaluation
from align.results.text import ARROWS, NO_VALUE, format_spread, with_arrow
from datasets.errors import counted

NOTE = (
    f"{ARROWS} chance: the value of random embeddings. {NO_VALUE}: the value is not defined (nan), "
    "as Kendall's τ-b where all frames tie, or chance is not known."
)
_TITLE_WIDTH, _VALUE_WIDTH = 34, 8


def evaluation_table(evaluation: Evaluation, chance: Mapping[str, float]) -> str:
    """Every metric of an evaluation beside its chance level, in groups.

    Args:
        evaluation: The evaluation of one run.
        chance: Metric to its value for random embeddings.
    """
    metrics = evaluation.metrics
    shown = f"{evaluation.protocol} views, {counted(len(evaluation.pairs), 'pair')}"
    shown = shown if evaluation.pairs else "unpaired videos"
    lines = [f"{evaluation.run} ({evaluation.method}, {evaluation.name}, {shown})"]
    for group in GROUPS:
        known = {name: title for name, title in group.metrics.items() if name in metrics}
        if known:
            lines.append(_line(f"  {group.title}", "value", "chance"))
        for name, title in known.items():
            value = format_spread(metrics[name], digits=4)
            random = format_spread(chance.get(name, math.nan), digits=3)
            lines.append(_line(f"    {with_arrow(name, title)}", value, random))
    return "\n".join(lines)


def _line(title: str, value: str, chance: str) -> str:
    return f"{title:<{_TITLE_WIDTH}}{value:>{_VALUE_WIDTH}}{chance:>{_VALUE_WIDTH}}"
