"""Stages of a run: one command trains all; finished runs take their place; faults are named."""

from dataclasses import replace

import pytest
import torch

from action.config import StagesConfig
from action.evaluate import evaluate
from action.models import staged_model, vpnpp
from action.predicting import Predictor
from action.recognizer import ClipRecognizer
from action.results import measured_runs, result_rows, table
from action.train import default_options, make_trainer
from action.training.stages import stages_of, trained_stages
from action.training.starting import network_of
from action.training.task import ActionTask
from align.engine.checkpoint import model_weights
from align.engine.origin import Origin
from align.engine.run_folder import RunFolder
from datasets.errors import MismatchError, MissingDataError, OptionError
from tests.action.inputs.test_joints import first_clip, joint_run
from tests.action.staged import JOINTS, SMALL, staged_run


@pytest.fixture(scope="module", autouse=True)
def narrow():
    """A narrower space to compare clips with poses in: four fifths of the student's weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vpnpp, "EMBEDDING", 32)
        patch.setattr(staged_model, "EMBEDDING", 32)
        yield


@pytest.fixture(scope="module")
def students(bodies, tmp_path_factory):
    """A run of VPN++ with its two stages, after one pass each."""
    run = tmp_path_factory.mktemp("staged") / "vpnpp"
    shares: list[float] = []
    make_trainer(staged_run(bodies, run), progress=False, on_step=shares.append).fit()
    assert shares == sorted(shares) and shares[-1] == 1 and len(shares) == 6
    return run


@pytest.mark.slow
def test_one_command_trains_the_stages_and_then_the_student(bodies, students):
    stages = stages_of(staged_run(bodies, students))
    assert [(stage.name, stage.config.model) for stage in stages] == [
        ("pose", "agcn"),
        ("teacher", "vpnpp_teacher"),
    ]
    assert all(RunFolder(stage.folder).finished for stage in stages)
    result = evaluate(students, progress=False)
    assert result.sees == "RGB"
    assert evaluate(stages[1].folder, progress=False).sees == "RGB + 3D pose"
    header, *rows = table(result_rows(measured_runs(students.parent, ["CS"])))
    assert rows[0][header.index("at inference")] == "RGB"
    found = Predictor.load(students).predict(first_clip(bodies).video)
    assert sum(found.probabilities.values()) == pytest.approx(1) and not found.poses


@pytest.mark.slow
def test_the_student_needs_no_joints_and_its_checkpoint_no_stage(bodies, students, squares):
    recognizer = ClipRecognizer.load(RunFolder(students).checkpoint())
    assert recognizer.joints is None
    assert not [n for n in recognizer.model.state_dict() if n.startswith(("teacher", "pose"))]
    # Its own joints are read in training.
    task = ActionTask(staged_run(bodies, students))
    assert next(iter(task.loader(0, 1)))["joints"].shape == (4, 3, 8, 25, 1)
    with pytest.raises(MissingDataError, match="3D joints"):
        ActionTask(staged_run(squares, None))


@pytest.mark.slow
def test_a_student_learns_from_finished_runs(bodies, students, tmp_path):
    given = tuple(students / "stages" / name for name in ("teacher", "pose"))
    config = staged_run(bodies, tmp_path / "run", stages=StagesConfig(runs=given))
    task = ActionTask(config)
    runs = trained_stages(config, pytest.fail)
    task.learn_from({name: network_of(run, task.recognizer) for name, run in runs.items()})
    teacher = model_weights(RunFolder(given[0]).checkpoint())
    start = "network.trunk."
    own = {n: t for n, t in task.model.state_dict().items() if n.startswith(start)}
    assert own and all(torch.equal(tensor, teacher[name]) for name, tensor in own.items())
    batch = next(iter(task.loader(0, 1)))
    loss, logs = task.loss(task.model.train(), batch, 0)
    loss.backward()
    assert set(logs) == {"recognition", "accuracy", "contrastive"}
    assert all(p.grad is not None for p in task.model.parameters())
    network = task.objective.networks["pose"]
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    camera = replace(config, joints=replace(JOINTS, origin="camera"))
    with pytest.raises(MismatchError, match="--joints.origin body"):
        network_of(given[1], ActionTask(camera).recognizer)


def test_runs_that_fit_no_stage_are_refused(bodies, tmp_path):
    other = tmp_path / "other"
    joint_run(bodies, other, "i3d").save(other)
    config = staged_run(bodies, tmp_path / "run", stages=StagesConfig(runs=(other,)))
    with pytest.raises(OptionError, match=r"run of i3d .* pose \(st_gcn or agcn\), teacher"):
        make_trainer(config, progress=False)
    joint_run(bodies, other, "st_gcn").save(other)
    with pytest.raises(MismatchError, match=f"action.train --resume {other}"):
        make_trainer(config, progress=False)
    single = replace(config, whiten=False, batch=replace(config.batch, clips=1))
    with pytest.raises(OptionError, match="raise --batch.clips"):
        ActionTask(single)


@pytest.mark.slow
def test_what_a_named_run_has_learned_is_not_measured_on(bodies, students, tmp_path):
    given = students / "stages" / "pose"
    config = staged_run(bodies, tmp_path / "run", stages=StagesConfig(runs=(given,)))
    task = ActionTask(config)
    stored = Origin.load(given)
    learned = {**stored.learned, "another clip": "its seal"}
    replace(stored, learned=learned).save(given)
    try:
        with pytest.raises(MismatchError, match="trained on 1 of the 1"):
            task.origin(tmp_path).require_unseen({"mine": "its seal"}, tmp_path, bodies)
    finally:
        stored.save(given)


def test_vpnpp_needs_two_places_to_attend_to(bodies):
    small = replace(SMALL, image_size=32)
    with pytest.raises(OptionError, match="vpnpp needs 1 frame of 64 pixels"):
        ActionTask(staged_run(bodies, None, backbone=small))


def test_stages_have_the_epochs_that_are_asked_for_or_published(bodies, tmp_path):
    asked = staged_run(bodies, tmp_path, stages=StagesConfig(epochs=7, clips=3, pose="st_gcn"))
    pose, teacher = stages_of(asked)
    assert (pose.config.model, pose.config.epochs, pose.config.batch.clips) == ("st_gcn", 7, 3)
    assert (pose.config.backbone.frames, teacher.config.backbone.frames) == (8, 4)
    paper = default_options(["--model", "vpnpp", "--recipe", "paper", "--data", "ntu"])
    pose, teacher = stages_of(replace(paper, out=tmp_path))
    assert (pose.config.epochs, pose.config.optim.lr, pose.config.backbone.frames) == (60, 0.1, 300)
    assert (teacher.config.epochs, teacher.config.backbone.frames) == (100, 64)
    glimpses = default_options(["--model", "glimpse_clouds", "--recipe", "paper"])
    [cnn] = stages_of(replace(glimpses, out=tmp_path))
    assert (glimpses.batch.clips, cnn.config.batch.clips, cnn.config.optim.name) == (32, 10, "adam")
