"""The ablations of recognition: what is varied, what is trained, what is written."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from PIL import Image

from action import ablate
from action.ablate import main
from action.comparing.studying import STUDIES, measured, plan_studies
from action.config import ActionConfig, TimeSformerConfig
from action.evaluation import load_evaluation
from action.model import build_classifier
from align.engine.run_folder import RunFolder
from align.results.studies import StudyName, option, variants
from align.results.study_tables import Measure, Measured, Point, StudyResult, as_markdown
from datasets.errors import OptionError
from tests.action.test_compare import SMALL, run_of
from tests.shared import all_here

TINY = ActionConfig(
    backbone=TimeSformerConfig(image_size=32, frames=2, dim=16, depth=2, heads=2),
)


def test_every_study_has_a_name_on_the_command_line() -> None:
    assert tuple(STUDIES) == get_args(StudyName)


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_every_variant_is_a_configuration_and_a_model(name: StudyName, tmp_path: Path) -> None:
    study = STUDIES[name]
    found = variants(study, TINY, depth=2)
    assert len({variant.name for variant in found}) == len(found) >= 2
    # The option's default is among the values: its runs are those of the plain method.
    assert {variant.name for variant in found} >= set(study.methods)
    for variant in found:
        variant.config.save(tmp_path / variant.name)
        assert ActionConfig.load(tmp_path / variant.name) == variant.config
    values = [option(variant.config, study.option) for variant in found]
    assert values == [*study.values_for(2)] * len(study.methods)
    # Spatial and joint attention have the same weights.
    if study.option.startswith(("paab.", "paat.")) and name != "paab-variant":
        models = [build_classifier(variant.config, 2, 13, 3) for variant in found]
        shapes = {
            tuple((name, tensor.shape) for name, tensor in model.state_dict().items())
            for model in models
        }
        assert len(shapes) == len(models)


def test_paab_attends_jointly_on_clips() -> None:
    found = variants(STUDIES["paab-variant"], TINY, depth=2)
    assert [v.label for v in found] == ["spatial", "spatiotemporal", "joint"]


def test_studies_share_runs_and_seeds_come_in_turn(tmp_path: Path) -> None:
    planned = plan_studies(TINY, ["random-map", "paat-target"], (5, 6), tmp_path)
    names = ["baseline", "paab", "paab_randomTrue", "paat", "paat_randomTrue", "paat_targetp2d"]
    assert [c.out for c in planned] == [
        tmp_path / f"{name}_seed{seed}" for seed in (5, 6) for name in names
    ]
    assert [c.seed for c in planned] == [5] * 6 + [6] * 6


def test_networks_without_tokens_have_no_studies(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="i3d cannot take: use --model"):
        plan_studies(replace(TINY, model="i3d"), ["noise"], (0,), tmp_path)


def test_validation_is_that_of_the_measured_epoch() -> None:
    rows = [
        {"valid/class_error": 0.5, "valid/mean_class_accuracy": 0.5, "valid/top1": 0.7},
        {"valid/class_error": 0.4, "valid/mean_class_accuracy": 0.6, "valid/top1": 0.65},
        {"train/recognition": 1.0},
    ]
    run = replace(run_of("paat", 3, [True, True, False, False]), history=rows)
    found = measured(run, "CVS3", "top1", chance=20)
    assert (found.seed, found.valid, found.test, found.collapsed) == (3, 65, 50, False)
    assert measured(run, "CVS3", "mean_class_accuracy", chance=50).collapsed
    assert measured(run, "CVS3", "mean_class_accuracy", chance=50).valid == 60
    assert math.isnan(measured(replace(run, history=rows[2:]), "CVS3", "top1", 20).valid)


def result_of(*points: Point) -> StudyResult:
    measure = Measure("top-1 in percent", 100 / 3, "clips", 1)
    plain = Point("baseline", "", [Measured(Path(), 0, 40.0, 41.0)])
    return StudyResult(STUDIES["lambda"], "mocap_CS", measure, plain, points)


def point(label: str, valid: float, test: float) -> Point:
    return Point("paat", label, [Measured(Path(label), 0, valid, test)])


def test_the_most_accurate_value_on_validation_clips_is_chosen() -> None:
    lines = as_markdown(result_of(point("0.3", 50, 60), point("1.6", 55, 45))).splitlines()
    assert lines[2].startswith("| method | weight λ of PAAT's loss | validation top-1 in percent ↑")
    assert lines[4:8] == [
        "| baseline | – | 40.0 | 41.0 | 1 |",
        "| paat | 0.3 | 50.0 | 60.0 | 1 |",
        "| paat | **1.6** | 55.0 | 45.0 | 1 |",
        "| random, about |  | 33.3 | 33.3 |  |",
    ]
    assert "highest validation top-1" in lines[-1]


def test_without_validation_no_value_is_chosen() -> None:
    result = result_of(point("0.3", math.nan, 60), point("1.6", math.nan, 45))
    assert result.chosen("paat") is None
    assert "| paat | 0.3 | – | 60.0 | 1 |" in as_markdown(result)


@pytest.mark.slow
def test_a_study_is_trained_measured_tabulated_and_taken_up(
    squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablate, "run_all", all_here)
    out = tmp_path / "runs"
    words = ["--data", "mocap", "--root", str(squares), "--out", str(out), "--jobs", "1", *SMALL]
    words += ["--seeds", "0", "--studies", "paat-target"]
    main(words)
    folder = out / f"{squares.name}_CS"
    last = RunFolder(folder / "paat_seed0").checkpoint("last")
    made = last.stat().st_mtime_ns
    assert len(RunFolder.all_in(folder)) == 3
    assert Image.open(folder / "paat-target_CS.png").size[0] > 1000
    with open(folder / "paat-target_CS.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["method"], row["paat.target"]) for row in rows] == [
        ("baseline", ""),
        ("paat", "which keypoint (P3D)"),
        ("paat", "whether any (P2D)"),
    ]
    for row in rows:
        run = RunFolder(Path(row["folder"]))
        assert float(row["test"]) == 100 * load_evaluation(run.path, "CS").metrics["top1"]
        assert float(row["valid"]) == 100 * run.load_history()[0]["valid/top1"]
    measured_at = RunFolder(folder / "paat_seed0").evaluation("CS_test").stat().st_mtime_ns
    main(words)
    assert last.stat().st_mtime_ns == made
    assert RunFolder(folder / "paat_seed0").evaluation("CS_test").stat().st_mtime_ns == measured_at


def test_a_study_without_seeds_or_studies_is_refused(tmp_path: Path) -> None:
    for studies, seeds in (((), (0,)), (("noise",), ())):
        with pytest.raises(OptionError, match="nothing to train"):
            plan_studies(ActionConfig(), studies, seeds, tmp_path)
