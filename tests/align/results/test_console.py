"""The table that an evaluation prints."""

from __future__ import annotations

import math
from pathlib import Path

from align.results.console import evaluation_table
from align.results.evaluation import Evaluation


def test_every_metric_has_its_direction_and_its_chance_level() -> None:
    metrics = {"alignment_error": 0.12345, "kendalls_tau_b": math.nan, "phase_f1": 0.5}
    evaluation = Evaluation(Path("run"), "test", "paab", Path("data"), 0, metrics, [], name="test")
    text = evaluation_table(evaluation, {"alignment_error": 1 / 3, "phase_f1": 0.25})
    lines = [line.split("  ") for line in text.splitlines()]
    rows = {words[2]: [w.strip() for w in words[3:] if w] for words in lines if len(words) > 4}
    assert rows["alignment error ↓"] == ["0.1235", "0.333"]
    assert rows["Kendall's τ-b ↑"] == ["–", "–"]
    assert rows["phase F1 ↑"] == ["0.5000", "0.250"]
    assert "cycle error" not in text
