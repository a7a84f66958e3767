"""Evaluation on held-out views and in other worlds, its phases, and its verdict on collapse."""

from __future__ import annotations

import logging
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from align.config import TrainConfig
from align.embedder import FrameEmbedder
from align.engine.checkpoint import save_checkpoint
from align.evaluate import evaluate
from align.evaluate import run as run_command
from align.metrics.alignment import METRICS
from align.metrics.names import GROUPS
from align.metrics.phases import PHASE_METRICS
from align.report.page import write_report
from align.results.evaluation import evaluation_name, load_evaluation
from align.train import make_trainer
from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError, MissingDataError
from datasets.skeletons import SKELETONS
from tests.align.conftest import tiny_config
from tests.datasets.synthetic import make_data_set


@pytest.fixture(scope="module")
def run(dots: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained for an epoch on views ego and view_0 alone."""
    folder = tmp_path_factory.mktemp("runs") / "unseen"
    config = tiny_config(dots, folder, "paab", epochs=1, protocol="unseen", train_episodes=4)
    trainer = make_trainer(config, progress=False)
    assert trainer.task.train.views == trainer.task.valid.views == ["ego", "view_0"]  # type: ignore[attr-defined]
    assert len(trainer.task.train) == 4  # type: ignore[attr-defined]
    trainer.fit()
    return folder


@pytest.mark.slow
def test_a_run_is_tested_on_the_views_of_its_protocol(run: Path) -> None:
    own = evaluate(run, progress=False)
    assert {(p.view1, p.view2) for p in own.pairs} == {("ego", "view_1")}
    assert (own.name, own.protocol, own.world) == ("test", "unseen", "dots")
    both = evaluate(run, progress=False, protocol="seen", labelled_episodes=2)
    assert len({(p.view1, p.view2) for p in both.pairs}) == 3
    assert (both.name, both.path.name) == ("test_seen", "test_seen.json")
    assert load_evaluation(run, "test_seen") == both
    assert load_evaluation(run) == own


@pytest.mark.slow
def test_every_metric_has_a_title_and_a_value(run: Path) -> None:
    evaluation = evaluate(run, progress=False, protocol="seen")
    titled = {name for group in GROUPS for name in group.metrics}
    # Those of unpaired videos are not measured here.
    assert titled - evaluation.metrics.keys() == {n for n in titled if n.startswith("unpaired_")}
    assert evaluation.metrics.keys() <= titled
    assert not any(math.isnan(value) for value in evaluation.metrics.values())
    views = {(r.learned_view, r.asked_view) for r in evaluation.phases}
    assert len(views) == 9 and len(evaluation.phases) == 9
    across = [r.metrics["ap10"] for r in evaluation.phases if r.learned_view != r.asked_view]
    assert evaluation.metrics["across_ap10"] == pytest.approx(sum(across) / 6)
    assert evaluation.collapse is not None and evaluation.collapse.effective_rank > 1
    assert evaluation.parameters > 1e6


@pytest.mark.slow
def test_without_labelled_episodes_there_are_no_phases(run: Path) -> None:
    evaluation = evaluate(run, progress=False, protocol="seen", labelled_episodes=0)
    assert not evaluation.phases
    assert set(METRICS) <= set(evaluation.metrics) and not set(PHASE_METRICS) & set(
        evaluation.metrics
    )


@pytest.mark.slow
def test_data_without_training_episodes_has_no_phases(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    splits: dict[str, list[int]] = {"train": [], "valid": [], "test": [0, 1]}
    data = make_data_set(tmp_path / "tests", episodes=2, splits=splits, seed=1)
    evaluation = evaluate(str(run), data=str(data), progress=False)
    assert not evaluation.phases and math.isfinite(evaluation.metrics["alignment_error"])
    assert f"{data} has no training episodes" in caplog.text


@pytest.mark.slow
def test_another_world_has_a_name_of_its_own(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = make_data_set(tmp_path / "others", episodes=5, views=3, size=32, seed=7)
    with caplog.at_level(logging.WARNING, logger="align"):
        evaluation = evaluate(run, progress=False, data=other, protocol="seen")
    assert evaluation.name == "test_seen_on_others" and evaluation.data == other
    assert len({(p.view1, p.view2) for p in evaluation.pairs}) == 6
    # Trained at 48 pixels.
    assert "stored at 32 pixels and enlarged to the 48" in caplog.text
    config = tiny_config(tmp_path / "mine", tmp_path)
    assert evaluation_name(config, "valid", protocol="seen") == "valid"
    assert evaluation_name(config, "test", checkpoint="last") == "test_last"


@pytest.mark.slow
def test_views_of_training_are_named_where_unseen_ones_are_wanted(
    dots: Path, run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = make_data_set(tmp_path / "others", episodes=5, size=48, seed=7)
    with caplog.at_level(logging.WARNING, logger="align"):
        evaluate(run, progress=False, data=other, protocol="unseen", labelled_episodes=0)
        assert "unseen views" not in caplog.text
    shutil.copytree(run, tmp_path / "seen")
    config = replace(TrainConfig.load(run), protocol="seen")
    config.save(tmp_path / "seen")
    with caplog.at_level(logging.WARNING, logger="align"):
        evaluate(tmp_path / "seen", progress=False, protocol="unseen", labelled_episodes=0)
    assert "was also trained on view_1, so this is no test on unseen views" in caplog.text


@pytest.mark.slow
def test_the_next_command_is_one_that_works(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def printed(**options: Any) -> str:
        run_command((run,), labelled_episodes=0, **options)
        return capsys.readouterr().out

    other = make_data_set(tmp_path / "elsewhere", episodes=5, views=3, size=48, seed=7)
    for name, options in {
        "test": {},
        "valid": {"split": "valid"},
        "test_on_elsewhere": {"data": other},
        "test_last": {"checkpoint": "last"},
    }.items():
        lines = printed(**options).splitlines()
        assert f"stored: {run}/evaluation/{name}.json" in lines
        words = lines[-1].removeprefix("next: python -m ").split()
        assert words[:2] == ["align.report", str(run)]
        assert words[2:] == ([] if name == "test" else ["--evaluation", name])
        evaluation = None if name == "test" else name
        page = write_report([run], evaluation=evaluation)
        assert page.name == ("report.html" if name == "test" else f"report_{name}.html")
        assert page.with_name(page.name.replace("report", "summary")).with_suffix(".csv").exists()
    text = (run / "report_test_on_elsewhere.html").read_text()
    assert f"<dt>Data set</dt><dd>{other}</dd>" in text and "view_2" in text
    assert f"<dt>Training data</dt><dd>{TrainConfig.load(run).data}</dd>" in text
    with pytest.raises(MissingDataError, match=r"test_seen_on_x\.json.*--protocol, --data"):
        write_report([run], evaluation="test_seen_on_x")


@pytest.mark.slow
def test_a_run_learns_from_one_data_set_and_is_tested_on_another(
    dots: Path, tmp_path: Path
) -> None:
    learned = make_data_set(tmp_path / "learned", episodes=5, views=3, size=48, seed=7)
    config = tiny_config(
        dots, tmp_path / "run", epochs=1, protocol="unseen", train_on=learned, image_size=32
    )
    trainer = make_trainer(config, progress=False)
    task = trainer.task
    assert task.train.root == task.valid.root == learned  # type: ignore[attr-defined]
    assert task.train.views == ["ego", "view_0", "view_1"]  # type: ignore[attr-defined]
    trainer.fit()
    own = evaluate(tmp_path / "run", progress=False)
    assert (own.name, own.data) == ("test", dots)
    assert {(p.view1, p.view2) for p in own.pairs} == {("ego", "view_1")}
    assert load_evaluation(tmp_path / "run") == own
    again = FrameEmbedder.load(tmp_path / "run")
    stored = load_file(tmp_path / "run" / "evaluation" / "test_embeddings.safetensors")
    test = EpisodeDataset(dots, "test")
    view = again.embed_episode(test, 0)["view_1"]
    torch.testing.assert_close(view, stored[f"{test.names[0]}/view_1"])


@pytest.mark.slow
def test_what_cannot_be_tested_is_refused_before_training(dots: Path, tmp_path: Path) -> None:
    body = next(name for name in SKELETONS if name != "panda")
    other = make_data_set(tmp_path / "player", episodes=5, size=48, skeleton=body)
    with pytest.raises(MismatchError, match=f"paab .*{body}.*'panda'.*paat"):
        make_trainer(tiny_config(dots, tmp_path / "run", "paab", train_on=other))
    with pytest.raises(MissingDataError, match="nowhere"):
        make_trainer(tiny_config(tmp_path / "nowhere", tmp_path / "run", train_on=dots))
    assert not (tmp_path / "run").exists()
    make_trainer(tiny_config(dots, tmp_path / "run", "paat", train_on=other))


@pytest.mark.slow
def test_poses_of_another_body_are_refused(run: Path, tmp_path: Path) -> None:
    body = next(name for name in SKELETONS if name != "panda")
    other = make_data_set(tmp_path / "player", episodes=5, size=48, skeleton=body)
    with pytest.raises(MismatchError, match=rf"{run} \(paab\) .*'panda'.*{body}.*paat"):
        evaluate(run, progress=False, data=other)


@pytest.mark.slow
def test_command_prints_groups_and_tells_a_collapse(
    dots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    trainer = make_trainer(tiny_config(dots, tmp_path / "run"), progress=False)
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            parameter.zero_()  # all frames alike
    save_checkpoint(trainer.best_path, trainer.task.model, {})
    with caplog.at_level(logging.WARNING, logger="align"):
        run_command((tmp_path / "run",))
    printed = capsys.readouterr().out
    assert "Phases of the task across views" in printed and "AP@10" in printed
    assert "embeddings have collapsed" in caplog.text and "Try" in caplog.text
