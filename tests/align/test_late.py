"""Trainings of late pose: its trunk, its weight, and what it needs after training."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from align.comparing.grid import plan, run_one
from align.config import TrainConfig
from align.embedder import FrameEmbedder
from align.engine.checkpoint import MissingCheckpointError
from align.engine.run_folder import RunFolder
from align.evaluate import evaluate
from align.late import WEIGHTS, choose_weight
from align.losses.distillation import distillation
from align.models.config import LateConfig
from align.models.encoder import LateEncoder
from align.train import make_trainer
from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError, OptionError
from tests.align.conftest import tiny_config
from tests.align.models.test_late_pose import late

SMALL = LateConfig(hidden=32, dim=16, channels=8)


def train(config: TrainConfig) -> dict[str, Tensor]:
    """Trains a run and returns its last weights."""
    make_trainer(config, progress=False).fit()
    assert config.out is not None
    return load_file(RunFolder(config.out).checkpoint("last"))


def trunk(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n: v for n, v in weights.items() if n.startswith(("model.backbone.", "model.whiten."))}


@pytest.fixture(scope="module")
def deit(dots: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("late") / "deit"
    train(tiny_config(dots, out, "deit", epochs=1))
    return out


@pytest.mark.slow
def test_the_trunk_learns_to_the_bit_as_it_does_alone(
    dots: Path, deit: Path, tmp_path: Path
) -> None:
    weights = train(tiny_config(dots, tmp_path / "late", "late", epochs=1, late=SMALL))
    alone = trunk(load_file(RunFolder(deit).checkpoint("last")))
    joint = trunk(weights)
    assert alone.keys() == joint.keys()
    for name, value in alone.items():
        assert torch.equal(value, joint[name]), name


@pytest.mark.slow
def test_a_trained_trunk_serves_late_pose_unchanged(dots: Path, deit: Path, tmp_path: Path) -> None:
    frozen = replace(SMALL, freeze_trunk=True)
    config = tiny_config(dots, tmp_path / "l", "late-predicted", epochs=1, late=frozen, init=deit)
    weights = train(config)
    # The best checkpoint of the run that it starts from.
    for name, value in trunk(load_file(RunFolder(deit).checkpoint("best"))).items():
        assert torch.equal(value, weights[name]), name
    with pytest.raises(OptionError, match="--init"):
        make_trainer(tiny_config(dots, tmp_path / "x", "late", late=frozen), progress=False)
    with pytest.raises(OptionError, match="late-distilled"):
        options = {"late": frozen, "init": deit}
        make_trainer(tiny_config(dots, tmp_path / "y", "late-distilled", **options), progress=False)


@pytest.mark.slow
def test_a_grid_takes_the_trunk_of_each_seed_from_the_run_beside_it(
    dots: Path, deit: Path, tmp_path: Path
) -> None:
    frozen = replace(SMALL, freeze_trunk=True)
    common = tiny_config(dots, tmp_path, epochs=1, late=frozen)
    planned = plan(common, [dots], ["seen"], ["deit", "tcn+late"], [0, 1], tmp_path, "b")
    names = [(c.out.name, c.init and c.init.name) for c in planned if c.out]
    assert names[1::2] == [("tcn_late_b_seed0", "tcn_b_seed0"), ("tcn_late_b_seed1", "tcn_b_seed1")]
    assert names[::2] == [("deit_b_seed0", None), ("deit_b_seed1", None)]
    (late,) = plan(common, [dots], ["seen"], ["late"], [0], tmp_path)
    assert late.init is not None and late.out is not None
    with pytest.raises(MissingCheckpointError, match="deit_seed0"):
        run_one(late, 0)
    stopped = shutil.copytree(deit, late.init)
    RunFolder(stopped).checkpoint("last").unlink()
    with pytest.raises(MismatchError, match=r"--resume .*deit_seed0"):
        run_one(late, 0)


@pytest.mark.slow
def test_a_predicted_pose_needs_no_keypoints_after_training(dots: Path, tmp_path: Path) -> None:
    train(tiny_config(dots, tmp_path, "late-predicted", epochs=1, late=SMALL))
    embedder = FrameEmbedder.load(tmp_path)
    assert isinstance(embedder.model, LateEncoder)
    assert embedder.model.weight.item() in [pytest.approx(weight) for weight in WEIGHTS]
    data = EpisodeDataset(dots, "test")
    by_data = embedder.embed_episode(data, 0)["ego"]
    by_video = embedder.embed_frames(data.images(0, "ego"))
    assert torch.equal(by_data, by_video)
    assert evaluate(tmp_path, progress=False, labelled_episodes=0).metrics["alignment_error"] < 0.08


@pytest.mark.slow
def test_given_keypoints_change_the_embedding(dots: Path, tmp_path: Path) -> None:
    config = tiny_config(
        dots, tmp_path, "late", epochs=1, late=LateConfig(hidden=32, dim=16, weight=1)
    )
    train(config)
    embedder = FrameEmbedder.load(tmp_path)
    data = EpisodeDataset(dots, "test")
    frames, poses = data.images(0, "ego"), embedder.view_inputs(data, 0, "ego")
    assert poses.keypoints is not None
    hidden = poses._replace(keypoints=torch.zeros_like(poses.keypoints))
    assert not torch.equal(
        embedder.embed_frames(frames, poses), embedder.embed_frames(frames, hidden)
    )
    with pytest.raises(ValueError, match="keypoints"):
        embedder.embed_frames(frames)


@pytest.mark.slow
def test_a_distilled_trunk_is_used_alone(dots: Path, deit: Path, tmp_path: Path) -> None:
    weights = train(tiny_config(dots, tmp_path, "late-distilled", epochs=1, late=SMALL))
    embedder = FrameEmbedder.load(tmp_path)
    assert isinstance(embedder.model, LateEncoder)
    frames = EpisodeDataset(dots, "test").images(0, "ego")
    assert embedder.embed_frames(frames).shape[-1] == embedder.model.trunk_dim
    alone = trunk(load_file(RunFolder(deit).checkpoint("last")))
    assert any(not torch.equal(value, weights[name]) for name, value in alone.items())


def test_the_weight_with_the_least_error_is_chosen() -> None:
    encoder = late().eval()
    torch.manual_seed(0)
    noise = [torch.randn(30, encoder.trunk_dim) for _ in range(2)]
    keypoints = torch.randn(30, 8)
    # The trunk knows nothing, the keypoints everything.
    knowing = {str(i): torch.cat([z, keypoints], dim=-1) for i, z in enumerate(noise)}
    choose_weight(encoder, [knowing])
    assert encoder.weight.item() > 1
    trunk_part = torch.randn(30, encoder.trunk_dim)
    other = {str(i): torch.cat([trunk_part, z[:, :8]], dim=-1) for i, z in enumerate(noise)}
    choose_weight(encoder, [other])
    assert encoder.weight.item() < 1


def test_distillation_draws_the_student_to_the_joint_embedding() -> None:
    torch.manual_seed(0)
    student, partner = (F.normalize(torch.randn(1, 2, 5, 4), dim=-1) for _ in range(2))
    for other, moves in ((student.clone(), False), (partner, True)):
        learning, teaching = student.clone().requires_grad_(), other.clone().requires_grad_()
        distillation(learning, teaching, 0.1).backward()
        assert teaching.grad is None and learning.grad is not None
        assert (learning.grad.abs().max() > 1e-4) == moves
