"""bfloat16: which arithmetic is asked for, and attention written out; names of processors."""

from __future__ import annotations

import pytest
import torch
from timm.layers import Attention

from align.engine import device
from align.engine.config import Precision
from align.engine.device import attend_plainly, precision_hint, processor_of, uses_bf16
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


def test_processors_of_one_name_and_other_instructions_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for instructions in ("AVX2", "AVX512"):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda x=instructions: x)
        name = processor_of(torch.device("cpu"), "fp32")
        assert name.endswith(f" ({instructions}), fp32")


@pytest.mark.parametrize(
    ("flags", "on", "precision", "advised"),
    [
        ({"avx512f", "avx512_bf16"}, "cpu", "auto", True),
        ({"amx_bf16"}, "cpu", "auto", True),
        ({"avx2", "avx512f"}, "cpu", "auto", False),
        ({"amx_bf16"}, "cpu", "fp32", False),
        ({"amx_bf16"}, "cpu", "bf16", False),
        ({"amx_bf16"}, "cuda", "auto", False),
    ],
)
def test_bf16_is_advised_where_the_processor_has_it_and_auto_leaves_it_out(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], on: str, precision: Precision, advised: bool
) -> None:
    monkeypatch.setattr(device, "cpu_flags", lambda: frozenset(flags))
    hint = precision_hint(torch.device(on), precision)
    assert (hint is not None and "--precision bf16" in hint) is advised


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
