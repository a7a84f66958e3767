"""Pixels are normalised as pretrained weights expect, and as a run has learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import timm
from timm.models import get_pretrained_cfg

from align.config import BackboneConfig, TrainConfig
from align.embedder import FrameEmbedder
from align.models.encoder import IMAGENET_MEAN, IMAGENET_STD
from align.plan import RunPlan
from align.stored.plan import stored_normalisation
from align.train import make_trainer
from datasets.storage.meta import DatasetMeta

AUGREG = "vit_tiny_patch16_224"  # its weights expect a mean and a deviation of 0.5
SMALL = {"epochs": 1, "image_size": 32}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    create = timm.create_model

    def without_weights(name: str, pretrained: bool = False, **options: object) -> object:
        # What timm.create_model does with `pretrained`, but for fetching the weights.
        return create(name, pretrained=False, depth=1, **options)

    monkeypatch.setattr("align.models.backbones.timm.create_model", without_weights)


def statistics(embedder: FrameEmbedder) -> tuple[list[float], list[float]]:
    return embedder.model.mean.flatten().tolist(), embedder.model.std.flatten().tolist()


@pytest.mark.parametrize("name", ["deit_tiny_patch16_224", AUGREG])
def test_pretrained_weights_get_the_pixels_that_they_expect(
    dots: Path, offline: None, name: str
) -> None:
    backbone = BackboneConfig(name=name, pretrained=True)
    config = TrainConfig(data=dots, backbone=backbone, **SMALL)
    meta = DatasetMeta.load(dots)
    published = get_pretrained_cfg(name)
    assert statistics(FrameEmbedder(RunPlan.of(config, meta))) == (
        pytest.approx(published.mean),
        pytest.approx(published.std),
    )
    scratch = replace(config, backbone=replace(backbone, pretrained=False))
    assert statistics(FrameEmbedder(RunPlan.of(scratch, meta))) == (
        pytest.approx(IMAGENET_MEAN),
        pytest.approx(IMAGENET_STD),
    )


@pytest.mark.slow
def test_a_run_keeps_its_statistics(dots: Path, offline: None, tmp_path: Path) -> None:
    backbone = BackboneConfig(name=AUGREG, pretrained=True)
    config = TrainConfig(data=dots, out=tmp_path / "run", backbone=backbone, **SMALL)
    trainer = make_trainer(config, progress=False)
    trainer.task.embedder.normalise({"mean": [0.1, 0.2, 0.3]})
    trainer.fit()
    assert stored_normalisation(tmp_path / "run")["mean"] == pytest.approx([0.1, 0.2, 0.3])
    mean, std = statistics(FrameEmbedder.load(tmp_path / "run"))
    assert mean == pytest.approx([0.1, 0.2, 0.3]) and std == pytest.approx([0.5] * 3)
    resumed = make_trainer(replace(config, epochs=2), progress=False, resumed=True)
    assert statistics(resumed.task.embedder)[0] == pytest.approx([0.1, 0.2, 0.3])
