"""Glimpse Clouds agrees with the published code: CNN, glimpses, workers, losses."""

import pytest
import torch
from torch import nn
from torchvision.models import resnet18, resnet50

from action.models.features import load_features
from action.models.glimpse_clouds import (
    GlimpseClouds,
    GlimpseHead,
    cut_out,
    similarities,
)
from action.models.glimpse_losses import attraction, diversity, glimpse_loss, pose_loss
from action.models.inflated_resnet import InflatedResNet50, Maps, inflated, inflated_weights
from align.engine.checkpoint import OtherModelError
from tests.action.models.reference import (
    assert_agrees,
    difference,
    digest,
    fill,
    load,
    tensors_of,
)

IMAGENET = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[:, :, None, None, None]
# Published names to ours.
NAMES = {
    "fc_pose": "read_pose",
    "mlp_glimpse_location": "zoomer.locate",
    "mlp_embedding_location": "zoomer.embed",
    "rnn_zoomer": "zoomer.recur",
    "list_worker": "workers",
    "list_fc": "heads",
    "_l0": "",
}
# How the published code differs, the prefix of what it gave, and the name of its logits.
VARIANTS = [
    ({"memory": "oldest", "shared_state": True}, "", "logits_published"),
    ({"memory": "oldest"}, "own_state.", "logits_own_state"),
    ({}, "newest_first.", "logits_own_state_newest_first"),
]


@pytest.fixture(scope="module")
def oracle():
    return load("glimpse_clouds")


def head_of(oracle, **options) -> GlimpseHead:
    head = GlimpseHead(10, 64, 16, 8, scale_over="batch", **options).eval()
    weights = {"precision": oracle["inverse_covariance"]}
    for name, value in oracle.weights().items():
        for theirs, ours in NAMES.items():
            name = name.replace(theirs, ours)
        weights[name] = value
    first = [weights.pop(f"list_first_attention.{worker}") for worker in range(3)]
    weights["first_assignment"] = torch.stack(first)
    assert weights.pop("fc_global_model.weight").shape == (10, 64)
    del weights["fc_global_model.bias"]
    head.load_state_dict(weights)
    return head


@pytest.mark.parametrize(("options", "prefix", "logits"), VARIANTS, ids=lambda value: str(value))
@torch.no_grad()
def test_glimpses_and_workers_agree(oracle, options, prefix, logits):
    output = head_of(oracle, **options)(Maps(oracle["pose_map"], oracle["final_map"]))
    assert_agrees(output.logits, oracle[logits], 1e-7)
    assert_agrees(output.assignment, oracle[f"{prefix}assignment"], 1e-7)
    assert_agrees(output.pose.flatten(2), oracle["pose_prediction"], 1e-6)
    if prefix != "newest_first.":
        assert_agrees(output.points, oracle[f"{prefix}points"], 1e-6)
        assert_agrees(output.features, oracle[f"{prefix}glimpse_features"], 1e-6)


def test_similarities_agree(oracle):
    features, precision = oracle["glimpse_features"], oracle["inverse_covariance"]
    for step in (1, 2):
        alike = similarities(features[:, :step], features[:, step], precision, "batch")
        assert_agrees(alike, oracle[f"similarity_step{step + 1}"][:, :step])
    alone = similarities(features[:1, :2], features[:1, 2], precision, "clip")
    together = similarities(features[:, :2], features[:, 2], precision, "clip")
    assert torch.allclose(alone, together[:1], atol=1e-6)


def test_the_cut_out_agrees(oracle):
    point = torch.cat([oracle["zoom.location"], oracle["zoom.zoom"]], dim=1)
    assert_agrees(cut_out(oracle["zoom.input"], point), oracle["zoom.output"], 1e-6)
    assert difference(oracle["zoom.output"], oracle["zoom.output_align_corners_false"]) > 0.5


def test_losses_agree(oracle):
    predicted = oracle["pose_prediction_for_loss"].unflatten(2, (2, 25, 2))
    skeletons, places = oracle["skeletons"], oracle["points"][..., :2]
    assert_agrees(pose_loss(predicted, skeletons), oracle["pose_loss"])
    along_axes = attraction(places, skeletons, each_axis=True)
    assert_agrees(along_axes, oracle["attraction_per_axis"])
    assert_agrees(diversity(places), oracle["diversity"])
    assert_agrees(along_axes + diversity(places), oracle["regulariser_published"])
    described = attraction(places, skeletons) + diversity(places)
    assert_agrees(described, oracle["regulariser_nearest_joint"])


@pytest.mark.slow
@torch.no_grad()
def test_the_cnn_agrees():
    oracle = load("glimpse_resnet")
    network = InflatedResNet50().eval()
    fill(tensors_of(network), oracle.parameters, oracle.configuration["gain"])
    seen = []
    for stage in network.stages:
        stage.register_forward_hook(lambda module, inputs, output: seen.append(digest(output)))
    mean, std = IMAGENET
    maps = network((oracle["input"][None] / 255 - mean) / std)
    for number, values in enumerate(seen, start=1):
        assert_agrees(values, oracle[f"stage{number}_digest"], 1e-5)
    assert_agrees(maps.final.mean(dim=(3, 4)), oracle["final_map_mean"], 1e-5)
    assert_agrees(maps.pose.mean(dim=(3, 4)), oracle["pose_map_mean"], 1e-5)
    assert torch.equal(inflated(oracle["weights_2d"]), oracle["weights_inflated"])


@pytest.mark.slow
@torch.no_grad()
def test_imagenets_weights_see_a_clip_of_one_frame_as_a_picture(tmp_path):
    torch.manual_seed(0)
    published, ours, file = resnet50().eval(), InflatedResNet50().eval(), tmp_path / "resnet50.pth"
    state = published.state_dict().items()
    torch.save({n: t for n, t in state if not n.endswith("num_batches_tracked")}, file)
    load_features(ours, file, inflated_weights)
    pictures = torch.randn(1, 3, 64, 64)
    layers = nn.Sequential(*list(published.children())[:-2])
    assert_agrees(ours(pictures[:, :, None]).final[:, :, 0], layers(pictures), 1e-5)
    torch.save(resnet18().state_dict(), file)
    with pytest.raises(OtherModelError, match="another network"):
        load_features(ours, file, inflated_weights)


@pytest.mark.slow
def test_glimpses_learn_from_the_poses_at_a_small_size():
    torch.manual_seed(0)
    model = GlimpseClouds(3)
    clips = torch.randn(2, 3, 2, 64, 64)
    output = model(clips)
    model.head.measure_by(output.features)
    assert not torch.equal(model.head.precision, torch.eye(2048))
    skeletons = torch.rand(2, 2, 2, 25, 2)
    total, pose = glimpse_loss(output, skeletons, torch.tensor([0, 2]))
    assert torch.equal(pose, pose_loss(output.pose, skeletons))
    total.backward()
    # Nothing flows through the cut itself: places learn from their embedding and the attraction.
    assert model.head.zoomer.locate.weight.grad.abs().max() > 0
    assert all(p.grad is not None for p in model.parameters())
