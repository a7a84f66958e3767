import pytest
import torch
import torch.nn.functional as F

from align.paat import NoPoseLogitsError, PoseAwareAuxiliaryTask, mean_pose_loss, pose_loss
from datasets.errors import OptionError


def example() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 49, 11, generator=generator)
    return logits, torch.rand(2, 3, 49, 11, generator=generator) < 0.02


def test_parameter_count_of_the_paper():
    count = sum(p.numel() for p in PoseAwareAuxiliaryTask(768, 13).parameters())
    assert count == 200_205


def test_the_classifier_is_two_linear_layers_without_activation():
    task = PoseAwareAuxiliaryTask(24, 5, bottleneck=8)
    a, b = torch.randn(2, 1, 2, 3, 24)
    joined = task(a + b)
    assert joined.shape == (1, 2, 3, 5)
    assert torch.allclose(joined, task(a) + task(b) - task(torch.zeros_like(a)), atol=1e-6)


def test_initial_weights_are_small_and_biases_zero():
    task = PoseAwareAuxiliaryTask(768, 13)
    assert torch.count_nonzero(task.reduce.bias) == torch.count_nonzero(task.classify.bias) == 0
    assert task.reduce.weight.std().item() == pytest.approx(0.02, rel=0.05)


def test_p2d_has_one_channel():
    assert PoseAwareAuxiliaryTask(24, 5, target="p2d")(torch.randn(1, 2, 3, 24)).shape[-1] == 1
    with pytest.raises(OptionError, match="'p4d'"):
        PoseAwareAuxiliaryTask(24, 5, target="p4d")  # type: ignore[arg-type]


def test_the_mean_is_binary_cross_entropy_on_probabilities():
    logits, target = example()
    expected = F.binary_cross_entropy(logits.sigmoid(), target.float())
    assert pose_loss(logits, target).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_sum_over_patches_weighs_as_many_times_more_as_there_are_patches():
    logits, target = example()
    assert pose_loss(logits, target, "patch_sum").item() == pytest.approx(
        49 * pose_loss(logits, target).item(), rel=1e-5
    )


def test_known_value_at_zero_logits():
    logits, target = torch.zeros(1, 1, 10, 3), torch.zeros(1, 1, 10, 3, dtype=torch.bool)
    assert pose_loss(logits, target).item() == pytest.approx(0.693147, rel=1e-5)
    assert pose_loss(logits, target, "patch_sum").item() == pytest.approx(6.93147, rel=1e-5)


def test_one_channel_is_compared_with_any_keypoint():
    logits, target = example()
    single = logits[..., :1]
    assert torch.equal(pose_loss(single, target), pose_loss(single, target.any(dim=-1)))


def test_losses_are_averaged_over_insertion_points():
    logits, target = example()
    both = mean_pose_loss({1: logits, 6: -logits}, target, "patch_sum")
    expected = pose_loss(logits, target, "patch_sum") + pose_loss(-logits, target, "patch_sum")
    assert both.item() == pytest.approx(expected.item() / 2, rel=1e-6)


def test_half_precision_logits_are_summed_in_float32():
    logits, target = example()
    loss = pose_loss(logits.half(), target, "patch_sum")
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(pose_loss(logits, target, "patch_sum").item(), rel=1e-3)


def test_mistakes_are_named():
    logits, target = example()
    with pytest.raises(ValueError, match=r"5\) does not fit logits"):
        pose_loss(logits, target[..., :5])
    with pytest.raises(OptionError, match="'sum'"):
        pose_loss(logits, target, "sum")  # type: ignore[arg-type]
    with pytest.raises(NoPoseLogitsError):
        mean_pose_loss({}, target)
