"""Unpaired videos: what is drawn, what trains, what is measured, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from align.comparing.grid import check_views
from align.config import TrainConfig
from align.evaluate import evaluate
from align.evaluate import run as run_command
from align.inputs.sampling import BatchConfig
from align.inputs.unpaired import UnpairedSamples
from align.losses.config import UNPAIRED_LOSSES, LossConfig, LossName
from align.metrics.names import GROUPS
from align.plan import RunPlan
from align.results.evaluation import load_evaluation
from align.results.summary import summary_table
from align.train import make_trainer
from align.unpaired import UnpairedTask
from datasets.convert import ConvertConfig, convert
from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError, OptionError
from tests.align.conftest import tiny_config
from tests.datasets.unpaired_files import make_unpaired


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("unpaired")
    convert(ConvertConfig(make_unpaired(root / "ae2"), root / "dots", "episodes"))
    return root / "dots"


def config(videos: Path, out: Path, name: LossName = "time_reversed", **changes) -> TrainConfig:
    return replace(tiny_config(videos, out, epochs=1, **changes), loss=LossConfig(name))


def samples(videos: Path, **changes: int) -> UnpairedSamples:
    data = EpisodeDataset(videos, "train")
    return UnpairedSamples(data, BatchConfig(times=6, **changes), 32, 2, 16, seed=3)


@pytest.mark.slow
def test_an_item_shows_two_videos_each_at_times_of_its_own(videos: Path) -> None:
    drawn = samples(videos)
    item = drawn[0]
    first, other = drawn.episodes_of(0)
    assert item["frames"].shape == (2, 6, 3, 32, 32)
    assert item["times"].shape == (2, 6) and not torch.equal(*item["times"])
    assert item["episode"] == first != other
    native = UnpairedSamples(drawn.data, drawn.config, 48, 2, 16, seed=3)[0]
    for place, i in enumerate((first, other)):
        shown = drawn.data.images(i, "video", item["times"][place].numpy())
        np.testing.assert_array_equal(native["frames"][place].permute(0, 2, 3, 1).numpy(), shown)


def test_every_pass_takes_each_video_once_as_the_first_one(videos: Path) -> None:
    drawn = samples(videos)
    for start in (0, 8):
        items = [drawn.episodes_of(item) for item in range(start, start + 8)]
        assert sorted(first for first, _ in items) == list(range(8))
        assert all(first != other for first, other in items)


def test_a_comparison_may_take_more_videos_but_not_more_than_there_are(videos: Path) -> None:
    drawn = samples(videos, views=4)
    assert drawn[0]["frames"].shape[0] == 4
    assert len(set(drawn.episodes_of(0))) == 4
    with pytest.raises(OptionError, match="has 8 videos"):
        samples(videos, views=9)
    with pytest.raises(OptionError, match="at least 2"):
        samples(videos, views=1)


@pytest.fixture(scope="module")
def run(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    options = config(videos, folder)
    make_trainer(replace(options, epochs=5, validate_every=5), progress=False).fit()
    return folder


@pytest.mark.slow
def test_training_puts_the_moments_of_other_videos_in_order(run: Path, capsys) -> None:
    run_command((run,))
    printed = capsys.readouterr().out
    assert "unpaired videos)" in printed and "AP@10, ego to exo" in printed
    assert "align.report" not in printed  # which would refuse the run
    evaluation = load_evaluation(run)
    assert evaluation.labelled_episodes == 8
    assert evaluation.pairs == []
    metrics = evaluation.metrics
    assert metrics["unpaired_tau"] > 0.5
    assert metrics["unpaired_f1"] > 0.5
    titled = {name for group in GROUPS for name in group.metrics}
    assert metrics.keys() == {name for name in titled if name.startswith("unpaired_")}


@pytest.mark.slow
def test_without_labels_the_order_and_retrieval_are_measured(run: Path) -> None:
    metrics = evaluate(run, "valid", progress=False, labelled_episodes=0).metrics
    assert "unpaired_f1" not in metrics and "unpaired_ap10" in metrics


@pytest.mark.slow
def test_unpaired_runs_are_in_no_table_of_alignment_errors(run: Path, videos: Path) -> None:
    evaluation = evaluate(run, progress=False)
    with pytest.raises(MismatchError, match="unpaired videos, which have no alignment error"):
        summary_table([evaluation])
    with pytest.raises(MismatchError, match=r"with align\.train and align\.evaluate"):
        check_views([config(videos, run)])


@pytest.mark.slow
def test_a_run_of_synchronized_views_is_measured_on_unpaired_videos(
    dots: Path, videos: Path, tmp_path: Path
) -> None:
    make_trainer(tiny_config(dots, tmp_path, epochs=1), progress=False).fit()
    metrics = evaluate(tmp_path, progress=False, data=videos).metrics
    assert "unpaired_tau" in metrics and "alignment_error" not in metrics


@pytest.mark.slow
@pytest.mark.parametrize("name", UNPAIRED_LOSSES)
def test_losses_of_sequences_take_a_step(videos: Path, tmp_path: Path, name: LossName) -> None:
    task = make_trainer(config(videos, tmp_path, name), progress=False).task
    assert isinstance(task, UnpairedTask)
    (batch,) = task.loader(0, 1)
    loss, _ = task.loss(task.model, batch, 0)
    loss.backward()
    assert loss.isfinite()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in task.model.parameters())


@pytest.mark.parametrize("name", ["contrastive", "n_pairs", "margin_triplet", "published_triplet"])
def test_losses_of_one_moment_are_refused(videos: Path, tmp_path: Path, name: LossName) -> None:
    with pytest.raises(OptionError, match=rf"loss {name} compares.*take one of --loss\.name"):
        RunPlan.load(config(videos, tmp_path, name))


def test_methods_of_the_same_moment_are_refused(videos: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--method tcn chooses it: take deit"):
        RunPlan.load(config(videos, tmp_path, method="tcn"))
    with pytest.raises(OptionError, match="--method disentangle exchanges"):
        RunPlan.load(config(videos, tmp_path, method="disentangle"))
    RunPlan.load(config(videos, tmp_path, method="tcn-single"))


def test_no_view_can_be_held_out(videos: Path, tmp_path: Path) -> None:
    with pytest.raises(MismatchError, match="leave out --protocol unseen"):
        RunPlan.load(config(videos, tmp_path, protocol="unseen"))


@pytest.mark.slow
def test_two_videos_are_needed_to_validate(tmp_path: Path) -> None:
    few = make_unpaired(tmp_path / "ae2", {"train": 1, "val": 1, "test": 1})
    (few / "exo/val.csv").write_text("")
    convert(ConvertConfig(few, tmp_path / "dots", "episodes"))
    with pytest.raises(MismatchError, match="has 1 video to validate on"):
        make_trainer(config(tmp_path / "dots", tmp_path / "run"), progress=False)
