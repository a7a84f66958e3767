"""The table of methods and the commands that repeat runs."""

from __future__ import annotations

import csv
import math
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pytest
import tyro

from align.config import TrainConfig, recipe
from align.metrics.alignment import PairResult
from align.results.cells import summary_markdown
from align.results.evaluation import Evaluation
from align.results.labels import label_runs
from align.results.runs import train_command
from align.results.summary import require_comparable, summary_table, write_summary
from align.train import default_options
from datasets.errors import MismatchError, MissingDataError


def evaluation(method: str, seed: int, error: float, **other: object) -> Evaluation:
    metrics = {
        "alignment_error": error,
        "cycle_error": 0.5,
        "kendalls_tau": -error,
        "kendalls_tau_b": math.nan if seed else 0.25,
    }
    pairs = [PairResult("demo_0", "ego", "view_0", metrics)]
    made = Evaluation(
        Path(f"{method}_{seed}"),
        "test",
        method,
        Path("d"),
        seed,
        metrics,
        pairs,
        labelled_episodes=10,
    )
    return replace(made, **other)


EVALUATIONS = [
    evaluation("paat", 0, 0.05),
    evaluation("paab", 1, 0.10),
    evaluation("deit", 1, 0.24),
    evaluation("paab", 0, 0.20),
    evaluation("deit", 0, 0.16),
]


def test_rows_have_mean_and_sample_deviation_over_seeds() -> None:
    rows = {row.label: row for row in summary_table(EVALUATIONS)}
    assert list(rows) == ["deit", "paab", "paat"]
    assert rows["paab"].seeds == (0, 1)
    assert rows["paab"].mean["alignment_error"] == pytest.approx(0.15)
    assert rows["paab"].std["alignment_error"] == pytest.approx(0.1 / math.sqrt(2))
    assert rows["paab"].change == pytest.approx(-25)
    assert rows["deit"].change is None
    # Only one seed has a tau-b.
    assert rows["deit"].mean["kendalls_tau_b"] == 0.25
    assert math.isnan(rows["deit"].std["kendalls_tau_b"])
    assert math.isnan(rows["paat"].std["alignment_error"])


def test_without_the_baseline_there_is_no_change() -> None:
    assert [row.change for row in summary_table([evaluation("paab", 0, 0.1)])] == [None]


def test_markdown_table() -> None:
    lines = summary_markdown(summary_table(EVALUATIONS)).splitlines()
    assert lines[:-2] == [
        "| method | alignment error ↓ | cycle error ↓ | Kendall's τ (3DTRL) ↑ | Kendall's τ-b ↑ "
        "| seeds | against deit |",
        "|---|---:|---:|---:|---:|---:|---:|",
        "| deit | 0.200 ± 0.057 | 0.500 ± 0.000 | −0.200 ± 0.057 | 0.250 | 2 | – |",
        "| paab | 0.150 ± 0.071 | 0.500 ± 0.000 | −0.150 ± 0.071 | 0.250 | 2 | −25.0 % |",
        "| paat | 0.050 | 0.500 | −0.050 | 0.250 | 1 | −75.0 % |",
        "| perfect | 0.000 | 0.000 | 1.000 | 1.000 |  |  |",
        "| random, about | 0.333 | 0.333 | 0.000 | 0.000 |  |  |",
    ]
    assert "random embeddings" in lines[-1] and "A dash (–)" in lines[-1]
    hostile = summary_markdown(summary_table([evaluation("deit", 0, 0.1)], ["deit, name a|b"]))
    assert "| deit, name a\\|b |" in hostile


def test_csv_has_full_precision_and_nothing_for_unknown(tmp_path: Path) -> None:
    write_summary(tmp_path / "s.csv", summary_table(EVALUATIONS))
    with open(tmp_path / "s.csv", newline="") as file:
        deit, paab, paat = csv.DictReader(file)
    assert float(paab["alignment_error_std"]) == pytest.approx(0.1 / math.sqrt(2), rel=1e-12)
    assert (deit["seeds"], paat["alignment_error_std"]) == ("0 1", "")
    assert deit["change_against_deit_percent"] == ""


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"data": Path("elsewhere")}, "the data set"),
        ({"split": "valid"}, "the split"),
        ({"pairs": []}, "the episodes and views"),
        ({"labelled_episodes": 5}, "--labelled-episodes"),
    ],
)
def test_only_like_is_compared(other: dict, what: str) -> None:
    mixed = [evaluation("deit", 0, 0.1), evaluation("paab", 0, 0.1, **other)]
    with pytest.raises(MismatchError, match=f"deit_0 .*paab_0 .*{what}"):
        summary_table(mixed)


def test_a_seed_counts_once() -> None:
    twice = [evaluation("deit", 3, 0.1), evaluation("deit", 3, 0.1, run=Path("copy"))]
    with pytest.raises(MismatchError, match="deit_3 .*copy .*deit .*seed 3"):
        summary_table(twice)
    require_comparable(twice, ["deit, epochs 1", "deit, epochs 2"])
    with pytest.raises(MissingDataError):
        summary_table([])


def test_labels_name_what_differs_within_a_method() -> None:
    deit = TrainConfig(seed=1)
    early = TrainConfig(method="paab", paab=replace(deit.paab, positions=(1, 6)), out=Path("x"))
    late = replace(early, paab=deit.paab)
    assert label_runs([deit, early, late, replace(late, seed=5)]) == [
        "deit",
        "paab, positions 1 6",
        "paab, positions -1",
        "paab, positions -1",
    ]


PAPER = recipe("paper")


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(),
        TrainConfig(method="paab+paat", data=Path("a folder/$x"), seed=3, views=("ego", "view_1")),
        TrainConfig(head=replace(TrainConfig().head, whiten=False, unit=False)),
        replace(PAPER, backbone=replace(PAPER.backbone, pretrained=True, depth=3)),
        replace(PAPER, image_size=None, workers=2, seed=42, precision="bf16"),
    ],
)
def test_command_repeats_the_run(config: TrainConfig) -> None:
    words = shlex.split(train_command(config))
    assert words[:3] == ["python", "-m", "align.train"]
    defaults = default_options(words[3:])

    def run(
        config: Annotated[TrainConfig, tyro.conf.arg(name="")] = defaults,
    ) -> TrainConfig:
        return config

    assert tyro.cli(run, args=words[3:]) == config


def test_rows_come_in_the_order_of_their_numbers() -> None:
    labels = ["paab, positions 12", "deit", "paab, positions 2"]
    found = summary_table([evaluation("paab", i, 0.1) for i in range(3)], labels)
    assert [row.label for row in found] == ["deit", "paab, positions 2", "paab, positions 12"]
