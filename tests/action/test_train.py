"""Training, evaluation and resume of action recognition."""

import logging
import shutil
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from action.config import (
    ActionConfig,
    ClipBatchConfig,
    DataName,
    TimeSformerConfig,
)
from action.evaluate import evaluate
from action.evaluation import class_recall, confusion, recognition_metrics
from action.inputs.clips import hold_out, open_data
from action.measuring import ensembled
from action.train import default_options, make_trainer
from action.training.recipes import action_recipe
from action.training.starting import carried_over
from action.training.task import ActionTask
from align.engine.checkpoint import (
    CheckpointError,
    OtherModelError,
    model_weights,
    read_about,
    read_state,
)
from align.engine.config import OptimConfig
from align.engine.optim import learning_rate_factor
from align.engine.run_folder import RunFolder
from align.models.config import PaabConfig, PaatConfig
from datasets.clips.mocap import MocapMeta
from datasets.errors import MismatchError, MissingDataError, OptionError

TINY = TimeSformerConfig(image_size=32, patch_size=8, frames=4, stride=8, dim=32, depth=2, heads=2)


def config_for(root, out, method="baseline", **options) -> ActionConfig:
    # Mirrored, a square that moves right would be one that moves left.
    defaults = dict(
        backbone=TINY,
        batch=ClipBatchConfig(clips=8, flip=0, person=False),
        optim=OptimConfig(lr=3e-3),
        epochs=2,
        valid_share=0.2,
    )
    return ActionConfig(method=method, data="mocap", root=root, out=out, **(defaults | options))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["baseline", "paab", "paat", "paab+paat"])
def test_every_method_trains_and_is_evaluated(squares, tmp_path, method):
    run = tmp_path / "run"
    make_trainer(config_for(squares, run, method), progress=False).fit()
    result = evaluate(str(run), progress=False, num_clips=2)
    assert len(result.clips) == 12
    assert set(result.recall) == {"right", "still", "down"}
    assert Image.open(RunFolder(run).confusion("CS_test")).format == "PNG"


@pytest.mark.slow
def test_a_small_model_learns_how_a_square_moves(squares, tmp_path):
    run, optim = tmp_path / "run", OptimConfig(lr=5e-3)
    config = config_for(squares, run, "paab", epochs=50, optim=optim, validate_every=50)
    make_trainer(config, progress=False).fit()
    assert evaluate(run, checkpoint="last", progress=False).metrics["top1"] > 0.5  # chance: 1/3


