"""Several frames of a video that are encoded together for each moment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import align.embedder
from align.embedder import FrameEmbedder
from align.evaluate import evaluate
from align.inputs.data import EpisodeSamples
from align.inputs.sampling import BatchConfig, TimeConfig
from align.methods import Method
from align.models.config import LateConfig
from align.plan import RunPlan
from align.train import make_trainer
from datasets.episodes import EpisodeDataset
from datasets.errors import OptionError
from tests.align.conftest import tiny_config

THREE = TimeConfig(frames=3, step=2)


def embedder(data: Path, time: TimeConfig, method: Method = "deit") -> FrameEmbedder:
    config = tiny_config(data, data, method, time=time, late=LateConfig(channels=8))
    made = FrameEmbedder(RunPlan.load(config))
    made.model.eval()
    return made


def test_frames_lie_around_a_moment_or_before_it_and_end_with_the_video() -> None:
    times = np.array([0, 5, 9])
    around = THREE.around(times, 10)
    assert around.tolist() == [[0, 0, 2], [3, 5, 7], [7, 9, 9]]
    causal = TimeConfig(frames=2, step=3, causal=True).around(times, 10)
    assert causal.tolist() == [[0, 0], [2, 5], [6, 9]]
    with pytest.raises(OptionError, match=r"--time\.frames 2 .*--time\.causal"):
        TimeConfig(frames=2)


def test_a_sample_stacks_the_frames_of_each_moment(dots: Path) -> None:
    data = EpisodeDataset(dots, "train")
    samples = EpisodeSamples(data, BatchConfig(times=4), 48, 2, 1, 0, THREE)
    sample = samples[0]
    assert sample["frames"].shape == (3, 4, 9, 48, 48)
    assert sample["keypoints"].shape[:2] == (3, 4)
    seen = sample["frames"].unflatten(2, (3, 3)).permute(0, 1, 2, 4, 5, 3).numpy()
    i = sample["episode"]
    around = THREE.around(sample["times"].numpy(), samples.lengths[i])
    of_views = [data.images(i, view)[around] for view in data.views]
    # The order of the views is drawn.
    assert {view.tobytes() for view in seen} == {view.tobytes() for view in of_views}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["deit", "paat", "tcn", "3dtrl", "late-predicted"])
def test_a_video_is_embedded_alike_in_chunks_and_in_one(
    dots: Path, method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, data = embedder(dots, THREE, method), EpisodeDataset(dots, "valid")
    whole = made.embed_episode(data, 0)["ego"]
    monkeypatch.setattr(align.embedder, "EVALUATION_BATCH", 5)
    torch.testing.assert_close(made.embed_frames(data.images(0, "ego")), whole)


@pytest.mark.slow
def test_a_causal_encoder_does_not_see_the_future(dots: Path) -> None:
    images = EpisodeDataset(dots, "valid").images(0, "ego")
    changed = images.copy()
    changed[6:] = 255 - changed[6:]
    for causal, first in ((True, 6), (False, 4)):
        made = embedder(dots, replace(THREE, causal=causal))
        made.model.center = False
        before, after = made.embed_frames(images), made.embed_frames(changed)
        same = (before == after).all(dim=1).tolist()
        assert all(same[:first]) and not any(same[first:])


def test_one_frame_is_seen_as_without_the_option(dots: Path) -> None:
    images = EpisodeDataset(dots, "valid").images(0, "ego")
    plain = FrameEmbedder(RunPlan.load(tiny_config(dots, dots)))
    plain.model.eval()
    one = embedder(dots, TimeConfig(frames=1, causal=True))
    assert torch.equal(one.embed_frames(images), plain.embed_frames(images))


@pytest.mark.slow
def test_a_run_on_several_frames_trains_and_is_measured(dots: Path, tmp_path: Path) -> None:
    config = tiny_config(dots, tmp_path, "paab", epochs=1, time=replace(THREE, causal=True))
    make_trainer(config, progress=False).fit()
    assert FrameEmbedder.load(tmp_path).config.time == replace(THREE, causal=True)
    assert evaluate(tmp_path, progress=False).metrics["alignment_error"] < 0.05


def test_a_decoder_of_single_frames_refuses_several(dots: Path) -> None:
    with pytest.raises(OptionError, match=r"--time\.frames"):
        embedder(dots, THREE, "disentangle")
