"""Pose-free PAAB: maps from PAAT's prediction, given in training, none at inference."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from align.models.config import ModelConfig, PaabConfig, PaatConfig, PoseFreeConfig
from align.models.pose_aware import PoseAware, build_model
from align.models.predicted_pose import any_keypoint, mixed_map, predicted_map
from datasets.errors import OptionError


def logits_of(probabilities: list[list[float]]) -> Tensor:
    return torch.tensor(probabilities).logit()[None, None]


def test_a_patch_holds_any_keypoint_with_the_probability_that_not_all_are_missing() -> None:
    logits = logits_of([[0.5, 0.5], [0.1, 0.0001], [0.9, 0.2]])
    expected = [0.75, 1 - 0.9 * 0.9999, 1 - 0.1 * 0.8]
    assert any_keypoint(logits).flatten().tolist() == pytest.approx(expected, rel=1e-4)
    one = logits_of([[0.3], [0.6], [0.9]])
    assert any_keypoint(one).flatten().tolist() == pytest.approx([0.3, 0.6, 0.9])


def test_patches_are_taken_by_threshold_or_by_rank() -> None:
    logits = logits_of([[0.3], [0.6], [0.9], [0.1]])
    by_threshold = predicted_map(logits, PoseFreeConfig(threshold=0.5)).flatten()
    assert by_threshold.tolist() == [False, True, True, False]
    by_rank = predicted_map(logits, PoseFreeConfig(top_k=3)).flatten()
    assert by_rank.tolist() == [True, True, True, False]
    assert predicted_map(logits, PoseFreeConfig(top_k=9)).all()


def test_maps_are_mixed_image_by_image() -> None:
    given, predicted = torch.ones(400, 1, 4).bool(), torch.zeros(400, 1, 4).bool()
    assert torch.equal(mixed_map(given, predicted, 0.0), given)
    assert torch.equal(mixed_map(given, predicted, 1.0), predicted)
    torch.manual_seed(0)
    mixed = mixed_map(given, predicted, 0.25).flatten(1)
    assert torch.equal(mixed.any(1), mixed.all(1))
    assert mixed.float().mean().item() == pytest.approx(0.75, abs=0.06)


def build(pose_free: PoseFreeConfig, **options: object) -> PoseAware:
    torch.manual_seed(0)
    parts = {"paab": PaabConfig(), "paat": PaatConfig()} | options
    return build_model(
        ModelConfig(image_size=48, depth=3, num_keypoints=4, pose_free=pose_free, **parts)
    )


def images() -> Tensor:
    return torch.randn(3, 3, 48, 48, generator=torch.Generator().manual_seed(1))


def test_at_inference_it_needs_no_poses_and_takes_the_prediction() -> None:
    free = PoseFreeConfig(top_k=2)
    model = build(free).eval()
    assert not model.needs_pose
    output = model(images())
    pose_map = predicted_map(output.pose_logits[1], free)
    assert pose_map.sum(-1).eq(2).all()
    torch.manual_seed(0)
    given_a_map = build_model(
        ModelConfig(image_size=48, depth=3, num_keypoints=4, paab=PaabConfig(), paat=PaatConfig())
    )
    given_a_map.load_state_dict(model.state_dict())
    assert torch.equal(given_a_map.eval()(images(), pose_map).embedding, output.embedding)
    # A map that is given nevertheless changes nothing.
    assert torch.equal(model(images(), ~pose_map).embedding, output.embedding)


def test_training_takes_the_given_map_unless_mixed() -> None:
    given = torch.zeros(3, 9, dtype=torch.bool)
    given[:, 4] = True
    follows = build(PoseFreeConfig(top_k=2))
    other = given.roll(1, dims=1)
    assert not torch.equal(follows(images(), given).embedding, follows(images(), other).embedding)
    predicts = build(PoseFreeConfig(top_k=2, mix=1.0))
    assert torch.equal(predicts(images(), given).embedding, predicts(images(), other).embedding)
    with pytest.raises(ValueError, match="pose_map="):
        follows(images())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"paat": None}, "PAAB and PAAT"),
        ({"paab": None}, "PAAB and PAAT"),
        ({"paab": PaabConfig(positions=(1,)), "paat": PaatConfig(positions=(2,))}, "after block 2"),
    ],
)
def test_a_paab_without_a_prediction_is_refused(options: dict, named: str) -> None:
    with pytest.raises(OptionError, match=named):
        build(PoseFreeConfig(), **options)


@pytest.mark.parametrize("options", [{"threshold": 1.5}, {"mix": -0.1}, {"top_k": 0}])
def test_options_out_of_range_are_refused(options: dict) -> None:
    name = next(iter(options)).replace("_", "-")
    with pytest.raises(OptionError, match=f"--pose-free.{name}"):
        PoseFreeConfig(**options)
