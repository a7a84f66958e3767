"""Episodes and videos as the page shows them."""

import json
import shutil

import numpy as np
import pytest
import torch

from align.embedder import FrameEmbedder
from align.view import shown
from align.view.__main__ import open_routes
from align.view.method import Method
from align.view.shown import ShownEpisodes, ShownVideos
from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError, MissingDataError
from datasets.video import write_video


@pytest.fixture
def episodes(dots):
    return ShownEpisodes(EpisodeDataset(dots, "test"))


def test_views_of_an_episode_share_their_times(episodes):
    views = episodes.views(1)
    assert [view.name for view in views] == ["ego", "view_0", "view_1"]
    for view in views:
        assert (view.width, view.height) == (48, 48)
        assert view.times == pytest.approx(np.arange(episodes.data.lengths[1]) / 20)


def test_frames_and_phases_are_the_data_sets(episodes):
    wanted = episodes.data.images(1, "view_0", [2, 5])
    assert (episodes.frames(1, 1, np.array([2, 5])) == wanted).all()
    assert (episodes.phases(1) == episodes.data.phases(1)).all()


def test_keypoints_are_shares_of_the_picture(episodes):
    pose = episodes.pose(0, 2)
    assert pose.points * 48 == pytest.approx(episodes.data.keypoints(0, "view_1"), nan_ok=True)
    assert (pose.visible == episodes.data.visible(0, "view_1")).all()


@pytest.mark.slow
def test_a_long_episode_is_thinned_evenly_and_embedded_whole(episodes, viewed_runs):
    run, length = viewed_runs[1], episodes.data.lengths[1]
    embedder = FrameEmbedder.load(run)
    thin = ShownEpisodes(episodes.data, most=4)
    steps = np.arange(0, length, -(-length // 4))
    assert 1 < len(steps) <= 4 and thin.views(1)[0].times == pytest.approx(steps / 20)
    assert (thin.frames(1, 1, np.array([1])) == episodes.frames(1, 1, steps[1:2])).all()
    assert (thin.phases(1) == episodes.phases(1)[steps]).all()
    assert (thin.pose(1, 0).visible == episodes.pose(1, 0).visible[steps]).all()
    for some, every in zip(thin.embed(embedder, 1), episodes.embed(embedder, 1), strict=True):
        assert torch.equal(some, every[steps])
    some, every = Method(run, thin), Method(run, episodes)
    assert (some.patches(1, 1) == every.patches(1, 1)[steps]).all()
    few, all_of_them = some.attention(1, 1), every.attention(1, 1)[steps]
    brightest = min(few.max(), all_of_them.max())  # above it, one of them is clipped
    assert few.clip(0, brightest) == pytest.approx(all_of_them.clip(0, brightest), abs=1e-5)


def test_videos_keep_their_sizes_and_times(two_videos):
    videos = ShownVideos(two_videos)
    first, late = videos.views(0)
    assert (first.width, first.height) == (48, 48) and (late.width, late.height) == (96, 48)
    assert len(first.times) == len(late.times) + 3
    assert np.diff(first.times) == pytest.approx(0.1)
    assert not videos.synchronised and videos.pose(0, 0) is None and videos.phases(0) is None


def test_a_long_video_is_thinned_evenly(two_videos, monkeypatch):
    whole = ShownVideos(two_videos)
    length = len(whole.views(0)[0].times)
    monkeypatch.setattr(shown, "MOST_FRAMES", 10)
    thin = ShownVideos(two_videos)
    every = -(-length // 10)
    assert thin.every[two_videos[0]] == every > 1
    assert thin.views(0)[0].times == pytest.approx(np.arange(0, length, every) / 10)
    thinned, own = thin.frames(0, 0, np.array([1, 2])), np.array([every, 2 * every])
    assert (thinned == whole.frames(0, 0, own)).all()


def test_a_video_of_one_frame_is_refused(tmp_path):
    write_video(tmp_path / "one.mp4", np.zeros((1, 16, 16, 3), np.uint8), 10.0)
    with pytest.raises(MissingDataError, match=r"one\.mp4 has one frame to align"):
        ShownVideos([tmp_path / "one.mp4"]).views(0)


def test_a_run_that_needs_poses_of_another_body_is_refused(viewed_runs, dots, tmp_path):
    other = tmp_path / "dots"
    shutil.copytree(dots, other)
    meta = json.loads((other / "meta.json").read_text())
    (other / "meta.json").write_text(json.dumps(meta | {"skeleton": "player"}))
    deit, paab = viewed_runs
    with pytest.raises(MismatchError, match=rf"{paab} \(paab\) needs poses .* shows 'player'"):
        open_routes([deit, paab], data=other)
    open_routes([deit], data=other)
