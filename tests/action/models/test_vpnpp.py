"""VPN++ agrees with the published code: pose attention, student, losses and their gradients."""

import numpy as np
import pytest
import torch
from torch import nn

from action.models.agcn import AdaptiveTrunk
from action.models.graphs import NTU25, SMARTHOME15
from action.models.vpnpp import (
    EMBEDDING,
    PoseAttention,
    PosePairs,
    StudentHead,
    StudentOutput,
    TeacherOutput,
    VpnppStudent,
    VpnppTeacher,
    attention_loss,
    contrastive_loss,
    pose_pairs,
    vpnpp_loss,
    weighed,
)
from tests.action.models.reference import assert_agrees, difference, digest, fill, load, tensors_of


@pytest.mark.parametrize(
    ("name", "graph", "persons"), [("ntu", NTU25, 2), ("smarthome", SMARTHOME15, 1)]
)
@torch.no_grad()
def test_pose_attention_agrees(name, graph, persons):
    oracle = load(f"vpnpp_pose_{name}")
    network = PoseAttention(graph, persons).eval()
    fill(tensors_of(network), oracle.parameters, oracle.configuration["gain"])
    assert_agrees(network.trunk(oracle["input"]), oracle["pooled"], 5e-7)
    attention = network(oracle["input"])
    assert_agrees(attention, oracle["attention"], 5e-7)
    assert (attention.sum(1) < 1).all()


@pytest.mark.slow
@torch.no_grad()
def test_student_and_teacher_agree_on_one_map():
    oracle = load("vpnpp_heads")
    head = StudentHead(31).eval()
    fill(tensors_of(head), oracle.parameters, oracle.configuration["gain"])
    for similarity in (head.self_attention.theta, head.self_attention.phi):
        similarity.weight *= 0.5
    drawn = np.random.RandomState(5001).standard_normal((2, 1024, 8, 7, 7))
    features = torch.from_numpy(np.abs(drawn).astype(np.float32) * np.float32(0.5))
    assert_agrees(features[:, :4], oracle["first_features"])
    attended, attention = head.self_attention(features)
    assert_agrees(attention[:, ::49], oracle["attention_rows"], 4e-7)
    assert_agrees(attended[:, :4], oracle["attended_first_channels"], 4e-7)
    assert_agrees(digest(attended), oracle["attended_digest"], 4e-7)
    output = head(features)
    assert_agrees(output.logits, oracle["logits_student"], 4e-7)
    assert_agrees(output.attention, oracle["attention_embedding"], 4e-7)
    assert_agrees(output.feature, oracle["feature_embedding"], 4e-7)
    teacher = head.head(weighed(features, oracle["pose_attention"]))
    assert_agrees(teacher, oracle["logits_teacher_branch"], 4e-7)
    unweighed = head.head(weighed(features, torch.zeros(2, 8, 7, 7)))
    assert_agrees(unweighed, oracle["logits_teacher_branch_zero_attention"], 4e-7)


def test_losses_and_gradients_agree():
    oracle = load("vpnpp_losses")
    positive = torch.arange(6) < 3
    student = oracle["student_attention"].requires_grad_()
    teacher = oracle["teacher_attention"].unflatten(1, (8, 7, 7))
    attention = attention_loss(student, teacher)
    attention.backward()
    assert_agrees(attention, oracle["attention_loss"])
    assert_agrees(student.grad, oracle["attention_loss_gradient_student"])
    video, pose = oracle["video_features"].requires_grad_(), oracle["pose_features"]
    published = contrastive_loss(video, pose, positive, published=True)
    published.backward()
    assert_agrees(published, oracle["contrastive_loss"])
    assert_agrees(video.grad, oracle["contrastive_loss_gradient_video"])
    plain = contrastive_loss(video, pose, positive)
    assert_agrees(plain, oracle["contrastive_loss_without_exp"])
    assert difference(plain, published) > 0.1
    total, told = vpnpp_loss(
        StudentOutput(oracle["logits_student"], student, video),
        TeacherOutput(oracle["logits_teacher_branch"], teacher, video),
        PosePairs(torch.arange(6), pose, positive),
        oracle["labels"],
    )
    expected = oracle["total"] + 0.001 * (plain - published)
    assert_agrees(total, expected)
    assert torch.equal(told, plain)


@pytest.mark.slow
def test_the_student_learns_from_both_teachers_at_a_small_size():
    torch.manual_seed(0)
    joints = torch.randn(2, 3, 12, 15, 1)
    clips = torch.randn(2, 3, 16, 64, 64)
    student = VpnppStudent(4, 16, 64)
    teacher = VpnppTeacher(4, SMARTHOME15, 1, 16, 64).eval()
    trunk = AdaptiveTrunk(SMARTHOME15, 1, units=((64, 1), (64, 1)))
    feature = nn.Sequential(trunk, nn.Linear(trunk.width, EMBEDDING))
    output = student(clips)
    with torch.no_grad():
        seen = teacher(clips, joints)
        poses = feature(joints)
    pairs = pose_pairs(poses)
    assert (
        pairs.clip.tolist() == [0, 1, 0, 1] and pairs.positive.tolist() == [True] * 2 + [False] * 2
    )
    assert torch.equal(pairs.pose, torch.cat([poses, poses.flip(0)]))
    vpnpp_loss(output, seen, pairs, torch.tensor([0, 3]))[0].backward()
    assert all(p.grad is not None for p in student.parameters())
    assert output.attention.shape == (2, seen.attention[0].numel())
