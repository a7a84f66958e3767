"""Errors in the middle of training name the file and the remedy, and no checkpoint is lost."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import action.train
import align.engine.run_folder
import align.train
from action.inputs.batches import TrainingClips
from align.engine.checkpoint import CheckpointError, OtherModelError
from align.engine.run_folder import read_history
from align.engine.trainer import NonFiniteLossError, Trainer
from align.inputs.data import EpisodeSamples
from datasets.errors import DamagedDataError, DataError
from tests.datasets.synthetic import make_data_set
from tests.repository.kills import results
from tests.repository.tiny_runs import RUNS, TinyConfig, align_run, trainer_of

both = pytest.mark.parametrize("package", RUNS)
COMMANDS = {"align": align.train.main, "action": action.train.main}


@contextmanager
def stopped_in_epoch_2(
    trainer: Trainer, error: type[Exception], match: str
) -> Iterator[pytest.ExceptionInfo]:
    """Checks that the run stops with one line of error and keeps its first epoch."""
    with pytest.raises(error, match=match) as raised:
        yield raised
    assert "\n" not in str(raised.value)
    assert [row["epoch"] for row in read_history(trainer.folder / "metrics.csv")] == [1]
    assert all(value.isfinite().all() for value in load_file(trainer.last).values())
    assert not list(trainer.folder.rglob(".*.tmp"))


def after_epoch(trainer: Trainer, number: int, act: Callable[[], None]) -> None:
    """Makes the trainer call `act` in the first step after an epoch."""
    share = (number * trainer.task.steps_per_epoch + 1) / trainer.total_steps

    def on_step(done: float) -> None:
        if done == share:
            act()

    trainer.on_step = on_step


@pytest.fixture
def fill_disk() -> Iterator[Callable[[], None]]:
    """A function that imitates a full disk: no file can grow beyond 100 kB any more."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.slow
def test_a_full_disk_keeps_the_last_checkpoint_and_the_run_goes_on_from_it(
    tmp_path: Path, fill_disk: Callable[[], None]
) -> None:
    whole = align_run(tmp_path)
    trainer_of(whole).fit()
    trainer = trainer_of(replace(whole, out=tmp_path / "full"))
    after_epoch(trainer, 1, fill_disk)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with stopped_in_epoch_2(
        trainer, CheckpointError, r"full/checkpoints/.*\(os error \d+\).*--resume"
    ):
        trainer.fit()
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    trainer_of(replace(whole, out=tmp_path / "full")).fit()
    assert results(tmp_path / "full") == results(tmp_path / "run")


@pytest.mark.slow
def test_metrics_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_of(align_run(tmp_path))
    write = align.engine.run_folder.write_history

    def full_disk(path: Path, rows: list[dict[str, float]]) -> None:
        if len(rows) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, rows)

    monkeypatch.setattr(align.engine.run_folder, "write_history", full_disk)
    with stopped_in_epoch_2(trainer, CheckpointError, "No space left.*metrics.csv.*--resume"):
        trainer.fit()


def files_of_step(config: TinyConfig, trainer: Trainer, step: int) -> set[str]:
    """The files that the loader reads for a step, taken from its own samples."""
    samples = trainer.task.loader(step, step + 1).dataset
    if isinstance(samples.dataset, EpisodeSamples):
        data = samples.dataset.data
        return {str(data.paths[sample["episode"]]) for sample in samples}
    assert isinstance(samples.dataset, TrainingClips)
    return {str(samples.dataset.clip_of(item).video) for item in samples.indices}


@pytest.mark.slow
@both
@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_what_is_no_number_stops_with_its_step_and_files(
    package: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = RUNS[package](tmp_path)
    trainer = trainer_of(config)
    steps = trainer.task.steps_per_epoch
    bad = 2 * steps - 1  # the last step of an epoch, after which a checkpoint would be written
    loss = trainer.task.loss

    def poisoned(model, batch, step):  # type: ignore[no-untyped-def]
        value, logs = loss(model, batch, step)
        if step == bad:
            # The square root has no slope at 0: its gradient is no number where its value is one.
            zero = next(model.parameters()).square().sum() * 0
            value = value * torch.nan if what == "loss" else value + zero.sqrt()
        return value, logs

    monkeypatch.setattr(trainer.task, "loss", poisoned)
    with stopped_in_epoch_2(
        trainer, NonFiniteLossError, rf"{what} became nan at step {bad}, in epoch 2.*--optim\.lr"
    ) as raised:
        trainer.fit()
    assert all(file in str(raised.value) for file in files_of_step(config, trainer, bad))
    assert str(trainer.last) in str(raised.value)


@pytest.mark.slow
@both
def test_a_process_that_reads_data_and_dies(package: str, tmp_path: Path) -> None:
    trainer = trainer_of(RUNS[package](tmp_path, workers=1))
    others = set(multiprocessing.active_children())

    def kill_readers() -> None:
        readers = set(multiprocessing.active_children()) - others
        assert readers
        for reader in readers:
            reader.kill()
            reader.join()

    after_epoch(trainer, 1, kill_readers)
    with stopped_in_epoch_2(trainer, DataError, "--workers"):
        trainer.fit()


@pytest.mark.slow
@both
@pytest.mark.parametrize("workers", [0, 1])
def test_data_that_turn_unreadable(package: str, workers: int, tmp_path: Path) -> None:
    config = RUNS[package](tmp_path, workers=workers)
    trainer = trainer_of(config)
    folder = tmp_path / {"align": "dots/episodes", "action": "squares"}[package]
    files = [p for p in folder.rglob("*") if p.suffix in (".hdf5", ".avi", ".mp4")]

    def truncate() -> None:
        for path in files:
            path.write_bytes(path.read_bytes()[:100])

    after_epoch(trainer, 0, truncate)
    with pytest.raises(DamagedDataError) as raised:
        trainer.fit()
    assert any(str(path) in str(raised.value) for path in files)
    assert "\n" not in str(raised.value) and "Traceback" not in str(raised.value)


@pytest.mark.slow
@both
def test_the_command_says_how_to_go_on(
    package: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = RUNS[package](tmp_path)
    config.save(config.out)

    def damaged(trainer: Trainer) -> Path:
        raise DataError("demo_3.hdf5 cannot be read")

    monkeypatch.setattr(Trainer, "fit", damaged)
    with pytest.raises(SystemExit):
        COMMANDS[package](["--resume", str(config.out)])
    said = capsys.readouterr().err.splitlines()
    assert said[-2:] == [
        "error: demo_3.hdf5 cannot be read",
        f"then resume with: python -m {package}.train --resume {config.out}",
    ]


@pytest.mark.slow
def test_a_checkpoint_of_another_number_of_keypoints(tmp_path: Path) -> None:
    config = align_run(tmp_path, method="paat", epochs=1)
    trainer_of(config).fit()
    last = config.out / "checkpoints" / "last.safetensors"
    before = last.read_bytes()
    other = make_data_set(tmp_path / "other", episodes=3, size=32, steps=12, skeleton="player")
    moved = replace(config, data=other, epochs=2)
    moved.save(config.out)
    (config.out / "data.json").unlink()  # as of an earlier version, which stored no identity
    with pytest.raises(OtherModelError, match=r"last\.safetensors .*keypoints"):
        trainer_of(moved).fit()
    assert last.read_bytes() == before
