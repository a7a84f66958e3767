"""Training end to end: it learns, resumes bit by bit, and refuses bad input before it starts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import h5py
import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from align.comparing.grid import GridConfig
from align.config import Recipe, TrainConfig, recipe
from align.engine.config import OptimConfig, Precision
from align.engine.optim import learning_rate_factor
from align.engine.run_folder import read_history
from align.evaluate import evaluate
from align.inputs.data import BatchConfig
from align.losses.config import LossConfig
from align.methods import METHODS, Method
from align.models.config import LateConfig
from align.models.encoder import PIXEL_LOSS, Encoded, HeadConfig
from align.models.tcn import TcnConfig
from align.plan import RunPlan, resolve, usual_data
from align.results.evaluation import load_evaluation
from align.task import AlignmentTask
from align.train import main, make_trainer
from datasets.episodes import EpisodeDataset
from datasets.errors import FormatError, MissingDataError, OptionError
from tests.align.conftest import tiny_config
from tests.datasets.synthetic import make_data_set


def weights(run: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return load_file(run / "checkpoints" / f"{name}.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_to_align(dots: Path, tmp_path: Path, method: Method) -> None:
    # Convolutional networks start from nothing that helps and learn more slowly.
    slow = method.startswith("tcn") and not method.endswith("+late")
    epochs = 6 if slow else 3
    config = tiny_config(dots, tmp_path / "run", method, epochs=epochs, validate_every=epochs)
    make_trainer(config, progress=False).fit()
    evaluation = evaluate(tmp_path / "run", "test", progress=False)
    # Chance is 1/3, a collapsed embedding has about 1/2, and an untrained transformer about 0.2.
    # Nothing in single-view TCN's loss ties one view to another, and it does end at chance.
    if METHODS[method].objective != "tcn-single":
        assert evaluation.metrics["alignment_error"] < (0.2 if slow else 0.1)
    history = read_history(tmp_path / "run" / "metrics.csv")
    assert history[-1]["train/time_contrastive"] < 0.9 * history[0]["train/time_contrastive"]
    assert ("train/paat" in history[0]) == METHODS[method].paat


@pytest.mark.slow
def test_n_pairs_as_tcn_published_it_learns_to_align(dots: Path, tmp_path: Path) -> None:
    options: dict[str, object] = {
        "epochs": 6,
        "validate_every": 6,
        "tcn": TcnConfig(loss="n_pairs", channels=64, hidden=128),
        "head": HeadConfig(whiten=False, center=False, unit=False),
    }

    def config(name: str, l2: float) -> TrainConfig:
        loss = LossConfig(temperature=1, l2=l2)
        return tiny_config(dots, tmp_path / name, "tcn", loss=loss, **options)

    trainer = make_trainer(config("published", 0.0005), progress=False)
    # The weight on lengths pulls at them, as it could not at unit vectors.
    heavier = make_trainer(config("heavier", 2.0005), progress=False).task
    batch = next(iter(trainer.task.loader(0, 1)))
    one, two = (task.loss(task.model, batch, 0)[0] for task in (trainer.task, heavier))
    assert abs((two - one).item() / 2 - 1) > 0.1
    trainer.fit()
    evaluation = evaluate(tmp_path / "published", "test", progress=False)
    assert evaluation.metrics["alignment_error"] < 0.2


@pytest.mark.slow
def test_an_evaluation_is_stored_whole(dots: Path, tmp_path: Path) -> None:
    make_trainer(tiny_config(dots, tmp_path, epochs=1), progress=False).fit()
    evaluation = evaluate(tmp_path, "test", progress=False)
    stored = load_evaluation(tmp_path, "test")
    assert stored == evaluation
    assert len(stored.pairs) == 2 * 3  # two episodes, three pairs of three views
    embeddings = stored.embeddings()
    assert {tuple(views) for views in embeddings.values()} == {("ego", "view_0", "view_1")}
    lengths = {len(z) for z in embeddings["demo_8"].values()}
    assert len(lengths) == 1
    with pytest.raises(MissingDataError, match=r"valid\.json .*align\.evaluate"):
        load_evaluation(tmp_path, "valid")


@pytest.fixture
def other_precision() -> Iterator[None]:
    """Accelerate keeps to the precision that a process began with, unless it is made to forget."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.slow
@pytest.mark.usefixtures("other_precision")
@pytest.mark.parametrize(
    ("method", "precision"), [("paat", "auto"), ("late-predicted", "bf16"), ("disentangle", "auto")]
)
def test_stopped_between_epochs_it_ends_as_if_undisturbed(
    dots: Path, tmp_path: Path, method: Method, precision: Precision
) -> None:
    # The fewest and smallest pictures: some processors multiply 20 times as slowly in bf16.
    smallest: dict[str, object] = {
        "epoch_steps": 3,
        "batch": BatchConfig(episodes=1, times=4),
        "image_size": 32,
        "late": LateConfig(channels=8, hidden=32),
    }
    whole = tiny_config(dots, tmp_path / "whole", method, epochs=2, precision=precision, **smallest)
    make_trainer(whole, progress=False).fit()
    parts = replace(whole, out=tmp_path / "parts")
    trainer = make_trainer(parts, progress=False)
    # It was stopped after its first epoch; the schedule is that of the whole run.
    trainer.config = replace(parts, epochs=1)
    trainer.fit()
    make_trainer(parts, progress=False).fit()
    for name, value in weights(tmp_path / "whole").items():
        assert torch.equal(value, weights(tmp_path / "parts")[name]), name
    first, second = (read_history(tmp_path / p / "metrics.csv") for p in ("whole", "parts"))
    timings = {"seconds", "core_seconds", "seconds_waiting_for_data"}
    assert [{k: v for k, v in row.items() if k not in timings} for row in first] == [
        {k: v for k, v in row.items() if k not in timings} for row in second
    ]


