"""Networks that learn from earlier stages: one command trains all, stops, goes on and measures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models import resnet18

from action import compare
from action.config import ActionConfig, JointsConfig, StagesConfig, TimeSformerConfig
from action.evaluate import evaluate
from action.inputs.joints import Draw, joint_indices, load_joints
from action.inputs.mmnet_pictures import as_openpose, load_picture
from action.models import staged_model, vpnpp
from action.models.graphs import NTU25, bones_of
from action.models.mmnet_roi import normalised
from action.predicting import Predictor
from action.recognizer import ClipRecognizer
from action.results import measured_runs, result_rows, table
from action.train import default_options, main, make_trainer
from action.training.objectives import skeletons_of
from action.training.stages import stages_of, trained_stages
from action.training.starting import network_of
from action.training.task import ActionTask
from align.engine.checkpoint import model_weights
from align.engine.origin import Origin
from align.engine.run_folder import RunFolder, newest_runs
from align.results.chance import RANDOM_LABEL
from datasets import skeletons
from datasets.clips.samples import SampleConfig
from datasets.clips.sets import open_clip_set
from datasets.errors import MismatchError, MissingDataError, OptionError
from tests.action.inputs.test_joints import first_clip, joint_run, sampling
from tests.action.test_train import TINY
from tests.shared import all_here

SMALL = TimeSformerConfig(image_size=64, frames=8, stride=1)
JOINTS = JointsConfig(persons=1, frames=8, stride=1)


def staged_run(root, out, model="vpnpp", **options):
    usual = {"backbone": SMALL, "joints": JOINTS, "epochs": 1}
    return joint_run(root, out, model, **(usual | options))


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
    assert (pose.config.backbone.frames, teacher.config.backbone.frames) == (8, 8)
    paper = default_options(["--model", "vpnpp", "--recipe", "paper", "--data", "ntu"])
    pose, teacher = stages_of(replace(paper, out=tmp_path))
    assert (pose.config.epochs, pose.config.optim.lr, pose.config.backbone.frames) == (60, 0.1, 300)
    assert (teacher.config.epochs, teacher.config.backbone.frames) == (100, 64)
    glimpses = default_options(["--model", "glimpse_clouds", "--recipe", "paper"])
    [cnn] = stages_of(replace(glimpses, out=tmp_path))
    assert (glimpses.batch.clips, cnn.config.batch.clips, cnn.config.optim.name) == (32, 10, "adam")


def test_joints_beside_pixels_begin_where_the_pixels_do():
    assert joint_indices(40, 8, 2, Draw(start=5)).tolist() == list(range(5, 21, 2))
    assert joint_indices(40, 8, 2, Draw(start=39)).tolist() == list(range(25, 41, 2))


def fresh_stages(config):
    """The networks of a run's stages before they have learned."""
    out = config.out or Path("nowhere")
    stages = stages_of(replace(config, out=out))
    return {s.name: ActionTask(s.config).model.requires_grad_(False).eval() for s in stages}


def ready(config):
    """A task that has taken over the networks of its stages, and these."""
    task, networks = ActionTask(config), fresh_stages(replace(config, seed=1))
    task.learn_from(networks)
    task.model.train()
    return task, networks


def learners(task):
    """Which parts of a network get a gradient from a batch, and what is logged."""
    loss, logs = task.loss(task.model, next(iter(task.loader(0, 1))), 0)
    loss.backward()
    named = task.model.network.named_parameters()
    return {n.split(".")[0] for n, p in named if p.grad is not None}, set(logs)


@pytest.mark.slow
def test_mmnet_learns_pictures_beside_two_finished_streams(bodies):
    task, networks = ready(staged_run(bodies, None, "mmnet"))
    assert [n.config.joints.stream for n in stages_of(replace(task.config, out=bodies))] == [
        "joints",
        "bones",
    ]
    network = task.model.network
    for name in ("joints", "bones"):
        own, trained = getattr(network, name).state_dict(), networks[name].network.state_dict()
        assert all(torch.equal(own[n], tensor) for n, tensor in trained.items())
    assert learners(task)[0] == {"rgb"} and not network.joints.training
    # What is measured is the sum of the streams.
    task.model.eval()
    clip = first_clip(bodies)
    found = Predictor(task.recognizer, bodies).predict(clip.video, clip.joints)
    assert sum(found.probabilities.values()) == pytest.approx(1)
    assert task.describe()["sees"] == "RGB + 2D and 3D pose"
    with pytest.raises(MissingDataError, match="sees joints in space"):
        Predictor(task.recognizer, bodies).predict(clip.video)


