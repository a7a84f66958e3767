"""The rig: cameras well apart that hold the whole arm, over the whole motion."""

from itertools import combinations

import numpy as np
import pytest

from sims.env import view_names
from sims.rig import ring
from sims.robosuite.can import CanEnv
from sims.robosuite.lift import LiftEnv

NUM_VIEWS = [1, 2, 3, 4, 6, 9]


WORLDS = [LiftEnv, CanEnv]


def cameras_of(num_views, world=LiftEnv, rng=None):
    views = view_names(num_views)[1:]
    cameras = ring(views, world.workspace, world.camera_distance, 224, rng)
    assert tuple(cameras) == views
    return list(cameras.values())


def rig(num_views, world=LiftEnv):
    return cameras_of(num_views, world)


def random_rig(num_views, seed):
    return cameras_of(num_views, rng=np.random.default_rng(seed))


def angles(cameras):
    """Azimuth and elevation of each camera about the middle of the workspace, in degrees."""
    middle = (LiftEnv.workspace.min(0) + LiftEnv.workspace.max(0)) / 2
    x, y, z = np.array([camera.position - middle for camera in cameras]).T
    return np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("num_views", NUM_VIEWS)
def test_every_camera_holds_the_workspace_and_is_filled_by_it(num_views, world):
    cameras = rig(num_views, world)
    assert len(cameras) == num_views
    for camera in cameras:
        pixels, depth = camera.project(world.workspace)
        assert (depth > 0).all()
        assert camera.contains(pixels).all()
        assert np.ptp(pixels, axis=0).max() > 0.8 * 224


@pytest.mark.parametrize("num_views", NUM_VIEWS[1:])
def test_cameras_are_well_apart(num_views):
    azimuth, elevation = angles(rig(num_views))
    for i, j in combinations(range(num_views), 2):
        apart = abs((azimuth[i] - azimuth[j] + 180) % 360 - 180)
        assert apart >= 270 / num_views - 1e-6
    assert np.ptp(elevation) > 15
    assert len(set(np.round(elevation))) == num_views


def test_the_rig_depends_on_the_number_of_views_alone():
    for one, other in zip(rig(4), rig(4), strict=True):
        assert np.array_equal(one.world_to_camera, other.world_to_camera)
        assert np.array_equal(one.intrinsics, other.intrinsics)


@pytest.mark.parametrize("num_views", NUM_VIEWS)
def test_drawn_cameras_hold_the_workspace_each_from_its_own_part_of_the_arc(num_views):
    drawn = [random_rig(num_views, seed) for seed in range(20)]
    for cameras in drawn:
        for camera in cameras:
            pixels, depth = camera.project(LiftEnv.workspace)
            assert (depth > 0).all()
            assert camera.contains(pixels).all()
        azimuth, elevation = angles(cameras)
        part = (azimuth + 135) / 270 * num_views
        assert np.array_equal(np.floor(part), np.arange(num_views))
        assert (elevation > 12 - 1e-6).all()
        assert (elevation < 48 + 1e-6).all()
    spread = np.std([angles(cameras)[0] for cameras in drawn], axis=0)
    assert (spread > 0.15 * 270 / num_views).all()


def test_a_seed_draws_one_ring():
    for one, again, other in zip(random_rig(4, 1), random_rig(4, 1), random_rig(4, 2), strict=True):
        assert np.array_equal(one.world_to_camera, again.world_to_camera)
        assert not np.allclose(one.world_to_camera, other.world_to_camera)


@pytest.mark.slow
def test_the_arm_is_in_every_third_person_picture_all_the_time(robosuite_world):
    env = robosuite_world
    env.reset(seed=2)
    for index, step in enumerate(env.expert(np.random.default_rng(2))):
        points = env.keypoints()
        for view, camera in env.cameras().items():
            inside = camera.contains(camera.project(points)[0])
            if view == "ego":
                continue
            assert inside.all(), f"{view} cuts off the arm at step {index}"
        if index % 30 == 0:
            masks = env.actor_masks()
            for view in env.views[1:]:
                pixels = np.argwhere(masks[view])
                # Seen from the front, an arm that reaches far is short.
                assert np.ptp(pixels, axis=0).max() > 0.3 * env.size, f"the arm is small in {view}"
                assert masks[view].mean() > 0.04, f"the arm is thin in {view}"
        env.step(step.action)


@pytest.mark.slow
def test_ego_sees_fingers_and_cube_and_moves_with_the_hand(lift):
    lift.reset(seed=2)
    fingers = [lift.skeleton.keypoints.index(f"{side}_finger") for side in ("left", "right")]
    positions, cube_seen, fingers_seen = [], [], []
    for step in lift.expert(np.random.default_rng(2)):
        ego = lift.cameras()["ego"]
        positions.append(ego.position)
        cube_seen.append(bool(ego.contains(ego.project(lift.cube_pose()[0])[0])))
        fingers_seen.append(ego.contains(ego.project(lift.keypoints()[fingers])[0]).all())
        lift.step(step.action)
    assert np.ptp(positions, axis=0).max() > 0.1
    assert all(fingers_seen)
    assert np.mean(cube_seen) > 0.8
