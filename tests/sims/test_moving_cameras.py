"""Third-person cameras that move during an episode, and the data sets they make."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from datasets.cameras import Camera
from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError
from sims.checker import MIN_SHARE_ON_BODY, keypoints_on_body
from sims.config import GenerateConfig
from sims.errors import SimulatorError
from sims.generate import generate
from sims.moving_cameras import ABOVE, AROUND, NEARER, CameraMotion, draw_motion
from tests.sims.runs import TOY

WORLD = "tests.sims.mujoco.worlds:Arm"
OPTIONS = {"env": WORLD, "views": 2, "episodes": 2, "size": 48, "split": "1,1,0", "workers": 1}
# Seconds of the motions that are looked at.
TIMES = np.arange(0, 10, 0.1)
MIDDLE = np.array([0.1, 0.0, 0.4])


@pytest.fixture(scope="module")
def camera():
    up = np.array([0.0, 0, 1])
    return Camera.look_at(np.array([1.5, -1, 1]), MIDDLE, up, 40.0, 96, 96)


@pytest.fixture(scope="module")
def moving_and_still(tmp_path_factory):
    """The same episodes with cameras that move, and with cameras that stand still."""
    folder = tmp_path_factory.mktemp("data")
    both = []
    for name, moving in (("moving", True), ("still", False)):
        config = GenerateConfig(
            **OPTIONS, moving_cameras=moving, depth=True, masks=True, out=folder / name
        )
        generate(config)
        both.append(EpisodeDataset(config.root))
    return both


def motion_of(camera, seed=0):
    return CameraMotion.draw({"view_0": camera}, MIDDLE, np.random.default_rng(seed))


def third_person(env):
    return {view: camera for view, camera in env.cameras().items() if view != "ego"}


def test_a_camera_stays_near_its_place_and_looks_at_what_it_showed(camera):
    far = np.linalg.norm(camera.position - MIDDLE)
    # A rotation by two angles is at most by their sum.
    most = far * ((1 + NEARER) * np.radians(AROUND + ABOVE) + NEARER)
    for seed in range(4):
        path = [motion_of(camera, seed).at(time)["view_0"] for time in TIMES]
        off = [float(np.linalg.norm(each.position - camera.position)) for each in path]
        assert max(off) <= most
        assert max(off) > 0.02 * far
        steps = [np.linalg.norm(b.position - a.position) for a, b in pairwise(path)]
        assert min(steps) > 0 and max(steps) < 0.04 * far
        for each in path:
            pixels, _ = each.project(MIDDLE)
            assert np.abs(pixels - 48).max() < 0.06 * 96
            assert np.array_equal(each.intrinsics, camera.intrinsics)
            rotation = each.world_to_camera[:3, :3]
            assert np.allclose(rotation @ rotation.T, np.eye(3))


def test_a_seed_draws_the_motion(camera):
    first, again, other = (motion_of(camera, seed).at(1.5)["view_0"] for seed in (3, 3, 4))
    assert np.array_equal(first.world_to_camera, again.world_to_camera)
    assert not np.allclose(first.world_to_camera, other.world_to_camera)


def test_a_camera_that_looks_away_from_the_actor_moves_as_well(camera):
    behind = 2 * camera.position - MIDDLE
    motion = CameraMotion.draw({"view_0": camera}, behind, np.random.default_rng(0))
    assert np.isfinite(motion.at(1.0)["view_0"].world_to_camera).all()


@pytest.mark.slow
def test_a_moved_camera_sees_what_one_that_stands_there_sees(world):
    options = {"random_cameras": True}
    world.reset(seed=4, options=options)
    usual, motion, on_body = third_person(world), draw_motion(world, 4), []
    world.render_views()
    for time, step in enumerate(islice(world.expert(np.random.default_rng(4)), 4)):
        world.move_cameras(motion.at(2.0 * time))
        on_body += keypoints_on_body(world)
        pictures = world.render_views()
        world.step(step.action)
    assert np.mean(on_body) >= MIN_SHARE_ON_BODY
    assert len(on_body) > 4 * len(world.skeleton)
    try:
        world.reset(seed=4)
        world.set_cameras(motion.at(6.0))
        world.begin(4)
        for step in islice(world.expert(np.random.default_rng(4)), 3):
            world.step(step.action)
        for view, picture in world.render_views().items():
            assert np.array_equal(picture, pictures[view])
    finally:
        world.place_cameras(None)
    world.reset(seed=4, options=options)
    for view, camera in third_person(world).items():
        assert np.array_equal(camera.world_to_camera, usual[view].world_to_camera)


@pytest.mark.slow
def test_every_frame_stores_its_camera_and_what_that_shows(moving_and_still):
    moving, still = moving_and_still
    assert moving.meta.moving_cameras
    assert "--moving-cameras" in moving.meta.command
    assert '"moving_cameras"' not in (still.root / "meta.json").read_text()
    robot = moving.meta.masks.index("robot")
    for i in range(2):
        episode, other = moving.episode(i), still.episode(i)
        assert np.array_equal(episode.states, other.states)
        assert np.array_equal(episode.images["ego"], other.images["ego"])
        for view in moving.views[1:]:
            poses = episode.world_to_camera[view]
            assert poses.shape == (len(episode.phases), 4, 4)
            assert len({pose.tobytes() for pose in poses}) == len(poses)
            assert other.world_to_camera[view].shape == (4, 4)
            for time in (0, -1):
                camera = Camera(episode.intrinsics[view], poses[time], 48, 48)
                pixels, _ = camera.project(episode.keypoints_world[time])
                assert np.allclose(episode.keypoints[view][time], pixels, atol=1e-4)
                seen = pixels[episode.visible[view][time]]
                assert len(seen)
                columns, rows = np.floor(seen).astype(int).T
                off = distance_transform_edt(episode.masks[view][time] != robot)
                assert (off[rows, columns] <= 1).all()
                assert (episode.depth[view][time][rows, columns] > 0).all()


@pytest.mark.slow
def test_a_lost_episode_is_made_again_to_the_byte(moving_and_still):
    moving, _ = moving_and_still
    path = moving.root / "episodes" / "000001.hdf5"
    before = path.read_bytes()
    path.unlink()
    again = GenerateConfig(**OPTIONS, moving_cameras=True, depth=True, masks=True, out=moving.root)
    generate(again)
    assert path.read_bytes() == before


@pytest.mark.slow
def test_cameras_that_move_and_that_stand_still_do_not_share_a_folder(moving_and_still):
    _, still = moving_and_still
    with pytest.raises(MismatchError, match="moving_cameras: False .* True "):
        generate(
            GenerateConfig(**OPTIONS, moving_cameras=True, depth=True, masks=True, out=still.root)
        )


def test_a_scene_of_pybullet_draws_its_cameras_where_they_are(make):
    from tests.sims.bullet.worlds import Arm

    env = make(Arm)
    env.reset(seed=1)
    before, motion = env.actor_masks(), draw_motion(env, 1)
    env.move_cameras(motion.at(0.0))
    on_body, after = keypoints_on_body(env), env.actor_masks()
    assert on_body and np.mean(on_body) >= MIN_SHARE_ON_BODY
    for view in env.views[1:]:
        assert not np.array_equal(before[view], after[view])


def test_a_world_that_cannot_move_them_says_so_before_any_work(tmp_path):
    with pytest.raises(SimulatorError, match=r"toy cannot be moved during .*--moving-cameras"):
        generate(GenerateConfig(env=TOY, out=tmp_path / "toy", moving_cameras=True))
    assert not (tmp_path / "toy").exists()
