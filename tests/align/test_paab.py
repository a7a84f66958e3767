import pytest
import torch
from timm.models.vision_transformer import Block
from torch import Tensor

from align.layout import ClassTokenError, TokenLayout
from align.paab import PaabVariant, PoseAwareAttentionBlock
from datasets.errors import OptionError
from tests.align.masked_paab import masked_paab

VARIANTS: list[PaabVariant] = ["spatial", "spatiotemporal", "joint"]
LAYOUT = TokenLayout(frames=3, rows=2, cols=4)
DIM = 24


def make_block(variant: PaabVariant = "spatial", **options: float) -> PoseAwareAttentionBlock:
    torch.manual_seed(0)
    block = PoseAwareAttentionBlock(DIM, 3, variant, **options)
    # Weights of 0.02 leave attention near uniform, where a wrong mask would hardly show.
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return block


def make_tokens(batch: int = 4, layout: TokenLayout = LAYOUT) -> Tensor:
    return torch.randn(batch, layout.tokens, DIM, generator=torch.Generator().manual_seed(1))


def make_map(batch: int = 4) -> Tensor:
    """Uneven counts; among them a frame, and a whole clip, without any pose."""
    generator = torch.Generator().manual_seed(2)
    pose_map = torch.rand(4, LAYOUT.frames, LAYOUT.patches, generator=generator) < 0.3
    pose_map[0, 1] = False
    pose_map[1] = False
    pose_map[2, 0] = True
    return pose_map[:batch]


def updated(pose_map: Tensor) -> Tensor:
    """Which tokens PAAB writes."""
    return torch.cat([torch.ones(len(pose_map), 1, dtype=torch.bool), pose_map.flatten(1)], dim=1)


@pytest.mark.parametrize("variant", VARIANTS)
def test_gathering_equals_masking_in_outputs_and_gradients(variant: PaabVariant):
    block, pose_map = make_block(variant), make_map()
    results = []
    for form in (block, lambda *arguments: masked_paab(block, *arguments)):
        tokens = make_tokens().requires_grad_()
        out = form(tokens, pose_map, LAYOUT)
        weight = torch.linspace(-1, 1, out.numel()).view_as(out)
        block.zero_grad()
        (out * weight).sum().backward()
        results.append([out, tokens.grad, *(p.grad.clone() for p in block.parameters())])
    for gathered, masked in zip(*results, strict=True):
        scale = max(1.0, masked.abs().max().item())
        assert (gathered - masked).abs().max().item() < 1e-5 * scale


@pytest.mark.parametrize("variant", VARIANTS)
def test_tokens_without_a_pose_leave_bit_identical(variant: PaabVariant):
    block, tokens, pose_map = make_block(variant), make_tokens(), make_map()
    once = block(tokens, pose_map, LAYOUT)
    twice = make_block(variant)(once, pose_map, LAYOUT)
    outside = ~updated(pose_map)
    for out in (once, twice):
        assert torch.equal(out[outside], tokens[outside])
        assert (out[~outside] != tokens[~outside]).any(dim=-1).all()


@pytest.mark.parametrize("content", [1e4, float("nan"), float("inf")])
@pytest.mark.parametrize("variant", ["spatial", "joint"])
def test_pose_tokens_do_not_see_tokens_without_a_pose(variant: PaabVariant, content: float):
    block, pose_map = make_block(variant), make_map()
    inside = updated(pose_map)
    tokens = make_tokens()
    replaced = tokens.clone()
    replaced[~inside] = content
    expected = block(tokens, pose_map, LAYOUT)[inside]
    assert torch.equal(block(replaced, pose_map, LAYOUT)[inside], expected)


def test_attention_over_time_sees_the_columns_of_pose_tokens_and_no_other():
    block, tokens = make_block("spatiotemporal"), make_tokens(1)
    pose_map = torch.zeros(1, 3, 8, dtype=torch.bool)
    pose_map[0, 1, 5] = True
    inside = updated(pose_map)
    expected = block(tokens, pose_map, LAYOUT)[inside]
    for patch, seen in ((5, True), (4, False)):
        replaced = tokens.clone()
        replaced[0, LAYOUT.token_index(2, torch.tensor(patch))] += 1
        assert torch.equal(block(replaced, pose_map, LAYOUT)[inside], expected) != seen


