"""Gradient surgery where PAAT branches off: the projection by hand, and inside a model."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from align.models.gradients import branch, without_conflict
from align.models.pose_aware import ModelConfig, PaatConfig, build_model


def gradient(rule: str, primary: Tensor, auxiliary: Tensor) -> Tensor:
    """What arrives at the tokens when the two losses have these gradients."""
    tokens = torch.zeros_like(primary, requires_grad=True)
    first, second = branch(tokens, rule)  # type: ignore[arg-type]
    ((first * primary).sum() + (second * auxiliary).sum()).backward()
    assert tokens.grad is not None
    return tokens.grad


# Two images of one token: the first's gradients conflict, the second's do not.
PRIMARY = torch.tensor([[[2.0, 0.0]], [[2.0, 0.0]]])
AUXILIARY = torch.tensor([[[-3.0, 1.0]], [[3.0, 1.0]]])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("sum", [[-1.0, 1.0], [5.0, 1.0]]),
        ("pcgrad", [[2.0, 1.0], [5.0, 1.0]]),
        ("cosine", [[2.0, 0.0], [5.0, 1.0]]),
        ("detach", [[2.0, 0.0], [2.0, 0.0]]),
    ],
)
def test_each_rule_by_hand(rule: str, expected: list[list[float]]) -> None:
    assert gradient(rule, PRIMARY, AUXILIARY)[:, 0].tolist() == expected


def test_what_is_kept_never_points_against_the_primary_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    primary, auxiliary = torch.randn(2, 64, 5, 7, generator=generator)
    before = (primary * auxiliary).sum(dim=(1, 2))
    kept = without_conflict(auxiliary, primary, project=True)
    after = (primary * kept).sum(dim=(1, 2))
    assert (before < 0).any() and (after > -1e-4).all()
    assert torch.equal(kept[before >= 0], auxiliary[before >= 0])
    # The closest gradient that does not conflict: what was taken out lies along the primary one.
    taken = auxiliary - kept
    cosine = torch.cosine_similarity(taken.flatten(1), primary.flatten(1))
    torch.testing.assert_close(cosine[before < 0], -torch.ones(int((before < 0).sum())))


@pytest.mark.parametrize("scale", [0.0, 1e-25])
def test_a_primary_gradient_of_nearly_nothing_gives_numbers(scale: float) -> None:
    assert gradient("pcgrad", scale * PRIMARY, AUXILIARY).isfinite().all()


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(ValueError, match="'sym'"):
        branch(PRIMARY, "sym")  # type: ignore[arg-type]


def test_the_forward_pass_knows_nothing_of_it() -> None:
    outputs = []
    for rule in ("sum", "pcgrad", "cosine", "detach"):
        torch.manual_seed(0)
        paat = PaatConfig(gradients=rule)  # type: ignore[arg-type]
        model = build_model(ModelConfig(image_size=32, depth=2, num_keypoints=3, paat=paat))
        outputs.append(model(torch.ones(2, 3, 32, 32)))
    for output in outputs[1:]:
        assert torch.equal(output.embedding, outputs[0].embedding)
        assert torch.equal(output.pose_logits[1], outputs[0].pose_logits[1])


def test_paat_trains_its_classifier_under_every_rule_and_the_backbone_under_all_but_one() -> None:
    for rule in ("sum", "pcgrad", "detach"):
        torch.manual_seed(0)
        paat = PaatConfig(gradients=rule)  # type: ignore[arg-type]
        model = build_model(ModelConfig(image_size=32, depth=2, num_keypoints=3, paat=paat))
        output = model(torch.randn(2, 3, 32, 32))
        # The primary loss has no gradient here, so nothing conflicts.
        (output.pose_logits[1].square().sum() + 0 * output.embedding.sum()).backward()
        assert model.paat["1"].reduce.weight.grad.abs().sum() > 0
        reached = model.backbone.blocks[0].mlp.fc1.weight.grad.abs().sum() > 0
        assert reached == (rule != "detach")
