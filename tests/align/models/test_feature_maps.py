from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch

from align.config import BackboneConfig
from align.engine.run_folder import RunFolder
from align.evaluate import evaluate
from align.methods import Method
from align.models.config import ModelConfig, PaabConfig, PaatConfig
from align.models.feature_maps import FeatureMapBackbone, is_convolutional
from align.models.pose_aware import build_model
from align.train import make_trainer
from datasets.errors import OptionError, UnknownNameError
from tests.align.conftest import tiny_config

IMAGES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "stride", "dim"),
    [("convnext_atto", 16, 160), ("convnext_atto", 8, 80), ("resnet18", 16, 256)],
)
def test_tokens_are_the_cells_of_the_map_row_by_row(name: str, stride: int, dim: int) -> None:
    backbone = FeatureMapBackbone(name, 64, stride).eval()
    whole = timm.create_model(name, features_only=True).eval()
    whole.load_state_dict(backbone.network.state_dict(), strict=False)
    with torch.no_grad():
        tokens = backbone.embed(IMAGES)
        at = whole.feature_info.reduction().index(stride)
        expected = whole(IMAGES)[at]
    side = 64 // stride
    assert tokens.shape == (2, side * side, dim)
    assert backbone.default_layout.tokens == side * side
    torch.testing.assert_close(tokens[:, side + 2], expected[:, :, 1, 2], atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_building_a_network_leaves_its_statistics_alone() -> None:
    fresh = timm.create_model("resnet18", features_only=True, out_indices=(3,))
    built = FeatureMapBackbone("resnet18", 64)
    assert built.network.training
    for name, buffer in built.network.named_buffers():
        assert torch.equal(buffer, fresh.get_buffer(name)), name


@pytest.mark.slow
def test_paat_predicts_in_the_cells() -> None:
    config = ModelConfig(
        backbone="convnext_atto", image_size=64, paat=PaatConfig(), num_keypoints=5, readout="mean"
    )
    model = build_model(config).train()
    out = model(IMAGES)
    assert out.embedding.shape == (2, 160)
    assert out.pose_logits[1].shape == (2, 1, 16, 5)
    out.pose_logits[1].sum().backward()
    assert model.backbone.network.stem_0.weight.grad.abs().sum() > 0


@pytest.mark.slow
def test_paab_needs_a_transformer() -> None:
    with pytest.raises(OptionError, match="class token"):
        build_model(
            ModelConfig(backbone="resnet18", image_size=64, paab=PaabConfig(), readout="mean")
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "patch", "says"),
    [
        ("convnext_atto", 64, 2, "4, 8, 16, 32"),
        ("resnet18", 60, None, "multiple"),
        ("swin_tiny_patch4_window7_224", 64, 16, "no convolutional map"),
    ],
)
def test_a_map_that_is_not_there_is_refused(
    name: str, size: int, patch: int | None, says: str
) -> None:
    with pytest.raises(OptionError, match=says):
        build_model(ModelConfig(backbone=name, image_size=size, patch=patch, readout="mean"))


def test_transformers_and_unknown_names_are_not_convolutional() -> None:
    assert not is_convolutional("deit_tiny_patch16_224")
    assert not is_convolutional("vit_tiny_r_s16_p8_224")
    assert is_convolutional("convnext_atto.d2_in1k")
    with pytest.raises(UnknownNameError):
        build_model(ModelConfig(backbone="convnext_ato", image_size=64))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["paat", "late"])
def test_a_convolutional_network_trains_and_is_measured(
    dots: Path, tmp_path: Path, method: Method
) -> None:
    backbone = BackboneConfig(name="convnext_atto")
    config = tiny_config(dots, tmp_path / "run", method, epochs=1, backbone=backbone)
    make_trainer(config, progress=False).fit()
    evaluation = evaluate(tmp_path / "run", progress=False)
    assert 0 < evaluation.metrics["alignment_error"] < 0.4
    assert RunFolder(tmp_path / "run").finished