def test_frames_are_apart_in_the_spatial_variant_and_together_in_the_joint_one():
    tokens = make_tokens(1)
    pose_map = torch.zeros(1, 3, 8, dtype=torch.bool)
    pose_map[0, 0, 1] = pose_map[0, 2, 6] = True
    replaced = tokens.clone()
    replaced[0, LAYOUT.token_index(2, torch.tensor(6))] += 1
    first = int(LAYOUT.token_index(0, torch.tensor(1)))
    for variant, seen in (("spatial", False), ("joint", True)):
        block = make_block(variant)
        before = block(tokens, pose_map, LAYOUT)[0, first]
        after = block(replaced, pose_map, LAYOUT)[0, first]
        assert torch.equal(before, after) != seen


def test_an_image_full_of_pose_goes_through_a_plain_block():
    layout = TokenLayout(1, 2, 4)
    block = make_block()
    plain = Block(DIM, 3, qkv_bias=True, norm_layer=torch.nn.LayerNorm)
    plain.load_state_dict(block.state_dict())
    plain.norm1.eps = plain.norm2.eps = 1e-6
    tokens = make_tokens(layout=layout)
    out = block(tokens, torch.ones(4, 1, 8, dtype=torch.bool), layout)
    assert (out - plain(tokens)).abs().max() < 1e-5


def test_a_class_token_alone_attends_to_itself():
    block, tokens = make_block(), make_tokens()
    out = block(tokens, torch.zeros(4, 3, 8, dtype=torch.bool), LAYOUT)
    class_token = tokens[:, :1]
    class_token = class_token + block.attn(block.norm1(class_token))
    class_token = class_token + block.mlp(block.norm2(class_token))
    assert torch.allclose(out[:, :1], class_token, atol=1e-5)
    assert torch.equal(out[:, 1:], tokens[:, 1:])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("empty", [True, False])
