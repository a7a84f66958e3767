"""The residual of a silhouette tells right cameras from wrong ones."""

from dataclasses import replace

import numpy as np
import pytest

from datasets.kinematics.rig import CONVENTIONS
from datasets.kinematics.silhouette import CLEARLY_BETTER, best_convention, outline, residual
from datasets.source import bare_episode
from tests.datasets.kinematics.arm import load_arm, make_motion, pictures, rig_camera
from tests.datasets.kinematics.test_rig import TURN

TIMES = [0, 3, 5]


@pytest.fixture(scope="module")
def motion(tmp_path_factory):
    return make_motion(load_arm(tmp_path_factory.mktemp("arm")))


@pytest.fixture(scope="module")
def episode(motion):
    return bare_episode(
        {view: pictures(motion, rig_camera(side)) for view, side in (("a", 1), ("b", -1))}
    )


CAMERAS = {"a": rig_camera(1), "b": rig_camera(-1)}


def test_the_right_camera_fits(episode, motion):
    found = residual(episode, motion, CAMERAS["a"], "a", TIMES)
    assert found.share > 0.95
    assert found.chance < 0.5
    assert found.score > 0.9


def test_a_camera_that_is_off_fits_worse(episode, motion):
    moved = replace(CAMERAS["a"], pose=CAMERAS["a"].pose.copy())
    moved.pose[0, 3] += 0.25  # three times the arm's width
    assert residual(episode, motion, moved, "a", TIMES).score < 0.6


def test_a_robot_in_no_picture_scores_nothing(episode, motion):
    away = replace(CAMERAS["a"], pose=TURN @ CAMERAS["a"].pose)
    found = residual(episode, motion, away, "a", TIMES)
    assert (found.pixels, found.score) == (0, 0.0)


@pytest.mark.parametrize("given", CONVENTIONS)
def test_a_swapped_convention_is_told_apart(episode, motion, given):
    undo = {
        "world-to-camera": lambda pose: pose,
        "camera-to-world": np.linalg.inv,
        "world-to-camera-opengl": lambda pose: TURN @ pose,
        "camera-to-world-opengl": lambda pose: np.linalg.inv(TURN @ pose),
    }[given]
    swapped = {view: replace(c, pose=undo(c.pose)) for view, c in CAMERAS.items()}
    scores = best_convention(episode, dict.fromkeys(swapped, motion), swapped, TIMES)
    others = max(score for convention, score in scores.items() if convention != given)
    assert scores[given] > others + CLEARLY_BETTER


def test_an_outline_ends_where_the_picture_does():
    mask = np.zeros((6, 6), bool)
    mask[2:, 2:] = True
    edge = outline(mask)
    assert edge[2, 2:].all()
    assert edge[2:, 2].all()
    assert not edge[3:, 3:].any()
