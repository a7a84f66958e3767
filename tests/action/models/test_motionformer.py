"""Trajectory attention and Motionformer agree with the published code; PAAB and PAAT work on it."""

import pytest
import torch
from einops import rearrange

from action.models.trajectory import TrajectoryAttention, tubelet_map
from action.timesformer import TimeSformer, resized_in_space
from action.weights import load_pretrained
from action.weights.names import published_names
from align.engine.checkpoint import OtherModelError
from align.layout import TokenLayout
from align.models.pose_aware import PaabConfig, PaatConfig, PoseAware
from align.paat import mean_pose_loss
from datasets.errors import OptionError
from tests.action.models.reference import assert_agrees, difference, load

VALUES = {
    "projected": ("output_projected_values", "logits_projected_values"),
    "points": ("output_published_values", "logits"),
}


@pytest.mark.parametrize("values", VALUES)
@torch.no_grad()
def test_attention_agrees(values):
    oracle = load("trajectory_attention")
    layout = TokenLayout(4, 3, 3)
    attention = TrajectoryAttention(48, 4, values=values)
    attention.load_state_dict(oracle.weights())
    output = attention(oracle["input"], layout)
    assert_agrees(output, oracle[VALUES[values][0]], 1e-6)
    (other,) = VALUES.keys() - {values}
    assert difference(output, oracle[VALUES[other][0]]) > 1
    q, k, v = rearrange(attention.qkv(oracle["input"])[:, 1:], "b n (p h d) -> p b h n d", p=3, h=4)
    weights = attention.frame_weights(attention.points(q, k, v, layout), layout)
    assert_agrees(weights, oracle["temporal_attention"], 1e-6)


@torch.no_grad()
def test_joint_attention_agrees():
    oracle = load("trajectory_attention")
    block = TimeSformer(48, 16, 4, 0, 48, 1, 4, attention_type="joint_space_time").blocks[0]
    weights = oracle.weights()
    block.attn.load_state_dict({k: v for k, v in weights.items() if not k.startswith("proj_")})
    assert_agrees(block.attn(oracle["input"]), oracle["output_joint_attention"], 1e-6)


def motionformer(values: str, **options) -> TimeSformer:
    return TimeSformer(
        64, 16, 8, 7, 48, 2, 4, attention_type="trajectory", tubelet=2, trajectory_values=values
    ).eval()


@pytest.fixture
def published(request):
    oracle = load("motionformer_tiny")
    model = motionformer(request.param)
    model.load_state_dict(published_names(oracle.weights()))
    return model, oracle


def pixels(values: torch.Tensor) -> torch.Tensor:
    return (values / 255 - 0.5) / 0.5


@pytest.mark.parametrize("published", VALUES, indirect=True)
@torch.no_grad()
def test_network_agrees(published):
    model, oracle = published
    logits = model(pixels(oracle["input"]))
    values = model.blocks[0].attn.values
    assert_agrees(logits, oracle[VALUES[values][1]], 1e-6)
    if values == "projected":
        return
    clips = pixels(oracle["input"])
    tokens = model.embed(clips)
    assert_agrees(tokens, oracle["tokens_before_block_1"], 1e-6)
    tokens = model.run_block(0, tokens, model.layout(clips))
    assert_agrees(tokens, oracle["tokens_after_block_1"], 1e-6)
    features = PoseAware(model)(clips).embedding
    assert_agrees(features, oracle["pre_logits"], 1e-6)
    assert_agrees(model(pixels(oracle["crop32.input"])), oracle["crop32.logits"], 1e-6)


@pytest.mark.parametrize("side", [7, 8, 16])
def test_positions_are_resized_as_published(side):
    oracle = load("motionformer_tiny")
    grid = rearrange(oracle["resize_grid14"], "1 r c d -> 1 (r c) d")
    position = torch.cat([torch.zeros(1, 1, 4), grid], dim=1)
    resized = resized_in_space(position, 14, TokenLayout(1, side, side), "bicubic")
    expected = rearrange(oracle[f"resize14to{side}"], "1 r c d -> 1 (r c) d")
    assert_agrees(resized[:, 1:], expected, 1e-6)


def test_a_tubelets_map_is_the_union_of_its_frames():
    pose_map = torch.zeros(1, 4, 6, dtype=torch.bool)
    pose_map[0, 1, 2] = pose_map[0, 2, 4] = True
    joined = tubelet_map(pose_map, 2)
    assert joined.nonzero().tolist() == [[0, 0, 2], [0, 1, 4]]
    assert torch.equal(tubelet_map(pose_map, 1), pose_map)


def test_paab_changes_what_paat_learns_from_on_motionformer():
    torch.manual_seed(0)
    backbone = TimeSformer(
        32, 16, 4, embed_dim=24, depth=2, num_heads=3, attention_type="trajectory", tubelet=2
    )
    model = PoseAware(backbone, PaabConfig((1,)), PaatConfig((1,)), num_keypoints=5).train()
    clips = torch.randn(2, 3, 4, 32, 32)
    pose_map = tubelet_map(torch.rand(2, 4, 4, 5) < 0.2, 2)
    output = model(clips, pose_map)
    assert output.pose_logits[1].shape == (2, 2, 4, 5)
    loss = mean_pose_loss(output.pose_logits, pose_map, "mean") + output.embedding.square().mean()
    loss.backward()
    unused = [n for n, p in model.named_parameters() if p.grad is None and "head" not in n]
    assert not unused
    other = model.eval()(clips, ~pose_map)
    assert not torch.allclose(model(clips, pose_map).embedding, other.embedding)


def test_frames_must_fill_tubelets():
    with pytest.raises(OptionError, match="tubelets of 2"):
        TimeSformer(32, 16, 3, embed_dim=24, num_heads=3, depth=1, tubelet=2)


def test_published_weights_are_loaded_at_another_size(tmp_path):
    oracle = load("motionformer_tiny")
    file = tmp_path / "motionformer.pyth"
    torch.save({"model_state": oracle.weights()}, file)
    model = TimeSformer(
        32, 16, 8, 7, 48, 2, 4, attention_type="trajectory", tubelet=2, trajectory_values="points"
    ).eval()
    load_pretrained(model, file)
    with torch.no_grad():
        assert_agrees(model(pixels(oracle["crop32.input"])), oracle["crop32.logits"], 1e-6)
    with pytest.raises(OtherModelError, match="use --model motionformer"):
        load_pretrained(TimeSformer(64, 16, 8, 7, 48, 2, 4, tubelet=2), file)
