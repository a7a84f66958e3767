"""The way of a training command: what it shows, how it resumes, extends and starts from weights."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from align.config import BackboneConfig, TrainConfig
from align.engine.checkpoint import OtherModelError
from align.engine.command import offer_unfinished
from align.engine.device import processor_of
from align.engine.pace import TIMED_STEPS, WARM_UP_STEPS, Pace, duration
from align.engine.run_folder import read_history
from align.train import main, make_trainer
from datasets.errors import MismatchError, OptionError
from tests.align.conftest import tiny_config


@pytest.fixture
def small(dots: Path, tmp_path: Path) -> TrainConfig:
    config = tiny_config(dots, tmp_path / "run", "paat")
    return replace(config, backbone=BackboneConfig("test_vit", depth=2))


@pytest.mark.slow
def test_before_the_first_step_a_run_says_what_it_does(
    small: TrainConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    trainer = make_trainer(small)
    trainer.fit()
    shown = dict(line.split(maxsplit=1) for line in caplog.messages if " " in line)
    assert shown["data"].startswith(str(small.data)) and "6 episodes to train on" in shown["data"]
    assert shown["views"] == "ego, view_0, view_1 (seen)"
    assert shown["model"].startswith("paat: test_vit, 2 blocks, 48 x 48 pixels")
    processor = processor_of(trainer.accelerator.device, small.precision)
    assert shown["device"].startswith(f"{processor}, ")
    assert shown["steps"].startswith(f"{trainer.total_steps} (2 epochs of")


@pytest.mark.slow
def test_a_run_without_progress_is_silent(
    small: TrainConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    make_trainer(small, progress=False).fit()
    assert not [line for line in caplog.messages if line.startswith("device")]


@pytest.mark.slow
def test_a_finished_run_is_extended(small: TrainConfig) -> None:
    assert small.out is not None
    make_trainer(small, progress=False).fit()
    before = read_history(small.out / "metrics.csv")
    main(["--resume", str(small.out), "--epochs", "3"])
    after = read_history(small.out / "metrics.csv")
    assert [row["epoch"] for row in after] == [1, 2, 3]
    assert after[:2] == before
    assert TrainConfig.load(small.out) == replace(small, epochs=3)


@pytest.mark.slow
def test_resuming_without_options_changes_nothing(small: TrainConfig) -> None:
    assert small.out is not None
    make_trainer(small, progress=False).fit()
    stored = (small.out / "config.json").read_bytes()
    main(["--resume", str(small.out)])
    assert (small.out / "config.json").read_bytes() == stored
    assert len(read_history(small.out / "metrics.csv")) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "value", "named"),
    [("--epochs", "1", "2 epochs"), ("--seed", "5", "seed 0"), ("--method", "deit", "method paat")],
)
def test_a_resumed_run_keeps_its_options(
    small: TrainConfig, capsys: pytest.CaptureFixture[str], option: str, value: str, named: str
) -> None:
    make_trainer(small, progress=False).fit()
    with pytest.raises(SystemExit) as end:
        main(["--resume", str(small.out), option, value])
    assert end.value.code == 2
    assert named in capsys.readouterr().err


def test_a_run_does_not_go_into_a_data_set(small: TrainConfig) -> None:
    there = replace(small, out=small.data)
    with pytest.raises(OptionError, match="is a data set"):
        make_trainer(there, progress=False)
    assert not (small.training_data / "config.json").exists()


@pytest.mark.slow
def test_a_grid_does_not_extend_a_run(small: TrainConfig) -> None:
    make_trainer(small, progress=False).fit()
    with pytest.raises(MismatchError, match="epochs 2"):
        make_trainer(replace(small, epochs=3), progress=False)


@pytest.mark.slow
def test_a_run_starts_from_the_weights_of_another(small: TrainConfig, tmp_path: Path) -> None:
    assert small.out is not None
    make_trainer(small, progress=False).fit()
    best = load_file(small.out / "checkpoints" / "best.safetensors")
    for source in (small.out, small.out / "checkpoints" / "best.safetensors"):
        other = replace(small, out=tmp_path / f"from_{source.name}", init=source, seed=4, epochs=1)
        model = make_trainer(other, progress=False).task.model
        for name, value in model.state_dict().items():
            assert torch.equal(value, best[f"model.{name}"]), name


@pytest.mark.slow
def test_weights_without_paat_leave_its_classifier_at_its_start(
    small: TrainConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    plain = replace(small, method="deit")
    make_trainer(plain, progress=False).fit()
    make_trainer(replace(small, out=tmp_path / "other", init=plain.out), progress=False)
    assert "at their random start: backbone.paat" in caplog.text


@pytest.mark.slow
def test_weights_of_another_network_are_refused(small: TrainConfig, tmp_path: Path) -> None:
    make_trainer(small, progress=False).fit()
    other = replace(small, out=tmp_path / "other", init=small.out, backbone=BackboneConfig(depth=1))
    with pytest.raises(OtherModelError, match="best.safetensors"):
        make_trainer(other, progress=False)
    assert not (tmp_path / "other").exists()


@pytest.fixture
def unfinished(small: TrainConfig, tmp_path: Path) -> Path:
    """A run that stopped after its first epoch, in a folder of runs with a space in its name."""
    folder = tmp_path / "my runs" / "paat_dots_1"
    trainer = make_trainer(replace(small, out=folder), progress=False)

    def stop(done: float) -> None:
        if done > 0.6:
            raise KeyboardInterrupt

    trainer.on_step = stop
    with pytest.raises(KeyboardInterrupt):
        trainer.fit()
    return folder


@pytest.mark.slow
def test_an_unfinished_run_is_offered_at_a_terminal(
    small: TrainConfig, unfinished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = unfinished.parent
    new = replace(small, out=runs / "paat_dots_2")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: "n")
    assert offer_unfinished(new, "align", runs) == new
    monkeypatch.setattr("builtins.input", lambda question: "")
    assert offer_unfinished(new, "align", runs).out == unfinished
    # Other options are another run.
    other = replace(new, seed=9)
    assert offer_unfinished(other, "align", runs) == other


@pytest.mark.slow
def test_elsewhere_the_command_that_resumes_it_is_shown(
    small: TrainConfig, unfinished: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    new = replace(small, out=unfinished.parent / "paat_dots_2")
    assert offer_unfinished(new, "align", unfinished.parent) == new
    assert f"--resume '{unfinished}'" in caplog.text


@pytest.mark.slow
def test_a_finished_run_is_not_offered(
    small: TrainConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    make_trainer(small, progress=False).fit()
    assert small.out is not None
    offer_unfinished(small, "align", small.out.parent)
    assert "unfinished" not in caplog.text


def test_pace_estimates_once_from_timed_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    pace, said = Pace(100), []
    for step in range(1, 101):
        now[0] += 60 if step <= WARM_UP_STEPS else 2
        if message := pace.step():
            said.append((step, message))
    left = 100 - WARM_UP_STEPS - TIMED_STEPS
    [(step, message)] = said
    assert step == WARM_UP_STEPS + TIMED_STEPS
    assert f"2 s a step: about {duration(2 * left)} for the {left} steps left" in message


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(45, "45 s"), (720, "12 min"), (12000, "3 h 20 min"), (100_800, "1 d 4 h")],
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text