@pytest.mark.slow
def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(squares, tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    make_trainer(config_for(squares, whole, "paab+paat", epochs=3), progress=False).fit()
    trainer = make_trainer(config_for(squares, stopped, "paab+paat", epochs=3), progress=False)
    trainer.epochs = 1
    trainer.fit()
    make_trainer(config_for(squares, stopped, "paab+paat", epochs=3), progress=False).fit()
    last = [run / "checkpoints" / "last.safetensors" for run in (whole, stopped)]
    assert last[0].read_bytes() == last[1].read_bytes()


@pytest.mark.slow
def test_accumulated_parts_give_the_gradient_of_the_whole_batch(squares, tmp_path):
    losses = {}
    for parts in (1, 4):
        optim = OptimConfig(name="sgd", lr=0.01, accumulate=parts)
        run = tmp_path / str(parts)
        config = config_for(squares, run, optim=optim, epochs=1, whiten=False)
        trainer = make_trainer(config, progress=False)
        trainer.fit()
        losses[parts] = torch.cat([p.detach().flatten() for p in trainer.model.parameters()])
    assert torch.allclose(losses[1], losses[4], atol=1e-6)


def test_paat_leaves_no_trace_at_inference(squares, tmp_path):
    plain = ActionTask(config_for(squares, tmp_path / "a")).model.eval()
    with_paat = ActionTask(config_for(squares, tmp_path / "b", "paat")).model.eval()
    with_paat.load_state_dict(plain.state_dict(), strict=False)
    clips = torch.randint(0, 256, (2, 3, 4, 32, 32), dtype=torch.uint8)
    assert torch.equal(plain(clips)[0], with_paat(clips)[0])


@pytest.mark.slow
def test_checkpointing_changes_no_gradient(squares, tmp_path):
    gradients = []
    for checkpointing in (False, True):
        backbone = replace(TINY, checkpointing=checkpointing)
        config = config_for(squares, tmp_path / "run", "paab+paat", backbone=backbone)
        task = ActionTask(config)
        batch = next(iter(task.loader(0, 1)))
        task.model.train()
        task.loss(task.model, batch, 0)[0].backward()
        gradients.append([p.grad for p in task.model.parameters() if p.grad is not None])
    for a, b in zip(*gradients, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_the_classifier_sees_what_differs_between_clips_in_training(squares, tmp_path):
    model = ActionTask(config_for(squares, tmp_path / "run")).model.train()
    clips = torch.randint(0, 256, (8, 3, 4, 32, 32), dtype=torch.uint8)
    _, output = model(clips)
    white = model.whiten(output.embedding)
    assert white.mean(0).abs().max() < 1e-4
    assert white.abs().mean() > 0.5 > output.embedding.std(0).mean()
    model.eval()
    assert not torch.equal(model.whiten(output.embedding), white), "its own statistics"


def test_a_single_clip_cannot_be_whitened(squares, tmp_path):
    batch, run = ClipBatchConfig(clips=2), tmp_path / "run"
    config = config_for(squares, run, batch=batch, optim=OptimConfig(accumulate=2))
    with pytest.raises(OptionError, match="--no-whiten"):
        make_trainer(config)
    make_trainer(replace(config, whiten=False))


def test_validation_subjects_are_never_trained_on(squares):
    parts = open_data(ActionConfig(data="mocap", root=squares, valid_share=0.2)).parts
    subjects = {name: {clip.subject for clip in clips} for name, clips in parts.items()}
    assert subjects["test"] == {3, 6}
    assert len(subjects["valid"]) == 1
    assert subjects["train"] | subjects["valid"] == {1, 2, 4, 5}
    assert not subjects["train"] & subjects["valid"]


@pytest.mark.slow
def test_without_validation_the_best_checkpoint_is_the_last(squares, tmp_path):
    run = tmp_path / "run"
    config = config_for(squares, run, epochs=3, valid_share=0, optim=OptimConfig(patience=1))
    make_trainer(config, progress=False).fit()
    assert {clip.subject for clip in ActionTask(config).train} == {1, 2, 4, 5}
    files = [run / "checkpoints" / f"{name}.safetensors" for name in ("best", "last")]
    best, last = map(load_file, files)
    assert read_state(files[1])["epoch"] == 3
    assert best and all(torch.equal(last[name], value) for name, value in best.items())
    with pytest.raises(MissingDataError):
        evaluate(run, "valid", progress=False)


def test_one_subject_alone_cannot_be_split(squares):
    clips = [
        c
        for c in open_data(ActionConfig(data="mocap", root=squares)).parts["train"]
        if c.subject == 1
    ]
    with pytest.raises(MismatchError, match="subject 1"):
        hold_out(clips, 0.1)


@pytest.mark.slow
def test_a_run_of_another_shape_is_refused(squares, tmp_path):
    run = tmp_path / "run"
    make_trainer(config_for(squares, run, epochs=1), progress=False).fit()
    other = config_for(squares, run, epochs=1, backbone=replace(TINY, dim=64))
    with pytest.raises(MismatchError, match="backbone.dim 32"):
        make_trainer(other)
    other.save(run)
    with pytest.raises(OtherModelError, match="best.safetensors"):
        evaluate(run, progress=False)


def test_the_published_schedule_drops_at_epochs_11_and_14_of_15():
    optim = OptimConfig(schedule="steps", warmup=0)
    factors = [learning_rate_factor(epoch * 10, 150, optim) for epoch in (0, 10, 11, 13, 14)]
    assert np.allclose(factors, [1, 1, 0.1, 0.1, 0.01])


_SEVERAL = ("ntu", "smarthome", "nucla")


@pytest.mark.parametrize("data", [*get_args(DataName), None])
def test_the_paper_s_batches_are_those_of_the_data_set(data):
    named = ["--data", data] if data else []
    config = default_options(["--recipe", "paper", "--method", "paab", *named])
    assert config.batch.clips == {"ntu": 64, "nucla": 64}.get(data, 32)
    assert (config.epochs, config.backbone.dim) == (15, 768)
    small = default_options(named)
    assert small == action_recipe("small", data or "mocap")
    # Keypoints of a second person count where there can be one.
    assert small.batch.persons == config.batch.persons == (2 if data in _SEVERAL else 1)


def test_metrics_of_known_answers():
    scores = np.eye(7)[[0, 0, 1, 2]]
    labels = np.array([0, 1, 1, 2])
    metrics = recognition_metrics(scores, labels)
    assert metrics["top1"] == 0.75
    assert metrics["mean_class_accuracy"] == pytest.approx((1 + 0.5 + 1) / 3)
    assert confusion(scores, labels)[1].tolist() == [1, 1, 0, 0, 0, 0, 0]
    assert np.isnan(class_recall(confusion(scores, labels))[3:]).all()


def test_ensembles_by_mean_probability_or_by_the_published_maximum():
    logits = np.array([[[4.0, 0.0], [0.0, 3.0], [0.0, 3.0]]])
    assert ensembled(logits, "max").argmax() == 0
    assert ensembled(logits, "mean").argmax() == 1


@pytest.fixture(scope="module")
def first_run(squares, tmp_path_factory):
    """A run of paab+paat on three classes and NTU's 25 keypoints."""
    run = tmp_path_factory.mktemp("first") / "run"
    make_trainer(config_for(squares, run, "paab+paat", epochs=1), progress=False).fit()
    return run


def renamed(root, motions):
    meta = MocapMeta.load(root)
    names = dict(zip(meta.motions, motions, strict=True))
    replace(meta, motions=names).save(root)


def started(root, out, source, caplog, **options):
    caplog.set_level(logging.INFO)
    config = config_for(root, out, "paab+paat", init=source, seed=5, **options)
    return make_trainer(config, progress=False).task.model.state_dict()


@pytest.mark.slow
def test_a_run_starts_from_one_on_the_same_classes_as_it_is(squares, first_run, tmp_path, caplog):
    best = load_file(RunFolder(first_run).checkpoint())
    for source in (first_run, RunFolder(first_run).checkpoint()):
        state = started(squares, tmp_path / source.name, source, caplog)
        assert all(torch.equal(value, best[f"model.{name}"]) for name, value in state.items())
    assert "left out" not in caplog.text and "random start" not in caplog.text


@pytest.mark.slow
def test_a_classifier_of_as_many_other_classes_is_left_out(squares, first_run, tmp_path, caplog):
    other = shutil.copytree(squares, tmp_path / "other")
    renamed(other, ("up", "still", "down"))
    best = load_file(RunFolder(first_run).checkpoint())
    state = started(other, tmp_path / "run", first_run, caplog)
    kept = {n for n, value in state.items() if torch.equal(value, best[f"model.{n}"])}
    assert set(state) - kept == {"head.weight", "head.bias"}
    assert "it tells other classes apart (3, here 3): head.bias, head.weight" in caplog.text


def test_another_skeleton_keeps_all_of_paat_but_its_classifier(
    squares, first_run, tmp_path, caplog
):
    checkpoint = RunFolder(first_run).checkpoint()
    about = read_about(checkpoint)
    skeleton = {**about["data"]["skeleton"], "keypoints": ["a"] * 25}
    recognizer = ActionTask(config_for(squares, tmp_path / "run", "paab+paat")).recognizer
    weights = model_weights(checkpoint)
    foreign = {**about, "data": {**about["data"], "skeleton": skeleton}}
    assert set(carried_over(recognizer, weights, about).left_out) == set()
    left_out = carried_over(recognizer, weights, foreign).left_out
    assert {name.rpartition("paat.")[2] for name in left_out} == {
        "1.classify.weight",
        "1.classify.bias",
    }
    assert all("other keypoints (25, here 25)" in reason for reason in left_out.values())
    assert len(carried_over(recognizer, weights, {}).left_out) == 4, "nothing is known of it"


def test_frames_of_another_size_and_number_resize_the_embeddings(
    squares, first_run, tmp_path, caplog
):
    backbone = replace(TINY, image_size=48, frames=2)
    state = started(squares, tmp_path / "run", first_run, caplog, backbone=backbone)
    best = load_file(RunFolder(first_run).checkpoint())
    time = "backbone.backbone.time_embed"
    assert torch.equal(state[time], best[f"model.{time}"][:, ::2])
    assert state["backbone.backbone.pos_embed"].shape[1] == 1 + 36
    assert "random start" not in caplog.text


def test_every_weight_that_does_not_fit_is_named(squares, first_run, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    paab = replace(PaabConfig(), positions=(1,))
    options = dict(init=first_run, paab=paab, paat=replace(PaatConfig(), bottleneck=16))
    make_trainer(config_for(squares, tmp_path / "run", "paab+paat", **options), progress=False)
    assert "in it alone, so left out: backbone.paab.2.0.attn.proj.bias, " in caplog.text
    assert "not in it, so at their random start: backbone.paab.1.0.norm1.weight, " in caplog.text
    assert "backbone.paat.1.classify.weight (25 x 256 in it, 25 x 16 here)" in caplog.text


def test_a_run_is_no_file_of_published_weights(squares, first_run, tmp_path):
    for source in (first_run, RunFolder(first_run).checkpoint()):
        config = config_for(squares, tmp_path / "run", backbone=replace(TINY, weights=source))
        with pytest.raises(OtherModelError, match=f"--init {source} "):
            make_trainer(config)


def test_a_run_of_other_heads_is_no_start(squares, first_run, tmp_path):
    backbone = replace(TINY, heads=4)
    config = config_for(squares, tmp_path / "run", "paab+paat", init=first_run, backbone=backbone)
    with pytest.raises(OtherModelError, match="2 attention heads: use --backbone.heads 2"):
        make_trainer(config, progress=False)


def test_a_run_that_diverged_is_no_start(squares, first_run, tmp_path):
    diverged = shutil.copytree(first_run, tmp_path / "diverged")
    path = RunFolder(diverged).checkpoint()
    with safe_open(path, "pt") as file:
        about = file.metadata()
    tensors = load_file(path)
    tensors["model.head.bias"][0] = float("nan")
    save_file(tensors, path, metadata=about)
    config = config_for(squares, tmp_path / "run", "paab+paat", init=diverged)
    with pytest.raises(CheckpointError, match=r"not finite numbers \(head.bias\)"):
        make_trainer(config, progress=False)
