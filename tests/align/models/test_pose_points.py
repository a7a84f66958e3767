"""Keypoints that PAAT predicts, as coordinates in the embedding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from align.config import PoseMapConfig
from align.embedder import FrameEmbedder
from align.methods import Method
from align.models.config import ModelConfig, PaabConfig, PaatConfig, TcnConfig
from align.models.pose_aware import build_model
from align.models.pose_points import PosePoints, pose_points
from align.models.tcn import TcnNetwork
from align.plan import RunPlan
from align.pose import pose_map_3d, soft_pose_map
from datasets.errors import OptionError
from datasets.storage.meta import DatasetMeta
from tests.align.conftest import tiny_config


def images() -> Tensor:
    return torch.randn(3, 3, 48, 64, generator=torch.Generator().manual_seed(1))


def test_a_certain_prediction_gives_the_middle_of_its_patch() -> None:
    # Pixels (40, 20) and (5, 44) of 48 x 64, patches of 16: column 2 of row 1, column 0 of row 2.
    keypoints = torch.tensor([[[40.0, 20.0], [5.0, 44.0], [-1.0, 3.0]]])
    truth = pose_map_3d(keypoints, (48, 64), 16)
    points = pose_points(truth.float(), rows=3, cols=4)[0]
    torch.testing.assert_close(points[0], torch.tensor([1 / 3, 0.0, 1.0]))
    torch.testing.assert_close(points[1], torch.tensor([-1.0, 1.0, 1.0]))
    # The third is outside of the image: nowhere, so in the middle with probability 0.
    torch.testing.assert_close(points[2], torch.tensor([0.0, 0.0, 0.0]))


def test_an_uncertain_prediction_lies_between() -> None:
    left, right = 0.5, 0.9
    x, y, there = pose_points(torch.tensor([[[left], [right]]]), rows=1, cols=2)[0, 0].tolist()
    assert x == pytest.approx((right - left) / (right + left)) and y == 0
    assert there == pytest.approx(left + right)


def test_the_soft_map_gives_a_keypoint_back() -> None:
    torch.manual_seed(0)
    # Between the middles of the outermost patches: 8 to 56 and 8 to 40 pixels of 64 x 48.
    keypoints = torch.rand(5, 7, 2) * torch.tensor([48.0, 32.0]) + 8
    weights = soft_pose_map(keypoints, (48, 64), 16)
    assert weights.shape == (5, 12, 7)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(5, 7))
    assert (weights > 0).sum(dim=1).max() <= 4
    points = pose_points(weights, rows=3, cols=4)
    middle, reach = torch.tensor([32.0, 24.0]), torch.tensor([24.0, 16.0])
    torch.testing.assert_close(points[..., :2] * reach + middle, keypoints, atol=1e-3, rtol=0)


def test_the_soft_map_leaves_out_what_marks_nothing() -> None:
    keypoints = torch.tensor([[[20.0, 20.0], [20.0, 20.0], [64.0, 5.0], [torch.nan, 3.0]]])
    visible = torch.tensor([[True, False, True, True]])
    weights = soft_pose_map(keypoints, (48, 64), 16, visible)
    assert weights.sum(dim=1).tolist() == [[1, 0, 0, 0]]
    # In the corner beyond the middle of its patch, a keypoint is all in it.
    assert soft_pose_map(torch.tensor([[1.0, 2.0]]), (48, 64), 16)[0, 0] == 1


def test_the_embedding_learns_of_the_points_at_inference_too() -> None:
    torch.manual_seed(0)
    config = ModelConfig(
        image_size=(48, 64), depth=2, num_keypoints=4, paat=PaatConfig(points=True), readout="mean"
    )
    model = build_model(config)
    assert model.embed_dim == 2 * 192 and not model.needs_pose
    for training in (True, False):
        output = model.train(training)(images())
        assert isinstance(model.points, PosePoints)
        expected = model.points(output.pose_logits[1].squeeze(1).sigmoid(), 3, 4)
        torch.testing.assert_close(output.embedding[:, 192:], expected)
    # The primary loss reaches PAAT through them.
    output.embedding.sum().backward()
    assert model.paat["1"].classify.weight.grad.abs().max() > 0


def test_paab_hands_on_the_points_that_it_is_given() -> None:
    torch.manual_seed(0)
    config = ModelConfig(
        image_size=(48, 64), depth=2, num_keypoints=4, paab=PaabConfig(points=True), readout="mean"
    )
    model = build_model(config).eval()
    assert model.needs_pose and model.embed_dim == 2 * 192
    keypoints = torch.rand(3, 4, 2) * torch.tensor([64.0, 48.0])
    given = soft_pose_map(keypoints, (48, 64), 16)
    output = model(images(), given)
    assert isinstance(model.points, PosePoints) and not output.pose_logits
    torch.testing.assert_close(output.embedding[:, 192:], model.points(given, 3, 4))
    # Otherwise it is the PAAB that attends to the patches around the keypoints.
    torch.manual_seed(0)
    plain = build_model(replace(config, paab=PaabConfig())).eval()
    expected = plain(images(), (given > 0).any(-1)).embedding
    torch.testing.assert_close(output.embedding[:, :192], expected)
    with pytest.raises(ValueError, match="channel per keypoint"):
        model(images(), (given > 0).any(-1))


def test_tcn_takes_the_points_beside_its_own() -> None:
    torch.manual_seed(0)
    network = TcnNetwork(
        TcnConfig(channels=16, hidden=32), paat=PaatConfig(points=True), num_keypoints=4
    ).eval()
    output = network(images())
    found = pose_points(output.pose_logits[1].squeeze(1).sigmoid(), 6, 8)
    places = torch.cat([output.points.flatten(1), found.flatten(1)], dim=1)
    torch.testing.assert_close(output.embedding, network.head(places))


def test_points_need_a_channel_per_keypoint() -> None:
    with pytest.raises(OptionError, match="--paat.points"):
        PaatConfig(points=True, target="p2d")
    with pytest.raises(OptionError, match="keypoints"):
        build_model(ModelConfig(image_size=48, depth=1, paab=PaabConfig(points=True)))


@pytest.mark.parametrize("method", ["paab-points", "paat-points"])
def test_controls_of_pose_maps_are_refused_where_they_change_nothing(
    dots: Path, tmp_path: Path, method: Method
) -> None:
    config = tiny_config(dots, tmp_path, method, pose_map=PoseMapConfig(random=True))
    with pytest.raises(ValueError, match=f"--pose-map .*{method}"):
        FrameEmbedder(RunPlan.of(config, DatasetMeta.load(dots)))
