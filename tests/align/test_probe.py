"""The analysis of tokens: known answers, agreement with the model, and no trace left on it."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image
from timm.layers import Attention

from action.timesformer import TimeSformer
from align.analyze import run as run_command
from align.embedder import FrameEmbedder
from align.engine.checkpoint import save_checkpoint
from align.models.backbones import create_timm_backbone
from align.models.config import PaabConfig, PaatConfig
from align.models.pose_aware import PoseAware
from align.plan import RunPlan
from align.probe import (
    FeatureProbe,
    NothingProbedError,
    attention_counts,
    attention_weights,
    evenly,
    received_attention,
    token_distances,
)
from align.results.analysis import load_analysis, load_maps, save_analysis
from datasets.storage.meta import DatasetMeta
from tests.align.conftest import tiny_config

KEYPOINTS = 3


def models():
    torch.manual_seed(0)
    vit = create_timm_backbone("deit_tiny_patch16_224", 32, depth=2)
    yield PoseAware(vit, PaabConfig(), PaatConfig(), KEYPOINTS), torch.randn(2, 3, 32, 32), 1
    for kind in ("divided_space_time", "joint_space_time", "space_only"):
        video = TimeSformer(32, 16, 3, embed_dim=24, depth=2, num_heads=3, attention_type=kind)
        clips = torch.randn(2, 3, 3, 32, 32)
        yield PoseAware(video, PaabConfig(), PaatConfig(), KEYPOINTS), clips, 3


def pose_maps(frames: int) -> torch.Tensor:
    pose_map = torch.zeros(2, frames, 4, KEYPOINTS, dtype=torch.bool)
    pose_map[:, :, 0, 0] = pose_map[:, :, 2, 1] = True
    return pose_map


def test_distances_of_known_answers():
    # Keypoint 0 points along x, keypoint 1 along y; of the rest one is along x, one against it.
    tokens = torch.tensor([[[[2.0, 0.0], [0.0, 3.0], [1.0, 0.0], [-5.0, 0.0]]]])
    pose_map = torch.zeros(1, 1, 4, 3, dtype=torch.bool)
    pose_map[0, 0, 0, 0] = pose_map[0, 0, 1, 1] = True
    pose, keypoints = token_distances(tokens, pose_map)
    assert pose.item() == pytest.approx((0 + 2 + 1 + 1) / 4)
    assert keypoints[0, 0, :2].tolist() == pytest.approx([1, 1])
    assert keypoints[0, 0, 2].isnan()
    assert token_distances(tokens, torch.zeros_like(pose_map))[0].isnan().all()


def test_distance_is_the_mean_over_all_pairs():
    tokens = torch.randn(1, 1, 6, 5, generator=torch.Generator().manual_seed(0))
    pose_map = torch.zeros(1, 1, 6, 1, dtype=torch.bool)
    pose_map[0, 0, :2] = True
    pairs = [
        1 - torch.cosine_similarity(tokens[0, 0, i], tokens[0, 0, j], dim=0)
        for i in range(2)
        for j in range(2, 6)
    ]
    expected = torch.stack(pairs).mean()
    assert torch.allclose(token_distances(tokens, pose_map)[0], expected, atol=1e-6)


def test_attention_weights_are_those_of_the_layer():
    torch.manual_seed(0)
    layer, tokens = Attention(12, 3), torch.randn(2, 5, 12)
    value = layer.qkv(tokens).unflatten(-1, (3, 3, 4))[:, :, 2].transpose(1, 2)
    added = (attention_weights(layer, tokens) @ value).transpose(1, 2).flatten(2)
    assert torch.allclose(layer.proj(added), layer(tokens), atol=1e-6)


def test_attention_is_counted_in_bins():
    weights = torch.tensor([0.0, 5e-5, 1e-4, 5e-3, 0.05, 0.1, 1.0])
    assert attention_counts(weights).tolist() == [2, 1, 1, 1, 2]


@pytest.mark.parametrize("case", range(4))
@torch.no_grad()
def test_every_layer_of_every_backbone_is_measured(case, tmp_path):
    model, images, frames = list(models())[case]
    model.eval()
    pose_map = pose_maps(frames)
    attended = pose_map.any(-1) if images.ndim == 5 else pose_map.any(-1)[:, 0]
    made = {}
    hooks = [
        module.register_forward_hook(lambda _, __, output, key=key: made.update({key: output}))
        for i, block in enumerate(model.backbone.blocks)
        for key, module in (((i, "block"), block), ((i, "mlp"), block.mlp))
    ]
    plain = model(images, attended)
    for hook in hooks:
        hook.remove()
    with FeatureProbe(model) as probe:
        assert torch.equal(model(images, attended).tokens, plain.tokens)
        probe.take(pose_map)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    result = probe.result()
    assert len(result.pose_distance) == len(result.ffn_distance) == len(result.attention) == 2
    assert all(0 < value < 2 for value in result.pose_distance)
    # What the feed-forward network was given is what comes out of its block without what it added.
    for i, change in enumerate(result.ffn_distance):
        after = made[i, "block"]
        added = made[i, "mlp"].reshape(after.shape)
        similarity = torch.nn.functional.cosine_similarity(after - added, after, dim=-1)
        assert change == pytest.approx(1 - similarity.mean().item(), abs=1e-4)
    assert np.allclose(np.sum(result.attention, axis=1), 1)
    last = np.array(result.keypoint_distance[-1])
    assert (last[:2] > 0).all() and np.isnan(last[2])
    save_analysis(result, tmp_path / "a.json")
    assert "null" in (tmp_path / "a.json").read_text()
    np.testing.assert_equal(asdict(load_analysis(tmp_path / "a.json")), asdict(result))


@torch.no_grad()
def test_the_last_layer_is_seen_after_paab():
    model, images, _ = next(models())
    model.eval()
    pose_map = pose_maps(1)
    distances = []
    for changed in (False, True):
        if changed:
            model.paab["2"][0].mlp.fc2.weight.normal_()
        with FeatureProbe(model) as probe:
            model(images, pose_map.any(-1)[:, 0])
            probe.take(pose_map)
        distances.append(probe.result().pose_distance)
    assert distances[0][0] == distances[1][0]
    assert distances[0][1] != distances[1][1]


@pytest.mark.parametrize("readout", ["class", "mean"])
def test_attention_is_received_from_what_becomes_the_embedding(readout):
    torch.manual_seed(0)
    model = PoseAware(create_timm_backbone("deit_tiny_patch16_224", 32, depth=2), readout=readout)
    attention, seen = model.backbone.blocks[-1].attn, []
    attention.fused_attn = False
    # timm's own weights, as it is about to add up its values.
    attention.attn_drop.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    maps = received_attention(model.eval(), lambda: model(torch.randn(3, 3, 32, 32)))
    weights = seen[0].mean(dim=1)
    asking = weights[:, 0] if readout == "class" else weights[:, 1:].mean(dim=1)
    expected = 4 * asking[:, 1:] / asking[:, 1:].sum(dim=1, keepdim=True)
    assert torch.allclose(maps, expected.reshape(3, 2, 2), atol=1e-5)
    assert not attention._forward_pre_hooks


def test_mistakes_are_named():
    model, *_ = next(models())
    with FeatureProbe(model) as probe, pytest.raises(NothingProbedError):
        probe.take(pose_maps(1))
    with pytest.raises(NothingProbedError):
        probe.result()


@pytest.mark.slow
def test_runs_are_analysed_and_drawn(dots, tmp_path, capsys):
    for method in ("deit", "paab", "tcn"):
        config = tiny_config(dots, tmp_path / method, method)
        config.save(tmp_path / method)
        torch.manual_seed(0)
        model = FrameEmbedder(RunPlan.of(config, DatasetMeta.load(dots))).model
        save_checkpoint(tmp_path / method / "checkpoints" / "best.safetensors", model, {})
    run_command((tmp_path / "deit", tmp_path / "paab"), episodes=1, out=tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").format == "PNG"
    stored = json.loads((tmp_path / "paab" / "analysis" / "test.json").read_text())
    assert len(stored["ffn_distance"]) == 2
    maps = load_maps(tmp_path / "paab" / "analysis" / "test_attention.json")
    assert list(maps.views) == ["ego", "view_0"] and len(maps.times) == 6
    assert np.shape(maps.views["ego"]) == (6, 3, 3)
    assert np.mean(maps.views["ego"], axis=(1, 2)) == pytest.approx(np.ones(6))
    with pytest.raises(SystemExit):
        run_command((tmp_path / "tcn",), out=tmp_path / "b.png")
    assert "no transformer" in capsys.readouterr().err


def test_places_are_spread_evenly():
    assert evenly(9, 3).tolist() == [0, 4, 8]
    assert evenly(2, 5).tolist() == [0, 1]
    assert evenly(5, 0).tolist() == evenly(0, 5).tolist() == []
