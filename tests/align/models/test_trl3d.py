"""3DTRL's geometry against numbers worked out by hand, and the layer in a transformer."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from align.layout import ClassTokenError, TokenLayout
from align.models import ModelConfig, PaabConfig, PaatConfig, Trl3dConfig, build_model
from align.models.trl3d import (
    TokenRepresentation3d,
    rotation_matrix,
    to_world,
    unproject,
)
from datasets.errors import OptionError


def test_patches_are_lifted_along_their_rays() -> None:
    # Two rows of three columns: u is -1, 0, 1 and v is -1/2, 1/2.
    depth = torch.tensor([[[1.0, 2.0, 3.0, 4.0, 5.0, -6.0]]])
    expected = [
        [-1.0, -0.5, 1.0],
        [0.0, -1.0, 2.0],
        [3.0, -1.5, 3.0],
        [-4.0, 2.0, 4.0],
        [0.0, 2.5, 5.0],
        [-6.0, -3.0, -6.0],
    ]
    assert unproject(depth, rows=2, cols=3)[0, 0].tolist() == expected


def test_rotations_turn_about_x_then_y_then_z() -> None:
    quarter = math.pi / 2
    about = torch.eye(3) * quarter
    by_hand = [
        [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
        [[0, 0, 1], [0, 1, 0], [-1, 0, 0]],
        [[0, -1, 0], [1, 0, 0], [0, 0, 1]],
    ]
    torch.testing.assert_close(
        rotation_matrix(about), torch.tensor(by_hand).float(), atol=1e-6, rtol=0
    )
    # Rz Ry Rx of three quarter turns: x goes to -z, y to y, z to x.
    all_three = rotation_matrix(torch.full((1, 3), quarter))[0]
    expected = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    torch.testing.assert_close(all_three, expected, atol=1e-6, rtol=0)


def test_world_points_are_row_vectors_times_the_rotation() -> None:
    rotation = rotation_matrix(torch.tensor([[0.0, 0.0, math.pi / 6]]))
    point = torch.tensor([[[[2.0, 0.0, 1.0]]]])
    # (2, 0, 1) R + t with the first row of R (cos 30, -sin 30, 0).
    expected = [2 * math.cos(math.pi / 6) + 10, -1.0 + 20, 31.0]
    world = to_world(point, rotation, torch.tensor([[10.0, 20.0, 30.0]]))
    assert world.flatten().tolist() == pytest.approx(expected)


def test_the_camera_head_averages_patches_between_its_layers() -> None:
    # One number a token; all layers pass it on but for those named here.
    layer = TokenRepresentation3d(1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(1 if parameter.ndim == 2 else 0)
        layer.camera_patch[0].bias.fill_(-2)
        layer.angles.weight.zero_()
        layer.translation.bias.copy_(torch.tensor([0.0, 1.0, 2.0]))
    tokens = torch.tensor([[[5.0], [1.0], [4.0], [8.0]]])
    _, geometry = layer(tokens, TokenLayout(1, 1, 3, prefix=1))
    # ReLU before the mean: (0 + 2 + 6) / 3, which with the class token's 5 goes through a hidden
    # layer of 32 units and an output of 32. The other way round the mean would be (13/3 - 2).
    shared = 5 + 8 / 3
    expected = 32 * 32 * shared + torch.tensor([0.0, 1.0, 2.0])
    torch.testing.assert_close(geometry.translation[0], expected)
    torch.testing.assert_close(geometry.rotation[0], torch.eye(3))
    # Depths 1, 4, 8 at columns -1, 0, 1 of one row.
    points = torch.tensor([[-1.0, 0.0, 1.0], [0.0, 0.0, 4.0], [8.0, 0.0, 8.0]])
    torch.testing.assert_close(geometry.world[0, 0], points + expected)


def a_layer(dim: int = 8) -> TokenRepresentation3d:
    torch.manual_seed(0)
    return TokenRepresentation3d(dim)


def test_the_layer_adds_points_and_positions() -> None:
    layer, layout = a_layer(), TokenLayout(1, 2, 3, prefix=2)
    tokens, where = torch.randn(4, 8, 8), torch.randn(1, 8, 8)
    output, geometry = layer(tokens, layout, where)
    torch.testing.assert_close(output[:, 0], (tokens + where)[:, 0] + layer.class_embedding[0])
    assert torch.equal(output[:, 1], (tokens + where)[:, 1])
    added = layer.point_embedding(geometry.world[:, 0])
    torch.testing.assert_close(output[:, 2:], (tokens + where)[:, 2:] + added)
    points = unproject(geometry.depth, 2, 3)
    torch.testing.assert_close(
        geometry.world, to_world(points, geometry.rotation, geometry.translation)
    )
    assert layer.translation.weight.unique().item() == 1


def test_a_clip_has_a_depth_a_frame_and_one_camera() -> None:
    layer, layout = a_layer(), TokenLayout(3, 2, 2)
    tokens = torch.randn(2, layout.tokens, 8)
    output, geometry = layer(tokens, layout)
    assert output.shape == tokens.shape
    assert geometry.depth.shape == (2, 3, 4) and geometry.rotation.shape == (2, 3, 3)
    frame = torch.cat([tokens[:, :1], tokens[:, 5:9]], dim=1)
    alone = layer(frame, layout.one_frame())[1].depth
    torch.testing.assert_close(geometry.depth[:, 1], alone[:, 0])


def build(position: int = 4, **options: object):  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    config = ModelConfig(
        image_size=32, depth=3, num_keypoints=5, trl3d=Trl3dConfig(position), **options
    )
    return build_model(config)


def images(count: int = 2) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_it_comes_before_a_block_and_not_after_the_last() -> None:
    assert list(build(position=1).trl3d) == ["1"]
    model = build().eval()
    assert list(model.trl3d) == ["2"]
    tokens = model.backbone.embed(images())
    for block in list(model.backbone.blocks)[:2]:
        tokens = block(tokens)
    tokens, geometry = model.trl3d["2"](tokens, model.layout, model.backbone.vit.pos_embed)
    output = model(images())
    assert torch.equal(output.tokens, model.backbone.norm(model.backbone.blocks[2](tokens)))
    assert torch.equal(output.geometry.depth, geometry.depth)


def test_paab_and_paat_stand_on_it_and_all_of_it_learns() -> None:
    model = build(paab=PaabConfig(), paat=PaatConfig())
    pose_map = torch.tensor([[True, False, False, True]] * 2)
    output = model(images(), pose_map)
    (output.embedding.square().sum() + output.pose_logits[1].square().sum()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_a_position_embedding_of_patches_alone_is_not_added_to_the_class_token() -> None:
    name = "vit_small_patch14_reg4_dinov2"
    config = ModelConfig(name, image_size=28, depth=1, trl3d=Trl3dConfig())
    backbone = build_model(config).backbone
    where = backbone.position_embedding()
    assert where.shape == (1, 5 + 4, 384) and not where[:, :5].any()
    assert torch.equal(where[:, 5:], backbone.vit.pos_embed)


def test_mistakes_are_named() -> None:
    with pytest.raises(OptionError, match="-1"):
        build(position=-1)
    with pytest.raises(ClassTokenError):
        config = ModelConfig("vit_medium_patch16_gap_240", image_size=32, depth=1, readout="mean")
        build_model(ModelConfig(**{**vars(config), "trl3d": Trl3dConfig()}))