def test_the_contrastive_loss_is_in_full_precision_under_bf16(dots: Path, tmp_path: Path) -> None:
    task = AlignmentTask(RunPlan.load(tiny_config(dots, tmp_path, precision="bf16")))
    batch = next(iter(task.loader(0, 1)))
    z = torch.randn(
        batch["frames"].shape[:3].numel(), 16, generator=torch.Generator().manual_seed(0)
    )

    def loss(bf16: bool) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            return task.loss(lambda *_: Encoded({PIXEL_LOSS: z}, None), batch, 0)[0]  # type: ignore[arg-type]

    assert loss(True).dtype == torch.float32
    assert torch.equal(loss(True), loss(False))


@pytest.mark.slow
def test_an_epoch_can_have_any_number_of_steps(dots: Path, tmp_path: Path) -> None:
    config = tiny_config(dots, tmp_path, epochs=2, epoch_steps=3)
    make_trainer(config, progress=False).fit()
    assert [row["step"] for row in read_history(tmp_path / "metrics.csv")] == [3, 6]


@pytest.mark.slow
def test_patience_ends_a_run_that_does_not_get_better(dots: Path, tmp_path: Path) -> None:
    optim = OptimConfig(lr=1e-30, patience=2)
    config = tiny_config(dots, tmp_path, epochs=8, optim=optim)
    config = replace(config, head=replace(config.head, whiten=False))
    make_trainer(config, progress=False).fit()
    # The first validation is the best; with nothing learnt the next two are no better.
    assert len(read_history(tmp_path / "metrics.csv")) == 3
    make_trainer(config, progress=False).fit()
    assert len(read_history(tmp_path / "metrics.csv")) == 3


@pytest.mark.slow
def test_configuration_survives_the_disk(tmp_path: Path) -> None:
    for name in get_args(Recipe):
        config = replace(recipe(name), data=Path("data/x"), views=("ego", "view_0"), out=tmp_path)
        config.save(tmp_path)
        assert TrainConfig.load(tmp_path) == config


