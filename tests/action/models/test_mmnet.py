"""MMNet agrees with the published code: picture, resizing, weights, bones."""

import hashlib

import numpy as np
import pytest
import torch

from action.models.graphs import NTU25, NUCLA20, SMARTHOME15, bones_of
from action.models.mmnet import Mmnet, part_weights, row_joints
from action.models.mmnet_roi import moments, normalised, resized, roi_picture, with_people
from tests.action.models.reference import assert_agrees, digest, load

SEEDS = {"one": 6000, "two": 6001}


@pytest.fixture(scope="module")
def oracle():
    return load("mmnet_roi")


def frames_of(people: str) -> np.ndarray:
    coarse = np.random.RandomState(SEEDS[people]).randint(0, 256, (5, 30, 40, 3))
    return coarse.astype(np.uint8).repeat(8, axis=1).repeat(8, axis=2)


def picture(oracle, people: str, **options) -> np.ndarray:
    return roi_picture(frames_of(people), oracle[f"{people}.keypoints"][..., :2].numpy(), **options)


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def test_picture_agrees_in_every_byte(oracle):
    sums = oracle.configuration["sha256"]
    one, two = picture(oracle, "one"), picture(oracle, "two")
    expected = oracle["one.picture_every_32nd_row"].numpy()
    assert np.array_equal(one[::32], expected)
    assert sha256(one) == sums["one.picture"]
    assert sha256(two[:, :192]) == sums["two.picture_first_two_frames"]
    for people, ours in (("one", one), ("two", two)):
        values = digest(torch.from_numpy(ours.astype(np.float64)))
        assert_agrees(values, oracle[f"{people}.digest"])


def test_resizing_and_normalising_agree(oracle):
    one = picture(oracle, "one")
    assert sha256(resized(one)) == oracle.configuration["sha256"]["one.resized"]
    rows = torch.from_numpy(normalised(resized(one))[:, ::45])
    assert_agrees(rows, oracle["one.normalised_rows"])
    negative = resized(picture(oracle, "one", published=True), published=True)
    rows = torch.from_numpy(normalised(negative)[:, ::45])
    assert_agrees(rows, oracle["one.normalised_rows_published"])


@pytest.mark.parametrize("people", SEEDS)
def test_published_mirroring_agrees(oracle, people):
    mirrored = picture(oracle, people, mirror=True, published=True)
    values = digest(torch.from_numpy(mirrored.astype(np.float64)))
    assert_agrees(values, oracle[f"{people}.flipped_digest"])


def test_mirroring_exchanges_right_and_left(oracle):
    plain, mirrored = picture(oracle, "one"), picture(oracle, "one", mirror=True)
    assert np.array_equal(mirrored[96:192, :96], plain[192:288, :96][:, ::-1])
    assert np.array_equal(mirrored[:96, 96:192], plain[:96, 96:192][:, ::-1])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("row_weights_each_clip", {}),
        ("row_weights", {"scale_over": "batch"}),
        ("row_weights_published", {"scale_over": "batch", "cut": True}),
    ],
)
def test_weights_agree(name, options):
    oracle = load("mmnet_weights")
    weights = part_weights(oracle["features"], strongest=5, **options)
    assert_agrees(weights, oracle[name], 1e-7)


def test_bones_agree():
    oracle = load("mmnet_weights")
    assert_agrees(bones_of(oracle["joints"], NTU25), oracle["bones"])


def test_moments_lie_in_the_clip_and_show_people():
    assert moments(36).tolist() == [6, 12, 18, 24, 30]
    drawn = [moments(36, np.random.default_rng(seed)) for seed in range(50)]
    assert min(map(min, drawn)) >= 1
    assert max(map(max, drawn)) <= 35
    seen = np.zeros(36, bool)
    seen[[7, 18, 29]] = True
    assert with_people(moments(36), seen).tolist() == [7, 18, 18, 29, 30]
    assert with_people(moments(36), np.zeros(36, bool)).tolist() == [6, 12, 18, 24, 30]


def test_weights_can_be_those_of_the_first_person():
    features = torch.rand(1, 4, 3, 25, 2)
    features[..., 1] += 1
    of_first = part_weights(features, first_person=True)
    assert (of_first < part_weights(features)).all()


@pytest.mark.slow
def test_streams_learn_apart_and_nothing_flows_through_the_weights():
    torch.manual_seed(0)
    model = Mmnet(4)
    pictures, joints = torch.randn(2, 3, 225, 225), torch.randn(2, 3, 16, 25, 2)
    output = model(pictures, joints)
    assert torch.allclose(output.logits, output.joints + output.bones + output.rgb)
    output.rgb.sum().backward()
    learners = {n.split(".")[0] for n, p in model.named_parameters() if p.grad is not None}
    assert learners == {"rgb"}
    assert row_joints(NTU25) == row_joints(NUCLA20) == [3, 11, 7, 18, 14]
    assert row_joints(SMARTHOME15) == [0, 6, 5, 12, 11]
