"""MMNet and Glimpse Clouds learn on networks of earlier stages, from pictures and poses."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.models import resnet18

from action.inputs.joints import Draw
from action.inputs.mmnet_pictures import as_openpose, load_picture
from action.models.mmnet_roi import normalised
from action.predicting import Predictor
from action.training.objectives import skeletons_of
from action.training.stages import stages_of
from action.training.task import ActionTask
from datasets import skeletons
from datasets.clips.samples import SampleConfig
from datasets.clips.sets import open_clip_set
from datasets.errors import MissingDataError, OptionError
from tests.action.inputs.test_joints import first_clip
from tests.action.staged import SMALL, SMALLEST, learners, ready, staged_run


@pytest.fixture(scope="module")
def cnn(bodies):
    """The stage before Glimpse Clouds, of other weights than theirs."""
    return ActionTask(staged_run(bodies, None, "glimpse_cnn", backbone=SMALLEST, seed=1))


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
        ActionTask(staged_run(bodies, None, "st_gcn", backbone=backbone))


@pytest.mark.slow
def test_glimpses_learn_on_the_frozen_cnn_of_the_stage_before(bodies, cnn):
    task = ActionTask(staged_run(bodies, None, "glimpse_clouds", backbone=SMALLEST))
    task.learn_from({"cnn": cnn.model})
    task.model.train()
    trained = cnn.model.network.state_dict()
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
def test_the_cnn_learns_classes_and_poses(cnn):
    parts, logs = learners(cnn)
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
