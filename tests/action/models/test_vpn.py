"""VPN agrees with the published code, as described and as published."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from action.models.graphs import GRAPHS, NTU25
from action.models.vpn import (
    PoseCode,
    Vpn,
    VpnCoupler,
    attention_regulariser,
    embedding_loss,
    sample_moments,
    vpn_loss,
    weighted_filter,
)
from tests.action.models.reference import assert_agrees, difference, fill, load, tensors_of


@pytest.fixture(scope="module")
def oracle():
    return load("vpn")


@pytest.fixture(scope="module")
def coupler(oracle):
    coupler = VpnCoupler(60).eval()
    fill(tensors_of(coupler), oracle.parameters, oracle.configuration["gain"])
    return coupler


@pytest.fixture(scope="module")
def features(oracle):
    drawn = np.random.RandomState(4001).standard_normal((2, 2, 7, 7, 1024))
    video = np.abs(drawn).astype(np.float32) * np.float32(0.5)
    video = video * ((1 + np.arange(7, dtype=np.float32)) / 4)[None, None, :, None, None]
    video = torch.from_numpy(video)
    assert_agrees(video[..., :4], oracle["video_first_channels"])
    return video.permute(0, 4, 1, 2, 3).contiguous()


def test_the_graph_agrees(oracle):
    assert_agrees(weighted_filter(NTU25), oracle["graph_filters"][25:])
    assert torch.equal(torch.eye(25), oracle["graph_filters"][:25])


@pytest.mark.slow
@torch.no_grad()
def test_the_pose_code_agrees(oracle, coupler):
    pose_map = coupler.pose.pose_map(oracle["pose"])
    assert_agrees(pose_map[:, :2], oracle["pose_map"], 5e-7)
    assert_agrees(coupler.pose(oracle["pose"]), oracle["pose_code"], 5e-7)


@pytest.mark.slow
@torch.no_grad()
def test_attention_embedding_and_losses_agree(oracle, coupler, features):
    output = coupler(features, oracle["pose"])
    assert_agrees(output.spatial, oracle["spatial_attention"], 5e-7)
    assert_agrees(output.temporal, oracle["temporal_attention"], 5e-7)
    assert_agrees(output.video_embedding, oracle["embedding_video"], 5e-7)
    assert_agrees(output.pose_embedding, oracle["embedding_pose"], 5e-7)
    assert_agrees(embedding_loss(output)[None], oracle["embedding_loss"])
    each = attention_regulariser(output.spatial) + attention_regulariser(output.temporal)
    assert_agrees(each, oracle["attention_regulariser_each"])


@pytest.mark.parametrize("layout", ["described", "published"])
@torch.no_grad()
def test_logits_agree_in_both_layouts(oracle, coupler, features, layout):
    coupler.layout = layout
    output = coupler(features, oracle["pose"])
    attention = coupler.attention(output.spatial, output.temporal)
    coupler.layout = "described"
    assert_agrees(attention, oracle[f"attention_{layout}_layout"], 5e-7)
    assert_agrees(output.logits.softmax(1), oracle[f"probabilities_{layout}"], 5e-7)
    suffix = "_described" if layout == "described" else ""
    first = coupler.head(coupler.weigh(features, attention))
    assert_agrees(first, oracle[f"logits_before_second_classifier{suffix}"], 5e-7)
    if layout == "described":
        assert difference(attention, oracle["attention_published_layout"]) > 0.1
    else:
        cross_entropy = F.cross_entropy(output.logits, oracle["labels"])
        assert_agrees(cross_entropy[None], oracle["cross_entropy"])
        regulariser = attention_regulariser(output.spatial) + attention_regulariser(output.temporal)
        total = vpn_loss(output, oracle["labels"]) - regulariser.mean()
        assert_agrees(total[None], oracle["total_without_regulariser"])


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=lambda graph: graph.name)
def test_the_pose_code_takes_every_skeleton(graph):
    assert PoseCode(graph)(torch.randn(2, 16, graph.joints, 3)).shape == (2, 128)


@pytest.mark.slow
def test_every_weight_learns_at_a_small_size():
    graph = GRAPHS["smarthome15"]
    model = Vpn(7, graph, frames=16, image_size=64).eval()
    joints = torch.randn(2, 3, 16, graph.joints, 1)
    output = model(torch.randn(2, 3, 16, 64, 64), joints)
    assert output.logits.shape == (2, 7)
    vpn_loss(output, torch.tensor([1, 2])).backward()
    assert all(p.grad is not None for p in model.parameters())


def test_moments_are_one_of_each_part_about_the_first_spine():
    joints = torch.arange(36.0)[:, None, None].expand(36, 25, 3).clone()
    moments = sample_moments(joints + 5, torch.Generator().manual_seed(0))[:, 0, 0]
    assert torch.equal(moments // 2, torch.arange(16.0))
    assert len(sample_moments(joints[:9])) == 16
    filled = sample_moments(joints[:28] + 1, torch.Generator().manual_seed(0))[:, 0, 0]
    assert torch.equal(filled[14:], torch.zeros(2))
