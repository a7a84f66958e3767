"""ST-GCN and 2s-AGCN agree with the published code; skeletons are trees."""

import pytest
import torch
from einops import reduce

from action.models.agcn import Agcn
from action.models.graphs import COCO18, GRAPHS, NTU25, SMARTHOME15
from action.models.st_gcn import StGcn
from tests.action.models.reference import (
    assert_agrees,
    difference,
    digest,
    fill,
    load,
    parameters,
    tensors_of,
)


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=lambda graph: graph.name)
def test_every_joint_reaches_the_centre(graph):
    distances = graph.distances()
    assert distances[graph.centre] == 0
    assert all(abs(distances[a] - distances[b]) == 1 for a, b in graph.bones)
    assert sum(joint == parent for joint, parent in enumerate(graph.parents)) == 1


def test_partitions_agree_with_the_published_ones():
    oracle = load("st_gcn")
    assert_agrees(NTU25.spatial_partition("published"), oracle["adjacency"])
    assert_agrees(COCO18.spatial_partition("published"), oracle["adjacency_openpose18"])
    described = NTU25.spatial_partition("described")
    assert_agrees(described, oracle["adjacency_true_distances"])
    assert (described[2] > 0).sum() == 24
    assert (NTU25.spatial_partition("published")[2] > 0).sum() == 8
    assert_agrees(NTU25.directed_partition(), load("agcn")["adjacency"])
    smarthome = load("vpnpp_pose_smarthome")["adjacency"]
    assert_agrees(SMARTHOME15.directed_partition(), smarthome)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("partition", "logits"), [("published", "logits"), ("described", "logits_true_distances")]
)
@torch.no_grad()
def test_st_gcn_agrees(partition, logits):
    oracle = load("st_gcn")
    model = StGcn(60, partition=partition).eval()
    fill(tensors_of(model), oracle.parameters, oracle.configuration["gain"])
    assert_agrees(model(oracle["input"]), oracle[logits], 1e-7)
    other = "logits" if partition == "described" else "logits_true_distances"
    assert difference(model(oracle["input"]), oracle[other]) > 0.05
    if partition == "published":
        features = model.features(oracle["input"])
        assert_agrees(features.norm(dim=1), oracle["feature_norm"], 1e-6)
        assert_agrees(reduce(features, "n c t v m -> n c m", "mean"), oracle["pooled_feature"])


@pytest.mark.slow
@torch.no_grad()
def test_agcn_agrees_unit_by_unit():
    oracle = load("agcn")
    model = Agcn(60).eval()
    projection = torch.nn.Linear(256, 4096)
    fill(tensors_of(model, projection), oracle.parameters, oracle.configuration["gain"])
    seen = []
    for unit in model.trunk.units:
        unit.register_forward_hook(lambda module, inputs, output: seen.append(digest(output)))
    pooled = model.trunk(oracle["input"])
    for number, values in enumerate(seen, start=1):
        assert_agrees(values, oracle[f"unit{number:02}_digest"], 1e-6)
    assert_agrees(pooled, oracle["pooled"], 1e-6)
    assert_agrees(model.head(pooled), oracle["logits"], 5e-7)
    assert_agrees(projection(pooled), oracle["feature_embedding"], 1e-6)


def test_networks_have_the_published_number_of_parameters():
    assert parameters(StGcn(60)) == 3_098_832
    assert parameters(Agcn(60)) == 3_469_510


def test_the_first_person_alone_matters_when_the_second_is_absent():
    model = StGcn(5, GRAPHS["nucla20"]).eval()
    joints = torch.randn(1, 3, 12, 20, 2)
    joints[..., 1] = 0
    features = model.features(joints)
    changed = model.features(joints * torch.tensor([2.0, 1.0]))
    assert torch.equal(features[..., 1], changed[..., 1])
    assert not torch.equal(features[..., 0], changed[..., 0])
