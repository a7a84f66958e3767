"""The inputs of a trained model at inference, and the logits that belong to each clip."""

import numpy as np
import pytest
import torch

from action.inputs.clips import open_data
from action.model import build_classifier
from action.recognizer import ClipRecognizer
from action.train import make_trainer
from datasets.clips.samples import load_sample
from tests.action.test_train import config_for

SAMPLES = 3


@pytest.fixture(scope="module")
def trained(squares, tmp_path_factory):
    """A recognizer as evaluation loads it, and test clips whose samples differ."""
    run = tmp_path_factory.mktemp("runs") / "paab"
    config = config_for(squares, run, "paab", epochs=1)
    make_trainer(config, progress=False).fit()
    data = open_data(config)
    moving = [clip for clip in data.parts["test"] if data.classes[clip.label] != "still"]
    return ClipRecognizer.load(run), moving[:5]


def logits_alone(recognizer, clip, index):
    """Logits of one sample, which passes through the model by itself."""
    sample = load_sample(clip, recognizer.sample, None, index, SAMPLES)
    frames = torch.from_numpy(sample.frames).permute(3, 0, 1, 2)[None]
    points = {"keypoints": torch.from_numpy(sample.keypoints)[None]}
    visible = torch.from_numpy(sample.visible)[None]
    given = recognizer.given_map({"frames": frames, "visible": visible} | points, seed=0)
    with torch.no_grad():
        return recognizer.model(frames, given)[0][0].numpy()


@pytest.mark.slow
def test_every_clip_gets_the_logits_of_its_own_samples_in_order(trained):
    recognizer, clips = trained
    # 15 samples in batches of 8: a batch ends within a clip.
    logits, features = recognizer.recognize(clips, SAMPLES)
    assert logits.shape == (5, SAMPLES, 3) and features.shape[0] == 5
    alone = np.array([[logits_alone(recognizer, c, i) for i in range(SAMPLES)] for c in clips])
    apart = np.abs(alone.reshape(15, 1, 3) - alone.reshape(1, 15, 3)).max(axis=2)
    assert apart[~np.eye(15, dtype=bool)].min() > 1e-4, "samples that do not differ"
    np.testing.assert_allclose(logits, alone, atol=1e-5)


@pytest.mark.slow
def test_a_clip_s_logits_do_not_depend_on_those_beside_it(trained):
    recognizer, clips = trained
    together, alone = recognizer.recognize(clips)[0], recognizer.recognize(clips[:1])[0]
    # In training mode, the batch norm would take the statistics of the clips at hand.
    np.testing.assert_allclose(together[:1], alone, atol=1e-5)
    again = recognizer.recognize(clips)[0]
    np.testing.assert_array_equal(again, together)


@pytest.mark.parametrize(("grey", "expected"), [(0, -2), (51, -10 / 9), (255, 22 / 9)])
def test_frames_are_normalised_with_mean_0_45_and_standard_deviation_0_225(
    squares, tmp_path, grey, expected
):
    model = build_classifier(config_for(squares, tmp_path), 4, 25, 3).eval()
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    model(torch.full((1, 3, 4, 32, 32), grey, dtype=torch.uint8))
    assert seen[0].shape == (1, 3, 4, 32, 32)
    torch.testing.assert_close(seen[0], torch.full_like(seen[0], expected))


def test_pose_maps_mark_the_patches_of_both_persons(trained):
    """Patches of 8 pixels in frames of 32: 4 rows and columns."""
    recognizer = trained[0]
    keypoints = torch.full((1, 4, 2, 25, 2), float("nan"))
    keypoints[0, 0, 0, 3] = torch.tensor([1.0, 1.0])  # patch 0
    keypoints[0, 0, 1, 3] = torch.tensor([31.0, 9.0])  # patch 7
    batch = {"keypoints": keypoints, "visible": torch.isfinite(keypoints).all(dim=-1)}
    batch["frames"] = torch.zeros(1, 3, 4, 32, 32)
    assert recognizer.given_map(batch, 0)[0, 0].nonzero().flatten().tolist() == [0, 7]
    marked = recognizer.pose_map(batch, 0)
    assert marked.nonzero().tolist() == [[0, 0, 0, 3], [0, 0, 7, 3]]