def test_an_unknown_option_in_a_stored_configuration_is_named(tmp_path: Path) -> None:
    TrainConfig().save(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(path.read_text().replace('"epochs"', '"epoch"'))
    with pytest.raises(FormatError, match=r"config\.json .*: epoch\."):
        TrainConfig.load(tmp_path)


def test_a_run_from_before_an_option_is_read_with_its_default(tmp_path: Path, caplog) -> None:
    TrainConfig(epochs=3).save(tmp_path)
    path = tmp_path / "config.json"
    stored = json.loads(path.read_text())
    del stored["optim"]["accumulate"], stored["tcn"]
    path.write_text(json.dumps(stored))
    assert TrainConfig.load(tmp_path) == TrainConfig(epochs=3)
    assert "config.json is older than some options" in caplog.text
    assert "optim.accumulate, tcn.channels" in caplog.text and "1 more" in caplog.text


@pytest.mark.slow
def test_stored_runs_without_the_option_trained_their_patches(tmp_path: Path) -> None:
    recipe("full").save(tmp_path)
    path = tmp_path / "config.json"
    assert TrainConfig.load(tmp_path).backbone.freeze_patches
    stored = json.loads(path.read_text())
    del stored["backbone"]["freeze_patches"]
    path.write_text(json.dumps(stored))
    assert not TrainConfig.load(tmp_path).backbone.freeze_patches


def test_paper_recipe_is_the_published_one() -> None:
    config = recipe("paper")
    assert (config.seed, config.epochs, config.image_size) == (42, 100, 224)
    assert (config.optim.name, config.optim.lr, config.optim.clip_norm) == ("adam", 1e-6, 10)
    assert config.optim.patience == 10
    assert config.loss.name == "published_triplet" and config.loss.published_margin == 30
    assert (config.batch.episodes, config.batch.views, config.batch.times) == (1, 2, 3)
    assert (config.paat_loss.weight, config.paat_loss.reduction) == (1.6, "mean")
    assert config.backbone.readout == "class" and not config.head.whiten and not config.head.unit
    assert not config.backbone.freeze_patches


@pytest.mark.slow
def test_paper_recipe_trains(dots: Path, tmp_path: Path) -> None:
    arguments = ["--recipe", "paper", "--method", "paab+paat", "--image-size", "32"]
    arguments += ["--data", str(dots), "--out", str(tmp_path), "--epochs", "1"]
    main([*arguments, "--backbone.depth", "2"])
    assert len(read_history(tmp_path / "metrics.csv")) == 1


def test_what_to_test_on_is_not_guessed_where_another_data_set_is_learned_from(dots: Path) -> None:
    with pytest.raises(OptionError, match="--train-on"):
        resolve(TrainConfig(train_on=dots))
    with pytest.raises(OptionError, match="--train-on"):
        usual_data(GridConfig(train_on=dots))
    assert GridConfig(train_on=dots).data_sets(("can",)) == (Path("data/can"),)


def test_learning_rate_rises_then_falls() -> None:
    config = OptimConfig(warmup=0.1)
    factors = [learning_rate_factor(step, 100, config) for step in range(100)]
    assert 0 < factors[0] < factors[5] < factors[10] == 1.0
    assert factors[10] > factors[50] > factors[99] > 0
    constant = OptimConfig(warmup=0, schedule="constant")
    assert {learning_rate_factor(step, 100, constant) for step in range(100)} == {1.0}


class TestBadInput:
    """Each is refused before training starts, in one line that names the remedy."""

    def refused(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
        with pytest.raises(SystemExit) as stopped:
            main(list(arguments))
        assert stopped.value.code == 2
        return capsys.readouterr().err

    def test_no_data(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        error = self.refused(capsys, "--data", str(tmp_path / "nowhere"), "--out", str(tmp_path))
        assert "nowhere" in error and "sims.generate" in error

    @pytest.mark.slow
    def test_short_episodes(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        splits = {"train": [0], "valid": [1], "test": [2]}
        data = make_data_set(tmp_path / "d", episodes=3, steps=9, size=32, splits=splits)
        run = tmp_path / "run"
        error = self.refused(capsys, "--data", str(data), "--out", str(run), "--loss.window", "4")
        assert "9 time steps" in error and "--loss.window" in error
        assert not run.exists()

    @pytest.mark.slow
    def test_missing_keypoints(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        splits = {"train": [0], "valid": [1], "test": [2]}
        data = make_data_set(tmp_path / "d", episodes=3, size=32, splits=splits)
        for path in (data / "episodes").glob("*.hdf5"):
            with h5py.File(path, "a") as file:
                del file["obs/ego_keypoints"]
        arguments = ("--data", str(data), "--out", str(tmp_path / "run"))
        error = self.refused(capsys, *arguments, "--method", "paab")
        assert "ego" in error and "--method deit" in error

    @pytest.mark.slow
    def test_keypoints_that_are_never_visible(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        splits = {"train": [0], "valid": [1], "test": [2]}
        data = make_data_set(tmp_path / "d", episodes=3, size=32, splits=splits)
        with h5py.File(data / "episodes/000000.hdf5", "a") as file:
            for view in EpisodeDataset(data).views:
                file[f"obs/{view}_visible"][...] = False
        arguments = ("--data", str(data), "--out", str(tmp_path / "run"), "--method", "paat")
        error = self.refused(capsys, *arguments)
        assert f"{data}: no keypoint of ego, view_0" in error and "--method deit" in error

    @pytest.mark.slow
    def test_another_run_in_the_folder(
        self, capsys: pytest.CaptureFixture[str], dots: Path, tmp_path: Path
    ) -> None:
        tiny_config(dots, tmp_path).save(tmp_path)
        error = self.refused(capsys, "--data", str(dots), "--out", str(tmp_path))
        assert "other options" in error and f"--resume {tmp_path}" in error
        assert f"epochs {tiny_config(dots, tmp_path).epochs}" in error

    @pytest.mark.slow
    def test_position_beyond_the_depth(
        self, capsys: pytest.CaptureFixture[str], dots: Path, tmp_path: Path
    ) -> None:
        arguments = ("--data", str(dots), "--out", str(tmp_path / "run"), "--method", "paab")
        error = self.refused(capsys, *arguments, "--backbone.depth", "2", "--paab.positions", "12")
        assert "12" in error and "2 blocks" in error

    @pytest.mark.slow
    def test_two_ways_to_draw_moments(
        self, capsys: pytest.CaptureFixture[str], dots: Path, tmp_path: Path
    ) -> None:
        arguments = ("--data", str(dots), "--out", str(tmp_path / "run"), "--batch.triplets")
        error = self.refused(capsys, *arguments, "--batch.spread")
        assert "--batch.triplets" in error and "--batch.spread" in error
        assert not (tmp_path / "run").exists()

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("option", "value", "nearest"),
        [("--metod", "paab", "--method"), ("--backbone.name", "deit_tiny_patch16_22", "deit_tiny")],
    )
    def test_the_nearest_name_is_told(
        self,
        capsys: pytest.CaptureFixture[str],
        dots: Path,
        tmp_path: Path,
        option: str,
        value: str,
        nearest: str,
    ) -> None:
        error = self.refused(
            capsys, "--data", str(dots), "--out", str(tmp_path / "run"), option, value
        )
        assert nearest in error