def test_bones_are_joints_minus_their_parents_mirrored_alike(bodies):
    clip = first_clip(bodies)
    for mirrored in (False, True):
        joints = load_joints(clip, sampling(), Draw(mirrored=mirrored))
        bones = load_joints(clip, replace(sampling(), stream="bones"), Draw(mirrored=mirrored))
        assert torch.equal(bones, bones_of(joints, NTU25))


def test_the_picture_shows_what_lies_round_the_keypoints(squares):
    clip = open_clip_set(squares, "ntu").clips[0]
    config = SampleConfig(frames=1, stride=1)
    picture, mirrored = (load_picture(clip, config, Draw(mirrored=m)) for m in (False, True))
    assert picture.shape == (3, 225, 225) and picture.isfinite().all()
    assert not torch.equal(picture, mirrored)
    nobody = load_picture(replace(clip, skeleton=None), config, Draw())
    black = torch.from_numpy(normalised(np.zeros((225, 225, 3), np.uint8)))
    assert torch.equal(nobody, black)
    names = as_openpose(np.arange(25.0).repeat(2).reshape(1, 1, 25, 2), skeletons.NTU25)[0, 0, :, 0]
    assert names[[0, 4, 7]].tolist() == [
        skeletons.NTU25.keypoints.index(n) for n in ("head", "right_wrist", "left_wrist")
    ]


@pytest.mark.slow
def test_glimpses_learn_on_the_frozen_cnn_of_the_stage_before(bodies):
    backbone = replace(SMALL, image_size=32, frames=2)
    task, networks = ready(staged_run(bodies, None, "glimpse_clouds", backbone=backbone))
    trained = networks["cnn"].network.state_dict()
    parts, logs = learners(task)
    assert parts == {"head"} and "pose" in logs
    own = task.model.network.state_dict()
    assert all(torch.equal(own[n], t) for n, t in trained.items() if n.startswith("trunk."))
    assert torch.equal(own["head.read_pose.weight"], trained["read_pose.weight"])
    assert not torch.equal(own["head.precision"], torch.eye(2048))
    assert task.describe()["sees"] == "RGB"
    task.model.eval()
    _, features = task.recognizer.recognize(task.train[:1])
    assert features.shape == (1, 2048)


@pytest.mark.slow
def test_weights_of_imagenet_are_for_the_resnets(bodies, tmp_path):
    published, file = resnet18(), tmp_path / "resnet18.pth"
    torch.save(published.state_dict(), file)
    backbone = replace(SMALL, weights=file)
    task = ActionTask(staged_run(bodies, None, "mmnet", backbone=backbone))
    own = task.model.network.rgb.network.state_dict()
    assert own and all(torch.equal(t, published.state_dict()[n]) for n, t in own.items())
    for model, given in (("mmnet", None), ("glimpse_clouds", file), ("vpnpp", None)):
        stages = stages_of(staged_run(bodies, tmp_path, model, backbone=backbone))
        assert {stage.config.backbone.weights for stage in stages} == {given}
    with pytest.raises(OptionError, match="ResNets of mmnet and glimpse_clouds"):
        ActionTask(staged_run(bodies, None, "vpnpp", backbone=backbone))


@pytest.mark.slow
def test_a_comparison_trains_the_stages_of_its_runs(bodies, tmp_path, monkeypatch):
    out = tmp_path / "compared"
    small = ("--backbone.image-size", "32", "--backbone.dim", "24", "--backbone.depth", "1")
    small += ("--backbone.heads", "2", "--backbone.frames", "2", "--joints.frames", "8")
    small += ("--backbone.stride", "1", "--joints.persons", "1", "--stages.pose", "st_gcn")
    monkeypatch.setattr(compare, "run_all", all_here)
    command = ["--root", str(bodies), "--out", str(out), "--seeds", "0", "--epochs", "1", *small]
    compare.main([*command, "--jobs", "1", "--no-controls", "--methods", "baseline", "3d"])
    assert RunFolder(RunFolder(out / "3d_seed0").stage("pose")).finished
    assert newest_runs(ActionConfig, tmp_path) == [out / "3d_seed0", out / "baseline_seed0"]
    header, *rows = table(result_rows(measured_runs(out, ["CS"])))
    sees = {row[1]: row[header.index("at inference")] for row in rows}
    assert sees == {"baseline": "RGB", "3d": "RGB", RANDOM_LABEL: ""}


