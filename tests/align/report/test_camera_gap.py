"""How far held-out cameras stand from those of training, against angles that are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from align.config import TrainConfig
from align.report.camera_gap import camera_gaps, degrees_from_training
from align.results.runs import load_runs
from datasets.cameras import Camera
from datasets.episodes import EpisodeDataset, EpisodeWriter
from datasets.storage.episode_file import Episode
from tests.align.hand_made_runs import PICKS, make_run
from tests.datasets.synthetic import default_splits, make_episode, make_meta

EPISODES = 5


def make_ring(root: Path, degrees: list[list[float]], cameras: bool = True) -> Path:
    """A data set whose third-person cameras stand at these azimuths, a list an episode."""
    meta = replace(make_meta(len(degrees[0])), image_size=48)
    writer = EpisodeWriter(root, meta)
    for index, azimuths in enumerate(degrees):
        episode: Episode = replace(make_episode(meta, index), keypoints_world=None)
        for view, azimuth in zip(meta.views[1:], np.radians(azimuths), strict=True):
            place = 2 * np.array([np.cos(azimuth), np.sin(azimuth), 0])
            camera = Camera.look_at(place, np.zeros(3), np.array([0, 0, 1]), 45, 48, 48)
            episode.world_to_camera[view] = camera.world_to_camera
        if not cameras:
            episode.world_to_camera, episode.intrinsics = {}, {}
        writer.write(index, episode)
    writer.write_index(default_splits(len(degrees)))
    return root


@pytest.mark.slow
def test_the_nearest_camera_of_training_is_found(tmp_path: Path) -> None:
    root = make_ring(tmp_path / "ring", [[0, 100, 170]] * EPISODES)
    config = TrainConfig(data=root, protocol="unseen")
    found = degrees_from_training(config, EpisodeDataset(root, "test"), ["ego", "view_2"])
    assert found == {"view_2": pytest.approx(70)}
    seen = degrees_from_training(replace(config, protocol="seen"), EpisodeDataset(root), ["view_1"])
    assert seen == {"view_1": pytest.approx(0, abs=1e-5)}
    fewer = replace(config, train_views=1)
    assert degrees_from_training(fewer, EpisodeDataset(root, "test"), ["view_2"]) == {
        "view_2": pytest.approx(170)
    }


@pytest.mark.slow
def test_the_average_is_over_the_cameras_of_the_test(tmp_path: Path) -> None:
    drawn = make_ring(tmp_path / "drawn", [[0, 90], [10, 100], [20, 110], [30, 120], [40, 130]])
    fixed = make_ring(tmp_path / "fixed", [[0, 150], [0, 170]])
    config = TrainConfig(data=fixed, train_on=drawn)
    found = degrees_from_training(config, EpisodeDataset(fixed), ["ego", "view_1"])
    assert found == {"view_1": pytest.approx((40 + 60) / 2)}  # the training split goes to 110


@pytest.mark.slow
def test_data_that_do_not_tell_of_cameras_have_no_angle(tmp_path: Path) -> None:
    told = make_ring(tmp_path / "told", [[0, 90]] * EPISODES)
    untold = make_ring(tmp_path / "untold", [[0, 90]] * EPISODES, cameras=False)
    for learned, tested in ((told, untold), (untold, told)):
        config = TrainConfig(data=tested, train_on=learned)
        assert degrees_from_training(config, EpisodeDataset(tested), ["ego", "view_1"]) == {}


@pytest.mark.slow
def test_each_training_has_its_own_angle(tmp_path: Path) -> None:
    fixed = make_ring(tmp_path / "fixed", [[0, 100, 170]] * EPISODES)
    near = make_ring(tmp_path / "near", [[0, 60, 160]] * EPISODES)
    tested = EpisodeDataset(fixed, "test")

    def gaps(*trained_on: Path | None, protocol: str = "unseen") -> list[str]:
        folders = [
            make_run(
                tmp_path / f"{protocol}{len(trained_on)}{i}",
                fixed,
                TrainConfig(train_on=root, protocol="unseen" if root is None else "seen"),
                PICKS["deit"],
            )
            for i, root in enumerate(trained_on)
        ]
        runs = [
            replace(run, evaluation=replace(run.evaluation, protocol=protocol))
            for run in load_runs(folders, "test")
        ]
        return camera_gaps(runs, tested, ["ego", "view_2"])

    assert gaps(None) == ["view_2 70°"]
    assert set(gaps(None, near)) == {
        f"view_2 70° (3 views of {fixed})",
        f"view_2 10° (4 views of {near})",
    }
    assert gaps(None, tmp_path / "gone") == ["view_2 70°"]
    assert gaps(None, protocol="seen") == []
