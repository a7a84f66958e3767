import pytest
import timm
import torch
from torch import Tensor

from align.layout import ClassTokenError
from align.models.pose_aware import ModelConfig, PaabConfig, PaatConfig, PoseAware, build_model
from align.pose import pose_map_2d
from datasets.errors import MissingWeightsError, OptionError, UnknownNameError

SIZE = (32, 48)  # 2 rows and 3 columns of 16


def build(seed: int = 0, **options) -> PoseAware:
    torch.manual_seed(seed)
    return build_model(ModelConfig(image_size=SIZE, depth=3, num_keypoints=11, **options))


def make_images(batch: int = 3, size: tuple[int, int] = SIZE) -> Tensor:
    return torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(1))


def make_map(batch: int = 3) -> Tensor:
    pose_map = torch.zeros(batch, 6, dtype=torch.bool)
    pose_map[:, 1] = pose_map[0, 4] = True
    return pose_map


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "prefix"),
    [
        ("deit_tiny_patch16_224", (32, 48), 1),
        ("deit_tiny_distilled_patch16_224", (32, 48), 2),
        ("deit3_small_patch16_224", (32, 48), 1),
        ("vit_tiny_patch16_224", (64, 32), 1),
        ("vit_small_patch32_224", (64, 96), 1),
        ("vit_small_patch14_dinov2", (28, 42), 1),
        ("vit_small_patch14_reg4_dinov2", (28, 42), 5),
        ("vit_tiny_r_s16_p8_224", (64, 96), 1),
    ],
)
def test_any_vit_of_timms_by_name_is_bit_identical_without_our_modules(name, size, prefix):
    torch.manual_seed(0)
    plain = timm.create_model(name, img_size=size, num_classes=0, depth=2).eval()
    torch.manual_seed(0)
    model = build_model(ModelConfig(name, image_size=size, depth=2)).eval()
    images = make_images(size=size)
    output = model(images)
    assert torch.equal(output.tokens, plain.forward_features(images))
    assert torch.equal(output.embedding, output.tokens[:, 0])
    assert output.pose_logits == {} and not model.needs_pose
    assert model.layout.prefix == prefix
    assert model.layout.rows * model.patch_size[0] == size[0]
    assert model.layout.cols * model.patch_size[1] == size[1]


def test_every_prefix_token_and_layer_scale_goes_with_paab():
    name = "vit_small_patch14_reg4_dinov2"
    model = build_model(ModelConfig(name, image_size=28, depth=1, paab=PaabConfig()))
    output = model(make_images(size=(28, 28)), torch.tensor([[True, False, False, True]] * 3))
    assert output.tokens.shape == (3, 5 + 4, 384)


@pytest.mark.slow
def test_a_model_without_a_class_token_reads_the_mean_and_takes_paat():
    name = "vit_medium_patch16_gap_240"
    config = ModelConfig(
        name, image_size=32, depth=1, readout="mean", paat=PaatConfig(), num_keypoints=2
    )
    model = build_model(config)
    output = model(make_images(size=(32, 32)))
    expected = model.backbone.pool_norm(output.tokens.mean(dim=1))
    assert torch.equal(output.embedding, expected)
    assert output.pose_logits[1].shape == (3, 1, 4, 2)
    for options in ({"readout": "class"}, {"readout": "mean", "paab": PaabConfig()}):
        with pytest.raises(ClassTokenError):
            build_model(ModelConfig(name, image_size=32, depth=1, **options))


@pytest.mark.parametrize("target", ["p3d", "p2d"])
def test_paat_leaves_the_outputs_bit_identical(target):
    plain = build()
    with_paat = build(paat=PaatConfig(positions=(1, 3), target=target))
    for training in (True, False):
        expected = plain.train(training)(make_images())
        output = with_paat.train(training)(make_images())
        assert torch.equal(output.tokens, expected.tokens)
        assert torch.equal(output.embedding, expected.embedding)
        assert list(output.pose_logits) == ([1, 3] if training else [])


