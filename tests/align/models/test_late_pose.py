"""The encoder of keypoints beside a trunk, and the detector that finds them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from align.models.config import HeadConfig, LateConfig, ModelConfig, TcnConfig
from align.models.encoder import (
    KEYPOINT_LOSS,
    PIXEL_LOSS,
    FrameEncoder,
    LateEncoder,
    SideInputs,
)
from align.models.keypoint_tokens import KeypointTokens
from align.models.late_pose import (
    DetectedKeypoints,
    KeypointDetector,
    KeypointEncoder,
    describe_keypoints,
    detection_loss,
)
from align.models.pose_aware import PoseAware, build_model
from align.models.tcn import TcnNetwork
from datasets.errors import OptionError

K = 3


def build(kind: type[FrameEncoder], *options: object) -> FrameEncoder:
    torch.manual_seed(0)
    network = build_model(ModelConfig("test_vit", image_size=32, depth=2, readout="mean"))
    return kind(network, HeadConfig(), *options)


def late(form: str = "given", **options: object) -> LateEncoder:
    encoder = build(LateEncoder, K, LateConfig(hidden=16, dim=8, **options), form)
    assert isinstance(encoder, LateEncoder)
    return encoder


def make_frames(count: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)


def make_poses(count: int = 6) -> SideInputs:
    described = torch.rand(count, K, 3, generator=torch.Generator().manual_seed(2))
    return SideInputs(keypoints=described.index_fill(2, torch.tensor(2), 1))


def test_keypoints_are_described_from_border_to_border_and_hidden_ones_by_zeros() -> None:
    keypoints = torch.tensor([[[0.0, 16.0], [32.0, 8.0], [5.0, 5.0], [torch.nan, 4.0]]])
    visible = torch.tensor([[True, True, False, True]])
    expected = torch.tensor([[-1.0, 0, 1], [1, -0.5, 1], [0, 0, 0], [0, 0, 0]])
    assert torch.equal(describe_keypoints(keypoints, visible, 32)[0], expected)


def test_only_visible_keypoints_in_training_are_moved_by_noise() -> None:
    encoder = KeypointEncoder(K, LateConfig(hidden=16, dim=8, noise=0.5))
    seen: list[Tensor] = []
    encoder.layers[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    described = torch.tensor([[[0.2, 0.3, 1.0], [0, 0, 0], [0, 0, 0]]]).repeat(4, 1, 1)
    encoder.train()(described)
    encoder.eval()(described)
    moved, plain = (value.view(4, K, 3) for value in seen)
    assert torch.equal(plain, described)
    assert torch.equal(moved[:, 1:], described[:, 1:]) and torch.equal(moved[..., 2], plain[..., 2])
    assert (moved[:, 0, :2] != described[:, 0, :2]).all()


@pytest.mark.slow
def test_the_detector_learns_where_a_dot_is() -> None:
    torch.manual_seed(0)
    detector = KeypointDetector(1, channels=8)
    optimizer = torch.optim.Adam(detector.parameters(), 1e-2)

    def dots(count: int) -> tuple[Tensor, Tensor]:
        column, row = torch.randint(4, 28, (2, count))
        images = torch.zeros(count, 3, 32, 32)
        there = torch.rand(count) < 0.8
        for i in range(count):
            images[i, :, row[i] - 2 : row[i] + 2, column[i] - 2 : column[i] + 2] = there[i]
        place = torch.stack([column, row], dim=-1).float()[:, None]
        return images, describe_keypoints(place, there[:, None], 32)

    for _ in range(150):
        images, truth = dots(16)
        optimizer.zero_grad()
        detection_loss(detector(images), truth).backward()
        optimizer.step()
    images, truth = dots(64)
    found = detector.eval()(images).described()
    assert torch.equal(found[..., 2], truth[..., 2])
    pixels = 16 * (found - truth)[..., :2].abs()
    assert pixels.mean() < 1


def test_the_place_of_a_hidden_keypoint_is_not_learnt() -> None:
    place = torch.zeros(1, 2, 2, requires_grad=True)
    found = DetectedKeypoints(place, torch.zeros(1, 2))
    truth = torch.tensor([[[0.5, 0.5, 1.0], [0.0, 0.9, 0.0]]])
    detection_loss(found, truth).backward()
    assert place.grad is not None
    assert (place.grad[0, 0] < 0).all() and torch.equal(place.grad[0, 1], torch.zeros(2))


def test_a_seed_gives_the_trunk_the_weights_that_it_has_alone() -> None:
    alone, joint = build(FrameEncoder), late("predicted")
    for name, value in alone.state_dict().items():
        assert torch.equal(value, joint.state_dict()[name]), name
    frames = make_frames()
    assert torch.equal(
        alone.eval()(frames).embedding,
        joint.eval()(frames).embedding[:, : joint.trunk_dim],
    )


def test_no_gradient_flows_between_the_parts() -> None:
    encoder = late("predicted")
    groups = encoder.learners()
    assert sum(map(len, groups)) == len(list(encoder.parameters()))
    for learning, others in ((PIXEL_LOSS, (1, 2)), (KEYPOINT_LOSS, (0, 2))):
        encoder.zero_grad()
        parts = encoder(make_frames(), make_poses()).parts
        encoder.compare_part(parts[learning])[0].sum().backward()
        for group in others:
            assert all(p.grad is None for p in groups[group]), (learning, group)


def test_squared_distances_are_weighted_means_of_the_parts() -> None:
    encoder = late().eval()
    embedding = torch.randn(5, encoder.trunk_dim + 8)
    encoder.weight.fill_(0.5)
    sizes = [encoder.trunk_dim, 8]
    trunk, keypoints = (encoder.compare_part(part) for part in embedding.split(sizes, dim=-1))
    expected = torch.cdist(trunk, trunk) ** 2 + 0.25 * torch.cdist(keypoints, keypoints) ** 2
    joint = encoder.compare(embedding)
    torch.testing.assert_close(torch.cdist(joint, joint) ** 2, expected / 1.25)
    torch.testing.assert_close(joint.norm(dim=-1), torch.ones(5))


def test_each_form_needs_its_own_at_inference() -> None:
    frames, poses = make_frames(), make_poses()
    given = late("given").eval()
    with pytest.raises(ValueError, match=r"side\.keypoints"):
        given(frames)
    assert given(frames, poses).embedding.shape == (6, given.trunk_dim + 8)
    predicted = late("predicted").eval()
    assert torch.equal(predicted(frames).embedding, predicted(frames, poses).embedding)
    distilled = late("distilled").eval()
    embedding = distilled(frames).embedding
    assert embedding.shape == (6, distilled.trunk_dim)
    assert torch.equal(distilled.compare(embedding), distilled.compare_part(embedding))


def test_a_keypoint_token_reads_the_patch_where_its_keypoint_lies() -> None:
    encoder = late("given", encoder="tokens", noise=0).eval()
    network = encoder.backbone
    assert isinstance(encoder.keypoints, KeypointTokens) and isinstance(network, PoseAware)
    patches = torch.zeros(1, network.backbone.embed_dim, 2, 2)
    patches[0, :, 1, 0] = 5  # lower left of 2 x 2 patches
    marked: list[bool] = []
    for place in ([-0.5, 0.5], [0.5, 0.5], [-0.5, -0.5]):
        described = torch.zeros(1, K, 3)
        described[0, 1] = torch.tensor([*place, 1])
        with_patch = encoder.keypoints(described, patches)
        marked.append(not torch.equal(with_patch, encoder.keypoints(described, 0 * patches)))
    assert marked == [True, False, False]


def test_hidden_keypoints_have_no_say_among_the_tokens() -> None:
    encoder = late("given", encoder="tokens", noise=0).eval()
    assert isinstance(encoder.keypoints, KeypointTokens)
    patches = torch.randn(1, encoder.keypoints.features.in_features, 2, 2)
    described = torch.zeros(1, K, 3)
    described[0, 0] = torch.tensor([0.1, 0.2, 1])
    hidden = described.clone()
    hidden[0, 1, :2] = 0.7
    assert torch.equal(encoder.keypoints(described, patches), encoder.keypoints(hidden, patches))


@pytest.mark.slow
def test_keypoint_tokens_leave_the_trunk_alone() -> None:
    for frozen in (False, True):
        encoder = late("given", encoder="tokens", freeze_trunk=frozen).train()
        encoded = encoder(make_frames(), make_poses())
        encoded.parts[KEYPOINT_LOSS].square().mean().backward()
        trunk, keypoints = encoder.learners()
        assert all(p.grad is None for p in trunk)
        assert all(p.grad is not None for p in keypoints)
        assert (encoded.network is None) == frozen
    with pytest.raises(OptionError, match="transformer"):
        LateEncoder(
            TcnNetwork(TcnConfig(channels=8, hidden=8)),
            HeadConfig(),
            K,
            LateConfig(encoder="tokens"),
            "given",
        )


def test_a_frozen_trunk_has_no_turn_in_training() -> None:
    encoder = late("given", freeze_trunk=True).train()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoded = encoder(make_frames(), make_poses())
    assert encoded.network is None
    assert list(encoded.parts) == [KEYPOINT_LOSS]
    encoded.parts[KEYPOINT_LOSS].square().mean().backward()
    assert {n for n, p in encoder.named_parameters() if p.grad is not None} == {
        n for n, _ in encoder.named_parameters() if n.startswith("keypoints.")
    }
    trunk = [n for n in before if n.startswith(("backbone.", "whiten."))]
    assert trunk and all(torch.equal(encoder.state_dict()[n], before[n]) for n in trunk)
    # The same frame has the same embedding in training and in evaluation.
    alone = build(FrameEncoder).eval()(make_frames()).embedding
    assert torch.equal(encoder.eval()(make_frames(), make_poses()).embedding[:, :-8], alone)
