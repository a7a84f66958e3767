"""bfloat16: which arithmetic is asked for, and attention written out."""

from __future__ import annotations

import pytest
import torch
from timm.layers import Attention

from align.engine.device import attend_plainly, uses_bf16
from align.models.pose_aware import ModelConfig, PaabConfig, build_model


def test_bf16_is_used_when_asked_for_and_by_itself_on_a_gpu_alone() -> None:
    assert uses_bf16("bf16") and not uses_bf16("fp32")
    gpu = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    assert uses_bf16("auto") == gpu


@pytest.mark.parametrize(
    ("gpu", "bf16", "chosen"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_auto_takes_bf16_on_a_gpu_that_has_it(
    monkeypatch: pytest.MonkeyPatch, gpu: bool, bf16: bool, chosen: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bf16)
    assert uses_bf16("auto") is chosen
    assert uses_bf16("bf16") and not uses_bf16("fp32")


def test_plain_attention_computes_what_the_fused_kernel_does() -> None:
    torch.manual_seed(0)
    model = build_model(ModelConfig(image_size=48, depth=2, paab=PaabConfig())).eval()
    images, pose_map = torch.randn(2, 3, 48, 48), torch.rand(2, 9) < 0.5
    fused = model(images, pose_map).embedding
    attend_plainly(model)
    attentions = [module for module in model.modules() if isinstance(module, Attention)]
    assert len(attentions) == 3 and not any(module.fused_attn for module in attentions)
    torch.testing.assert_close(model(images, pose_map).embedding, fused)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_plain_attention_keeps_gradients(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    attention, x = Attention(32, 2), torch.randn(2, 5, 32)
    gradients = []
    for _ in range(2):
        attention.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            attention(x).float().square().sum().backward()
        gradients.append(attention.qkv.weight.grad.clone())
        attend_plainly(attention)
    tolerance = 0.03 if dtype == torch.bfloat16 else 1e-5
    difference = (gradients[0] - gradients[1]).norm() / gradients[0].norm()
    assert difference < tolerance