@pytest.mark.slow
def test_the_cnn_learns_classes_and_poses(bodies):
    backbone = replace(SMALL, image_size=32, frames=2)
    task = ActionTask(staged_run(bodies, None, "glimpse_cnn", backbone=backbone))
    parts, logs = learners(task)
    assert parts == {"trunk", "head", "read_pose"} and "pose" in logs


def test_joints_in_pictures_lie_from_minus_one_to_one():
    nan = float("nan")
    first = torch.tensor([[0.0, 10.0], [20.0, 10.0], [nan, nan]])
    points = torch.stack([first, torch.full_like(first, nan)])[None]
    batch = {"keypoints": points[None], "frames": torch.zeros(1, 3, 1, 20, 20)}
    scaled = skeletons_of(batch)
    assert scaled[0, 0, 0].tolist() == [[-1, 0], [1, 0], [0, 0]], "the missing one lies amid others"
    assert (scaled[0, 0, 1] == -1).all(), "absent"
    alone = skeletons_of(batch | {"keypoints": points[:, 0][None]})
    assert torch.equal(alone, scaled)


@pytest.fixture(scope="module")
def induced(bodies, tmp_path_factory):
    """A run of paat+3d after two passes, and one like it that was stopped in its first stage."""
    runs = [tmp_path_factory.mktemp("induced") / name for name in ("whole", "stopped")]
    configs = [induced_run(bodies, run) for run in runs]
    make_trainer(configs[0], progress=False).fit()
    trainer = make_trainer(configs[1], progress=False, on_step=_stop_after(3))
    with pytest.raises(KeyboardInterrupt):
        trainer.fit()
    return runs


def induced_run(root, out):
    stages = StagesConfig(pose="st_gcn")
    options = {"backbone": TINY, "method": "paat+3d", "epochs": 2, "stages": stages}
    return staged_run(root, out, "timesformer", **options)


def _stop_after(steps):
    done = []

    def on_step(share):
        done.append(share)
        if len(done) == steps:
            raise KeyboardInterrupt

    return on_step


@pytest.mark.slow
def test_a_run_that_was_stopped_in_a_stage_goes_on_as_if_it_had_not(bodies, induced):
    whole, stopped = map(RunFolder, induced)
    stage = RunFolder(stages_of(induced_run(bodies, stopped.path))[0].folder)
    assert stage.started and not stage.finished and not stopped.started
    main(["--resume", str(stopped.path)])
    assert stage.finished and stopped.finished
    assert whole.checkpoint("last").read_bytes() == stopped.checkpoint("last").read_bytes()


@pytest.mark.slow
def test_induction_sees_joints_in_training_alone(bodies, induced):
    run = induced[0]
    result = evaluate(run, progress=False)
    assert result.sees == "RGB" and result.method == "paat+3d"
    history = RunFolder(run).load_history()[-1]
    assert {"train/paat", "train/skeleton", "train/skeleton_recognition"} <= set(history)
    task = ActionTask(induced_run(bodies, run))
    task.learn_from(fresh_stages(task.config))
    batch = next(iter(task.loader(0, 1)))
    task.loss(task.model.train(), batch, 0)[0].backward()
    assert all(p.grad is not None for p in task.model.parameters())
    plain = ActionTask(replace(task.config, method="baseline")).model.eval()
    plain.load_state_dict(task.model.state_dict(), strict=False)
    assert torch.equal(plain(batch["frames"])[0], task.model.eval()(batch["frames"])[0])


def test_induction_needs_tokens(bodies):
    with pytest.raises(OptionError, match="--method baseline"):
        ActionTask(replace(staged_run(bodies, None, "i3d"), method="3d"))
