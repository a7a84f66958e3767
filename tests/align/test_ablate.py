"""The ablations: what is varied, what is trained, what is kept, what is written."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from PIL import Image

from align import ablate
from align.ablate import main
from align.comparing.studying import (
    EPISODES,
    MEASURE,
    depth_of,
    measured,
    plan_studies,
    results,
    studies_of,
)
from align.config import BackboneConfig, PaabConfig, TrainConfig
from align.engine.jobs import Outcome
from align.engine.run_folder import RunFolder
from align.models.pose_aware import build_model
from align.plan import RunPlan
from align.results.evaluation import load_evaluation
from align.results.studies import STUDIES as SHARED
from align.results.studies import (
    AlignmentStudy,
    insertion_points,
    option,
    variants,
    with_option,
)
from align.results.study_tables import Measured, Point, StudyResult, as_markdown
from align.results.tables import measured_runs
from tests.align.hand_made_runs import PICKS, make_run
from tests.datasets.synthetic import make_data_set, make_meta
from tests.shared import all_here

STUDIES = {**SHARED, "episodes": EPISODES}
# The smallest data set that a plan can be made for.
DOTS = make_meta(1, 32)


def test_every_study_has_a_name_on_the_command_line() -> None:
    assert tuple(STUDIES) == get_args(AlignmentStudy)


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_every_variant_is_a_configuration_and_a_model(name: AlignmentStudy, tmp_path: Path) -> None:
    config = TrainConfig(backbone=BackboneConfig("test_vit", depth=2))
    study = STUDIES[name]
    found = variants(study, config, depth=2)
    assert len({variant.name for variant in found}) == len(found) >= 2
    # The option's default is among the values: its runs are the plain method's.
    assert {variant.name for variant in found} >= set(study.methods)
    for variant in found:
        variant.config.save(tmp_path / variant.name)
        stored = TrainConfig.load(tmp_path / variant.name)
        assert stored == variant.config
        assert stored.method == variant.method
    values = [option(variant.config, study.option) for variant in found]
    assert values == [*study.values_for(2)] * len(study.methods)
    # The option does something: on the model, or on what it learns from.
    if study.option.startswith(("paab.", "paat.")):
        plans = [RunPlan.of(variant.config, DOTS) for variant in found]
        built = [build_model(plan.model) for plan in plans]
        assert len({tuple(model.state_dict()) + shapes(model) for model in built}) == len(built)


def shapes(model) -> tuple[object, ...]:
    return tuple(parameter.shape for parameter in model.parameters())


def test_positions_follow_the_depth() -> None:
    assert insertion_points(12) == [(1,), (6,), (-1,), (1, 6), (1, -1)]
    assert insertion_points(4) == [(1,), (2,), (-1,), (1, 2), (1, -1)]
    # Where the middle block is the first one, it comes once.
    assert insertion_points(2) == [(1,), (-1,), (1, -1)]
    assert insertion_points(1) == [(1,)]
    study = STUDIES["paab-position"]
    assert [study.label(v, 12) for v in study.values_for(12)] == ["1", "6", "12", "1, 6", "1, 12"]


@pytest.mark.slow
def test_depth_is_that_of_the_backbone() -> None:
    assert depth_of(TrainConfig(), 96) == 12
    assert depth_of(TrainConfig(backbone=BackboneConfig(depth=4)), 96) == 4


def test_an_option_is_set_by_its_name() -> None:
    config = with_option(TrainConfig(), "paab.positions", (2, 3))
    assert config == TrainConfig(paab=PaabConfig(positions=(2, 3)))
    with pytest.raises(TypeError, match="place"):
        with_option(config, "paab.place", 1)


def test_studies_share_runs_and_seeds_come_in_turn(dots: Path, tmp_path: Path) -> None:
    config = TrainConfig(backbone=BackboneConfig(depth=4))
    configs = plan_studies(
        config, ["paab-position", "paab-blocks"], [dots], "seen", (5, 6), tmp_path
    )
    names = [config.out.name for config in configs if config.out]
    first = [name.removesuffix("_seed5") for name in names[: len(names) // 2]]
    assert first[:6] == ["deit", "paab_positions1", "paab_positions2", "paab"] + [
        "paab_positions1-2",
        "paab_positions1--1",
    ]
    assert first[6:] == ["paab_blocks2", "paab_blocks3", "paab_blocks4"]
    assert [c.seed for c in configs] == [5] * 9 + [6] * 9
    assert {c.out.parent for c in configs if c.out} == {tmp_path / f"{dots.name}_seen"}


def test_training_episodes_end_with_all_that_there_are(dots: Path, tmp_path: Path) -> None:
    study = EPISODES
    (found,) = studies_of(TrainConfig(), ["episodes"], dots).values()
    assert [found.label(v, 2) for v in found.values_for(2)] == ["6"]
    more = make_data_set(tmp_path / "more", episodes=14, size=16, splits={"train": range(14)})
    for config, labels in (
        (TrainConfig(), ["10", "14"]),
        (TrainConfig(train_episodes=12), ["10", "12"]),
        (TrainConfig(train_episodes=10), ["10"]),
    ):
        (found,) = studies_of(config, ["episodes"], more).values()
        assert [found.label(v, 2) for v in found.values_for(2)] == labels
        planned = plan_studies(config, ["episodes"], [more], "seen", (0,), tmp_path)
        assert len(planned) == len(labels) * len(study.methods)
        assert {c.train_episodes for c in planned} == {*found.values_for(2)}
    # Training on another data set: its episodes count.
    (found,) = studies_of(TrainConfig(train_on=more), ["episodes"], dots).values()
    assert [*found.values_for(2)] == [10, None]


def test_a_method_that_is_varied_is_no_reference_beside_itself(tmp_path: Path) -> None:
    runs = [Measured(tmp_path / "deit_seed0", 0, 0.2, 0.3)]
    points = [Point("deit", "10", runs), Point("paat", "10", runs)]
    result = StudyResult(EPISODES, "dots", MEASURE, Point("deit", "", runs), points)
    assert result.rows == points
    text = as_markdown(result)
    assert text.count("| deit |") == 1 and "without the module" not in text
    plain = replace(result, points=points[1:])
    assert plain.rows == [plain.reference, *points[1:]]
    assert "deit (–): without the module" in as_markdown(plain)


@pytest.mark.slow
def test_a_study_is_trained_measured_tabulated_and_taken_up(
    dots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained: list[str] = []

    def here(
        configs: Sequence[TrainConfig],
        jobs: int,
        after_each: Callable[[], object],
        work: Callable[[TrainConfig, int], None],
    ) -> list[Outcome]:
        for config in configs:
            assert config.out is not None
            if not RunFolder(config.out).evaluation("test").exists():
                trained.append(config.out.name)
        return all_here(configs, jobs, after_each, work)

    monkeypatch.setattr(ablate, "run_all", here)
    out = tmp_path / "runs"
    arguments = ["--data", str(dots), "--out", str(out), "--studies", "paat-target"]
    arguments += ["--epochs", "1", "--validate-every", "1", "--backbone.depth", "1"]
    arguments += ["--backbone.name", "test_vit", "--batch.times", "8", "--batch.episodes", "2"]
    main([*arguments, "--seeds", "0"])
    assert trained == ["deit_seed0", "paat_seed0", "paat_targetp2d_seed0"]
    main([*arguments, "--seeds", "0", "1"])
    assert trained[3:] == ["deit_seed1", "paat_seed1", "paat_targetp2d_seed1"]
    folder = out / f"{dots.name}_seen"
    with open(folder / "paat-target.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["method"], r["paat.target"], r["seed"]) for r in rows] == [
        (method, label, seed)
        for method, label in (
            ("deit", ""),
            ("paat", "which keypoint (P3D)"),
            ("paat", "whether any (P2D)"),
        )
        for seed in ("0", "1")
    ]
    for row in rows:
        run = load_evaluation(Path(row["folder"]))
        assert float(row["test"]) == run.metrics["alignment_error"]
        history = (Path(row["folder"]) / "metrics.csv").read_text()
        assert row["valid"] in history
    assert Image.open(folder / "paat-target.png").size[0] > 1000
    printed = capsys.readouterr().out
    assert (folder / "paat-target.md").read_text() in printed + "\n"
    assert printed.count("| paat | ") == 4


@pytest.mark.slow
def test_a_point_has_all_seeds_of_its_variant_and_no_others(data: Path, tmp_path: Path) -> None:
    base = TrainConfig(backbone=BackboneConfig(depth=4))
    for config in plan_studies(base, ["paab-blocks"], [data], "seen", (0, 1), tmp_path):
        assert config.out is not None
        if config.paab.blocks < 3:
            error = 0.1 * config.paab.blocks
            metrics = {"alignment_error": error, "cycle_error": error, "kendalls_tau": 0.5}
            make_run(config.out, data, config, PICKS["paab"], metrics)
    runs = [measured(run) for run in measured_runs(tmp_path)]
    (result,) = results(base, ["paab-blocks", "lambda"], data, "seen", runs).values()
    seeds = [(point.label, [run.seed for run in point.runs]) for point in result.points]
    assert seeds == [("1", [0, 1]), ("2", [0, 1])]
    assert [point.measured("test") for point in result.points] == [[0.1, 0.1], [0.2, 0.2]]
    # The lowest of 0.3 / epoch, measured every second epoch of four.
    assert result.points[0].measured("valid") == [0.075, 0.075]


def test_a_value_is_chosen_on_validation_episodes() -> None:
    def point(method: str, label: str, *errors: tuple[float, float]) -> Point:
        runs = [Measured(Path(label), i, *pair) for i, pair in enumerate(errors)]
        return Point(method, label, runs)

    result = StudyResult(
        STUDIES["lambda"],
        "lift",
        MEASURE,
        point("deit", "", (0.3, 0.31)),
        [
            point("paat", "0.3", (0.2, 0.1), (0.22, 0.1)),
            point("paat", "1.6", (0.1, 0.25), (0.14, 0.25)),
        ],
    )
    lines = [line for line in as_markdown(result).splitlines() if line.startswith("|")]
    assert lines[0].startswith("| method | weight λ of PAAT's loss | validation alignment error ↓")
    assert lines[2] == "| deit | – | 0.300 | 0.310 | 1 |"
    assert lines[3] == "| paat | 0.3 | 0.210 ± 0.014 | 0.100 ± 0.000 | 2 |"
    assert lines[4] == "| paat | **1.6** | 0.120 ± 0.028 | 0.250 ± 0.000 | 2 |"
    assert lines[5] == "| random, about |  | 0.333 | 0.333 |  |"