def test_paat_reads_the_patch_tokens_after_its_block():
    model = build(paat=PaatConfig(positions=(2,)))
    tokens = model.backbone.embed(make_images())
    for block in list(model.backbone.blocks)[:2]:
        tokens = block(tokens)
    logits = model(make_images()).pose_logits[2]
    assert logits.shape == (3, 1, 6, 11)
    assert torch.equal(logits[:, 0], model.paat["2"](tokens[:, 1:]))


def test_paat_does_not_see_the_pose_map_of_a_paab_at_its_place():
    model = build(paab=PaabConfig(positions=(1,)), paat=PaatConfig(positions=(1,)))
    first = model(make_images(), make_map())
    second = model(make_images(), ~make_map())
    assert torch.equal(first.pose_logits[1], second.pose_logits[1])
    assert not torch.equal(first.embedding, second.embedding)


def test_paab_comes_after_the_last_block_and_before_the_norm_by_default():
    plain, model = build().eval(), build(paab=PaabConfig()).eval()
    assert model.needs_pose and list(model.paab) == ["3"]
    expected, output = plain(make_images()), model(make_images(), make_map())
    assert torch.equal(output.tokens[:, 1:][~make_map()], expected.tokens[:, 1:][~make_map()])
    tokens = model.backbone.embed(make_images())
    for block in model.backbone.blocks:
        tokens = block(tokens)
    tokens = model.paab["3"][0](tokens, make_map().unsqueeze(1), model.layout)
    assert torch.equal(output.tokens, model.backbone.norm(tokens))


def test_a_keypoint_changes_the_token_of_its_patch():
    plain, model = build().eval(), build(paab=PaabConfig()).eval()
    pose_map = pose_map_2d(torch.tensor([[[40.0, 20.0]]]), SIZE, 16)
    images = make_images(1)
    changed = (model(images, pose_map).tokens != plain(images).tokens).any(dim=-1)
    assert changed.nonzero()[:, 1].tolist() == [0, 1 + 1 * 3 + 2]


@pytest.mark.parametrize("variant", ["spatial", "spatiotemporal", "joint"])
def test_stacked_paabs_leave_other_tokens_bit_identical(variant):
    paab = PaabConfig(positions=(3,), blocks=3, variant=variant)
    plain, model = build().eval(), build(paab=paab).eval()
    assert len(model.paab["3"]) == 3
    expected, output = plain(make_images()), model(make_images(), make_map())
    assert torch.equal(output.tokens[:, 1:][~make_map()], expected.tokens[:, 1:][~make_map()])


def test_paab_takes_heads_and_stochastic_depth_of_its_host():
    model = build(paab=PaabConfig(positions=(2, -1)), drop_path=0.2)
    assert list(model.paab) == ["2", "3"]
    assert model.paab["2"][0].attn.num_heads == 3
    assert model.paab["2"][0].drop_path.drop_prob == pytest.approx(0.1)
    assert model.paab["3"][0].drop_path.drop_prob == pytest.approx(0.2)


def test_one_seed_gives_one_backbone_whatever_is_inserted():
    plain, model = build(), build(paab=PaabConfig(), paat=PaatConfig())
    assert plain.state_dict().keys() < model.state_dict().keys()
    assert all(torch.equal(value, model.state_dict()[k]) for k, value in plain.state_dict().items())


@pytest.mark.parametrize(("readout", "width"), [("class", 192), ("mean", 192), ("class+mean", 384)])
def test_readouts_come_after_the_final_norm(readout, width):
    model = build(readout=readout)
    output = model(make_images())
    class_token, mean = output.tokens[:, 0], output.tokens[:, 1:].mean(dim=1)
    parts = {"class": [class_token], "mean": [mean], "class+mean": [class_token, mean]}
    assert torch.equal(output.embedding, torch.cat(parts[readout], dim=-1))
    assert output.embedding.shape == (3, width) and model.embed_dim == width


