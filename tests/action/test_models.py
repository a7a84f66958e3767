"""The networks on RGB train, are stored and are evaluated as TimeSformer is."""

from dataclasses import replace
from typing import get_args

import pytest
import torch

from action.analyzing import analyze
from action.config import RgbModelName
from action.evaluate import evaluate
from action.model import build_classifier
from action.models.features import feature_network, load_features
from action.models.normalisation import KINETICS
from action.models.registry import build
from action.recognizer import ClipRecognizer
from action.train import default_options, make_trainer, resolve
from action.training.recipes import action_recipe
from align.engine.checkpoint import MissingCheckpointError, OtherModelError
from datasets.errors import OptionError
from tests.action.test_train import TINY, config_for

CONVOLUTIONAL = ["swin3d_t", "swin3d_b", "s3d", "r3d50", "i3d", "assemblenet_pp"]
ALONG_TRAJECTORIES = replace(TINY, attention="trajectory", tubelet=2)


def options_for(model: str) -> dict:
    backbone = ALONG_TRAJECTORIES if model == "motionformer" else TINY
    backbone = replace(backbone, frames=8) if model == "s3d" else backbone
    return {"model": model, "backbone": backbone}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "method"),
    [("s3d", "baseline"), ("i3d", "baseline"), ("motionformer", "paab+paat")],
)
def test_models_train_and_are_evaluated(squares, tmp_path, model, method):
    run = tmp_path / "run"
    config = config_for(squares, run, method, epochs=1, **options_for(model))
    make_trainer(config, progress=False).fit()
    result = evaluate(run, progress=False)
    assert len(result.clips) == 12
    again = ClipRecognizer.load(run)
    assert again.config.model == model
    assert again.plan.normalisation.std != 0.225


# Video Swin-B is T with other widths, and takes 15 seconds.
@pytest.mark.slow
@pytest.mark.parametrize("model", sorted(set(get_args(RgbModelName)) - {"swin3d_b"}))
def test_every_model_is_a_classifier_whose_parameters_all_learn(squares, tmp_path, model):
    config = config_for(squares, tmp_path, **options_for(model))
    frames = config.backbone.frames
    classifier = build_classifier(config, frames, 25, 3).train()
    clips = torch.randint(0, 256, (2, 3, frames, 32, 32), dtype=torch.uint8)
    logits, output = classifier(clips)
    assert logits.shape == (2, 3)
    assert output.embedding.shape == (2, classifier.head.in_features)
    logits.sum().backward()
    assert all(p.grad is not None for p in classifier.parameters())


@pytest.mark.parametrize("model", ["motionformer", "i3d"])
def test_only_timesformer_is_analysed(squares, tmp_path, model):
    config_for(squares, tmp_path, model=model).save(tmp_path)
    with pytest.raises(OptionError, match="run of that model"):
        analyze(tmp_path)


@pytest.mark.parametrize("model", CONVOLUTIONAL)
def test_poses_need_tokens(squares, tmp_path, model):
    with pytest.raises(OptionError, match="--method baseline"):
        build_classifier(config_for(squares, tmp_path, "paab", model=model), 4, 25, 3)


def test_trajectories_make_a_motionformer_and_nothing_else(squares, tmp_path):
    for model, backbone in (("timesformer", ALONG_TRAJECTORIES), ("motionformer", TINY)):
        config = config_for(squares, tmp_path, model=model, backbone=backbone)
        with pytest.raises(OptionError, match="--model motionformer"):
            build_classifier(config, 4, 25, 3)


def test_the_command_line_makes_a_motionformer():
    options = default_options(["--model", "motionformer", "--recipe", "paper"])
    assert options == action_recipe("paper", model="motionformer")
    assert (options.backbone.attention, options.backbone.tubelet) == ("trajectory", 2)
    assert resolve(options).out.name.startswith("motionformer_baseline_mocap_")


@pytest.mark.slow
def test_published_weights_are_loaded_without_their_classifier(tmp_path):
    torch.manual_seed(0)
    published, file = build("s3d", 400), tmp_path / "s3d.pth"
    torch.save(published.state_dict(), file)
    ours = feature_network("s3d").eval()
    load_features(ours.network, file)
    clips = torch.randn(1, 3, 8, 32, 32)
    expected = published.eval().avgpool(published.features(clips)).flatten(1)
    assert torch.equal(ours(clips).embedding, expected)
    with pytest.raises(OtherModelError, match="--model"):
        load_features(feature_network("r3d50").network, file)
    with pytest.raises(MissingCheckpointError):
        load_features(ours.network, tmp_path / "none.pth")


@pytest.mark.slow
def test_a_run_is_normalised_as_its_model_was_published(squares, tmp_path):
    config = config_for(squares, tmp_path / "run", **options_for("s3d"))
    trainer = make_trainer(config, progress=False)
    assert trainer.task.recognizer.plan.normalisation == KINETICS
    assert "S3D, 8 frames" in trainer.task.describe()["model"]


def test_clips_that_s3d_would_pool_away_are_refused(squares, tmp_path):
    with pytest.raises(OptionError, match="8 frames of 32 pixels"):
        build_classifier(config_for(squares, tmp_path, model="s3d"), 4, 25, 3)