def test_every_precision_is_finite_without_any_pose(
    variant: PaabVariant, dtype: torch.dtype, empty: bool
):
    block = make_block(variant).to(dtype)
    tokens = make_tokens().to(dtype).requires_grad_()
    pose_map = torch.zeros_like(make_map()) if empty else make_map()
    out = block(tokens, pose_map, LAYOUT)
    out.float().square().mean().backward()
    assert out.dtype == dtype
    for value in (out, tokens.grad, *(p.grad for p in block.parameters())):
        assert torch.isfinite(value).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_autocast_keeps_tokens_without_a_pose(variant: PaabVariant):
    block, tokens, pose_map = make_block(variant), make_tokens(), make_map()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = block(tokens, pose_map, LAYOUT)
    outside = ~updated(pose_map)
    assert torch.equal(out[outside], tokens[outside])
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_fixed_capacity_changes_nothing_until_it_is_exceeded(variant: PaabVariant):
    pose_map, tokens = make_map(), make_tokens()
    pose_map[2, 0, 5:] = False  # at most 5 pose tokens in a frame
    assert pose_map.sum(dim=-1).max() == 5
    expected = make_block(variant)(tokens, pose_map, LAYOUT)
    for capacity in (5, 7, 100):
        out = make_block(variant, capacity=capacity)(tokens, pose_map, LAYOUT)
        assert torch.allclose(out, expected, atol=1e-5)
    crowded = torch.ones_like(pose_map)
    with pytest.raises(RuntimeError, match="capacity"):
        make_block(variant, capacity=4)(tokens, crowded, LAYOUT)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_fixed_capacity_neither_waits_for_the_device_nor_leaves_it(variant: PaabVariant):
    # On this device there are shapes but no values: reading one, or mixing devices, is an error.
    block = make_block(variant, capacity=5).to("meta")
    tokens, pose_map = make_tokens().to("meta"), make_map().to("meta")
    assert block(tokens, pose_map, LAYOUT).shape == tokens.shape
    with pytest.raises(RuntimeError, match="meta"):
        make_block(variant).to("meta")(tokens, pose_map, LAYOUT)


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_pose_token_a_frame_is_the_least_capacity(variant: PaabVariant):
    tokens, pose_map = make_tokens(), torch.zeros_like(make_map())
    pose_map[:, 1, 6] = True
    expected = make_block(variant)(tokens, pose_map, LAYOUT)
    out = make_block(variant, capacity=1)(tokens, pose_map, LAYOUT)
    assert torch.allclose(out, expected, atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_batch_of_nothing_gives_nothing(variant: PaabVariant):
    assert make_block(variant)(make_tokens(0), make_map(0), LAYOUT).shape == (0, 25, DIM)


def test_one_frame_attends_over_time_to_itself():
    layout = TokenLayout(1, 2, 4)
    block, tokens, pose_map = (
        make_block("spatiotemporal"),
        make_tokens(4, layout),
        make_map()[:, :1],
    )
    expected = masked_paab(block, tokens, pose_map, layout)
    assert torch.allclose(block(tokens, pose_map, layout), expected, atol=1e-4)


def test_attention_over_time_has_the_heads_of_the_block():
    block = make_block("spatiotemporal")
    assert block.temporal_attn.num_heads == block.attn.num_heads == 3


@pytest.mark.parametrize("variant", VARIANTS)
def test_registers_stay_as_they_were(variant: PaabVariant):
    layout = TokenLayout(1, 2, 4, prefix=3)
    tokens = make_tokens(2, layout)
    pose_map = make_map(2)[:, :1]
    out = make_block(variant)(tokens, pose_map, layout)
    assert torch.equal(out[:, 1:3], tokens[:, 1:3])
    without = torch.cat([tokens[:, :1], tokens[:, 3:]], dim=1)
    expected = make_block(variant)(without, pose_map, TokenLayout(1, 2, 4))
    assert torch.equal(out[:, 3:], expected[:, 1:])


def test_dropped_paths_leave_the_tokens_as_they_came():
    block = make_block(drop_path=1.0 - 1e-9)
    tokens = make_tokens()
    assert torch.equal(block(tokens, make_map(), LAYOUT), tokens)
    assert not torch.equal(block.eval()(tokens, make_map(), LAYOUT), tokens)


@pytest.mark.parametrize(
    ("dim", "variant", "count"),
    [
        (768, "spatial", 7_087_872),
        (768, "joint", 7_087_872),
        (768, "spatiotemporal", 10_042_368),
        (192, "spatial", 444_864),
    ],
)
def test_parameter_counts_of_the_paper(dim: int, variant: PaabVariant, count: int):
    block = PoseAwareAttentionBlock(dim, dim // 64, variant)
    assert sum(p.numel() for p in block.parameters()) == count


def test_initial_weights_are_small_and_biases_zero():
    block = PoseAwareAttentionBlock(192, 3, "spatiotemporal")
    for module in block.modules():
        if isinstance(module, torch.nn.Linear):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.05)
            assert torch.count_nonzero(module.bias) == 0


def test_mistakes_are_named():
    block, tokens, pose_map = make_block(), make_tokens(), make_map()
    with pytest.raises(OptionError, match="'temporal'"):
        PoseAwareAttentionBlock(DIM, 3, "temporal")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="5 heads"):
        PoseAwareAttentionBlock(DIM, 5)
    with pytest.raises(OptionError, match="capacity"):
        PoseAwareAttentionBlock(DIM, 3, capacity=0)
    with pytest.raises(ValueError, match=r"\(4, 3, 8\)"):
        block(tokens, pose_map[:, :2], LAYOUT)
    with pytest.raises(ValueError, match="torch.float32"):
        block(tokens, pose_map.float(), LAYOUT)
    with pytest.raises(ClassTokenError):
        block(tokens[:, 1:], pose_map, TokenLayout(3, 2, 4, prefix=0))
