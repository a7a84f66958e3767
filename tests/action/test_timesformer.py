"""Agreement with reference outputs of the published models (tests/oracles), and invariants."""

import re

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange
from safetensors import safe_open
from torch import Tensor

from action.timesformer import TimeSformer
from align.layout import TokenLayout
from align.models.pose_aware import PaabConfig, PaatConfig, PoseAware
from align.paat import mean_pose_loss
from datasets.errors import OptionError
from tests import ORACLES

TOLERANCE = 1e-4
PUBLISHED_PAAT = {"learned_joint_proj1": "reduce", "learned_joint_proj2": "classify"}


def load(name: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(ORACLES / f"{name}.safetensors", "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118


def our_name(published: str) -> str:
    """The name of a published parameter in `PoseAware`, whose modules stand beside the blocks."""
    inserted = re.fullmatch(r"blocks\.(\d+)\.pose_blocks\.(\d+)\.(\w+)\.(.+)", published)
    if inserted is None:
        return f"backbone.{published}"
    block, place, module, rest = inserted.groups()
    if module in PUBLISHED_PAAT:
        return f"paat.{int(block) + 1}.{PUBLISHED_PAAT[module]}.{rest}"
    return f"paab.{int(block) + 1}.{place}.{module}.{rest}"


def build(tensors: dict[str, Tensor], meta: dict[str, str]) -> PoseAware:
    """The published model, in evaluation mode."""
    backbone = TimeSformer(
        image_size=int(meta["img_size"]),
        patch_size=int(meta["patch_size"]),
        frames=int(meta["num_frames"]),
        num_classes=int(meta["num_classes"]),
        embed_dim=int(meta["embed_dim"]),
        depth=int(meta["depth"]),
        num_heads=int(meta["num_heads"]),
        attention_type=meta["attention_type"],
    )
    positions = tuple(map(int, re.findall(r"\d+", meta.get("pose_block_pos", ""))))
    paab = paat = None
    if "pose_map" in tensors:
        paab = PaabConfig(positions, variant=meta["attention"])
    elif positions:
        paat = PaatConfig(positions)
    model = PoseAware(backbone, paab, paat, num_keypoints=13)
    weights = {
        our_name(key.removeprefix("weights.")): value
        for key, value in tensors.items()
        if key.startswith("weights.")
    }
    model.load_state_dict(weights)
    return model.eval()


def logits_of(model: PoseAware, clips: Tensor, pose_map: Tensor | None = None) -> Tensor:
    return model.backbone.head(model(clips, pose_map).embedding)


def make_clips(frames: int = 3, size: tuple[int, int] = (32, 48)) -> Tensor:
    return torch.randn(2, 3, frames, *size, generator=torch.Generator().manual_seed(0))


def small(**options) -> TimeSformer:
    torch.manual_seed(0)
    defaults = {"image_size": (32, 48), "frames": 3, "embed_dim": 24, "depth": 2, "num_heads": 3}
    return TimeSformer(**{**defaults, **options}).eval()


@pytest.mark.parametrize("name", ["divided", "divided_interpolated", "joint", "space_only"])
def test_backbone_agrees_with_the_published_one(name: str):
    tensors, meta = load(f"timesformer_{name}")
    model = build(tensors, meta)
    for logits in (model.backbone(tensors["input"]), logits_of(model, tensors["input"])):
        assert (logits - tensors["logits"]).abs().max() < TOLERANCE


@pytest.mark.parametrize(
    "name",
    [
        "spatial_after1",
        "spatial_after3",
        "spatial_no_pose",
        "spatiotemporal_after1",
        "joint_after3",
    ],
)
def test_paab_agrees_with_the_published_one(name: str):
    tensors, meta = load(f"paab_{name}")
    model = build(tensors, meta)
    pose_map = rearrange(tensors["pose_map"].bool(), "b (t n) -> b t n", t=int(meta["num_frames"]))
    logits = logits_of(model, tensors["input"], pose_map)
    assert (logits - tensors["logits"]).abs().max() < TOLERANCE


def test_paat_agrees_with_the_published_one():
    tensors, meta = load("paat_after1")
    model = build(tensors, meta).train()
    for module in model.modules():
        if hasattr(module, "drop_prob"):
            module.drop_prob = 0.0  # training mode gives PAAT's logits; the reference drops nothing
    frames = int(meta["num_frames"])
    output = model(tensors["input"])
    logits = model.backbone.head(output.embedding)
    probabilities = output.pose_logits[1].sigmoid()
    published = rearrange(tensors["keypoint_probabilities"], "b (n t) k -> b t n k", t=frames)
    labels = rearrange(tensors["pose_labels"], "b (t n) k -> b t n k", t=frames)
    loss = F.cross_entropy(logits, tensors["labels"]) + mean_pose_loss(output.pose_logits, labels)
    assert (logits - tensors["logits"]).abs().max() < TOLERANCE
    assert (probabilities - published).abs().max() < TOLERANCE
    assert (loss - tensors["loss"]).abs().max() < TOLERANCE


@pytest.mark.parametrize("kind", ["divided_space_time", "joint_space_time", "space_only"])
def test_pose_aware_is_bit_identical_without_our_modules(kind):
    backbone = small(attention_type=kind)
    output = PoseAware(backbone)(make_clips())
    assert torch.equal(output.embedding, backbone(make_clips()))
    assert output.tokens.shape == (2, 1 + 3 * 6, 24)


@pytest.mark.parametrize("kind", ["divided_space_time", "joint_space_time", "space_only"])
@pytest.mark.parametrize("variant", ["spatial", "spatiotemporal", "joint"])
def test_paab_updates_the_tokens_that_the_map_names(kind, variant):
    backbone = small(attention_type=kind)
    model = PoseAware(backbone, PaabConfig(variant=variant, blocks=2)).eval()
    pose_map = torch.zeros(2, 3, 6, dtype=torch.bool)
    pose_map[0, 2, 4] = pose_map[1, 0, 1] = True
    plain = PoseAware(backbone).eval()(make_clips()).tokens
    changed = (model(make_clips(), pose_map).tokens != plain).any(dim=-1)
    assert changed[:, 0].all()
    assert torch.equal(changed[:, 1:].view(2, 3, 6), pose_map)


@pytest.mark.parametrize("kind", ["divided_space_time", "joint_space_time", "space_only"])
def test_paat_gives_logits_for_every_patch_of_every_frame(kind):
    model = PoseAware(small(attention_type=kind), paat=PaatConfig(), num_keypoints=5).train()
    assert model(make_clips()).pose_logits[1].shape == (2, 3, 6, 5)


@pytest.mark.parametrize("kind", ["divided_space_time", "joint_space_time"])
def test_frames_are_distinguished_by_their_time_embedding(kind):
    backbone = small(attention_type=kind)
    reversed_clips = make_clips().flip(2)
    with torch.no_grad():
        backbone.time_embed.zero_()
        for block in backbone.blocks:
            if block.divided:
                torch.nn.init.normal_(block.temporal_fc.weight)
        same = backbone(make_clips()) - backbone(reversed_clips)
        backbone.time_embed.normal_()
        different = backbone(make_clips()) - backbone(reversed_clips)
    assert same.abs().max() < 1e-5 < 1e-3 < different.abs().max()


def test_other_frame_counts_and_sizes_are_taken():
    backbone = small(num_classes=4)
    assert backbone(make_clips(5, (64, 32))).shape == (2, 4)
    assert backbone.layout(make_clips(5, (64, 32))) == TokenLayout(5, 4, 2)
    assert backbone(make_clips()[:, :, 0]).shape == (2, 4)


def test_published_initialisation_starts_time_as_the_identity():
    backbone = small()
    first, second = backbone.blocks
    assert torch.count_nonzero(first.temporal_fc.weight) > 0
    assert torch.count_nonzero(second.temporal_fc.weight) == 0


@pytest.mark.slow
def test_base_size_has_the_published_number_of_parameters():
    with torch.device("meta"):
        backbone = TimeSformer(num_classes=400)
    # ViT-Base/16 (86,567,656 with 1000 classes) with 400 classes, and for each block a norm,
    # an attention and temporal_fc; and 8 time embeddings.
    dim = 768
    expected = 86_567_656 - 600 * (dim + 1) + 12 * (5 * dim**2 + 7 * dim) + 8 * dim
    assert sum(p.numel() for p in backbone.parameters()) == expected


@pytest.mark.parametrize("patch", [8, 16])
def test_convolutions_make_one_token_of_each_patch(patch):
    backbone = small(stem="conv", patch_size=patch, num_classes=4)
    layout = backbone.layout(make_clips())
    changed = make_clips()
    changed[0, :, 1, :patch, -patch:] += 1  # the last patch of the first row of one frame
    with torch.no_grad():
        before, after = (
            backbone.patch_embed(x.transpose(1, 2).flatten(0, 1)) for x in (make_clips(), changed)
        )
    moved = (before != after).any(-1).view(2, 3, layout.rows, layout.cols)
    assert moved[0, 1, 0, -1] and moved.sum() == moved[0, 1, :, -2:].sum()
    logits = PoseAware(backbone, PaabConfig(), PaatConfig(), num_keypoints=5).train()(
        make_clips(), torch.ones(2, 3, layout.rows * layout.cols, dtype=torch.bool)
    )
    assert logits.pose_logits[1].shape == (2, 3, layout.rows * layout.cols, 5)


def test_mistakes_are_named():
    with pytest.raises(OptionError, match="8 or 16 pixels"):
        small(stem="conv", patch_size=4)
    with pytest.raises(OptionError, match="tubelet 2"):
        small(stem="conv", tubelet=2, frames=4)
    with pytest.raises(OptionError, match="'divided'"):
        small(attention_type="divided")
    with pytest.raises(OptionError, match="30 x 48"):
        small()(make_clips(size=(30, 48)))
    with pytest.raises(ValueError, match="3-D"):
        small()(torch.zeros(3, 32, 48))
    with pytest.raises(ValueError, match=r"\(2, 3, 6\)"):
        PoseAware(small(), PaabConfig())(make_clips(), torch.ones(2, 18, dtype=torch.bool))