def test_every_parameter_is_trained():
    model = build(paab=PaabConfig(variant="spatiotemporal"), paat=PaatConfig())
    output = model(make_images(), make_map())
    (output.embedding.square().sum() + output.pose_logits[1].square().sum()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_maps_with_and_without_a_frame_axis_and_of_numbers_are_the_same():
    model = build(paab=PaabConfig()).eval()
    expected = model(make_images(), make_map()).tokens
    assert torch.equal(model(make_images(), make_map().unsqueeze(1)).tokens, expected)
    assert torch.equal(model(make_images(), make_map().float()).tokens, expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"backbone": "deit_tinny_patch16_224"}, UnknownNameError, "'deit_tiny_patch16_224'"),
        ({"backbone": "resnet18", "depth": None}, OptionError, "class token"),
        ({"backbone": "pit_ti_224", "depth": None}, OptionError, "'pit_ti_224'"),
        ({"image_size": (40, 48)}, OptionError, "40 x 48 .* 16 x 16"),
        ({"depth": 0}, OptionError, "depth .* 0"),
        ({"paab": PaabConfig(positions=(4,))}, OptionError, "PAAB .*block 4 .* 1 to 3"),
        ({"paat": PaatConfig(positions=(0,))}, OptionError, "PAAT .*block 0"),
        ({"paab": PaabConfig(positions=(3, -1))}, OptionError, r"PAAB .*\(3, -1\)"),
        ({"paab": PaabConfig(positions=())}, OptionError, r"PAAB .*\(\)"),
        ({"paab": PaabConfig(blocks=0)}, OptionError, "PAAB .*not 0"),
        ({"paab": PaabConfig(variant="temporal")}, OptionError, "'temporal'"),
        ({"paat": PaatConfig(), "num_keypoints": None}, OptionError, "num_keypoints"),
        ({"readout": "max"}, OptionError, "'max'"),
    ],
)
def test_mistakes_of_configuration_are_named(options, error, named):
    defaults = {"image_size": SIZE, "depth": 3, "num_keypoints": 11}
    with pytest.raises(error, match=named):
        build_model(ModelConfig(**{**defaults, **options}))


def test_mistakes_of_input_are_named():
    model = build(paab=PaabConfig())
    with pytest.raises(ValueError, match="pose_map="):
        model(make_images())
    with pytest.raises(ValueError, match=r"\(3, 1, 6\)"):
        model(make_images(), make_map()[:, :5])
    with pytest.raises(ValueError, match="32 x 48 .* 48 x 48"):
        model(make_images(size=(48, 48)), make_map())
    with pytest.raises(ValueError, match=r"\(3, 3, 1, 32, 48\)"):
        model(make_images().unsqueeze(2), make_map())


@pytest.mark.parametrize("name", ["deit_tiny_patch16_224", "vit_tiny_r_s16_p8_224"])
def test_frozen_patches_leave_all_but_the_projection_to_training(name):
    size = (64, 96)
    model = build_model(ModelConfig(name, image_size=size, depth=1, freeze_patches=True))
    model(make_images(size=size)).embedding.sum().backward()
    untrained = {n for n, parameter in model.named_parameters() if parameter.grad is None}
    assert untrained == {f"backbone.vit.patch_embed.proj.{part}" for part in ("weight", "bias")}


def test_pretrained_patches_are_trained_also_where_random_ones_are_frozen(monkeypatch):
    create = timm.create_model

    def without_weights(name, pretrained, **options):
        return create(name, pretrained=False, **options)

    monkeypatch.setattr("align.models.backbones.timm.create_model", without_weights)
    model = build(pretrained=True, freeze_patches=True)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_the_side_of_a_patch_can_be_chosen():
    model = build(patch=8)
    assert model.patch_size == (8, 8) and model.layout.patches == 4 * 6
    stem = build_model(ModelConfig("vit_tiny_r_s16_p8_224", image_size=48, depth=1, patch=4))
    assert stem.patch_size == (16, 16) and stem.layout.patches == 9


def test_a_hybrid_whose_features_do_not_divide_into_patches_names_the_remedy():
    with pytest.raises(OptionError, match=r"48 x 48 .*--backbone\.patch"):
        build_model(ModelConfig("vit_tiny_r_s16_p8_224", image_size=48, depth=1))


def test_weights_that_cannot_be_had_name_the_remedy(monkeypatch):
    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("align.models.backbones.timm.create_model", offline)
    with pytest.raises(MissingWeightsError, match=r"huggingface.co .*--backbone\.pretrained"):
        build(pretrained=True)
