"""Third-person cameras from a file: the pictures of the world's own, and clear refusals."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from datasets.calibration.own import write_rig
from datasets.cameras import Camera
from datasets.episodes import EpisodeDataset
from datasets.errors import DataError, MismatchError, MissingDataError
from datasets.kinematics.rig import RigCamera
from datasets.lens import Lens
from sims.checker import MIN_SHARE_ON_BODY, check_multi_view_env, keypoints_on_body
from sims.config import GenerateConfig
from sims.errors import OptionError, SimulatorError
from sims.generate import generate
from sims.given_cameras import read_given
from tests.sims.runs import TOY

WORLD = "tests.sims.mujoco.worlds:Arm"
OPTIONS = {"env": WORLD, "episodes": 1, "size": 32, "split": "1,0,0", "workers": 1}
SIZE = 64


def stored(camera, **more):
    parts = {"intrinsics": camera.intrinsics.tolist(), "pose": camera.world_to_camera.tolist()}
    return parts | more


@pytest.fixture
def rig(tmp_path):
    """Writes a rig of named cameras and returns its file as an option."""

    def write(**cameras):
        path = tmp_path / "rig.json"
        path.write_text(json.dumps(cameras))
        return (str(path),)

    return write


@pytest.fixture
def camera():
    up, middle = np.array([0.0, 0, 1]), np.array([0.0, 0, 0.5])
    return Camera.look_at(np.array([2.0, -1, 1]), middle, up, 45.0, SIZE, SIZE)


@pytest.mark.slow
def test_cameras_of_a_data_set_make_the_same_pictures_again(tmp_path, caplog):
    own = GenerateConfig(**OPTIONS, views=2, out=tmp_path / "own")
    generate(own)
    first = EpisodeDataset(own.root).episode(0)
    cameras = {
        view: RigCamera(first.intrinsics[view], pose, size=(32, 32))
        for view, pose in first.world_to_camera.items()
        if pose.ndim == 2
    }
    path = tmp_path / "rig.json"
    write_rig(path, cameras)
    given = GenerateConfig(**OPTIONS, cameras=(str(path),), out=tmp_path / "given")
    assert given.num_views == 2
    with caplog.at_level(logging.WARNING):
        generate(given)
    assert not caplog.records
    again = EpisodeDataset(given.root)
    for view in again.views:
        assert np.array_equal(again.images(0, view), first.images[view])
        assert np.array_equal(again.keypoints(0, view), first.keypoints[view])
    assert "--cameras" in again.meta.command
    # The rig is part of the data set: neither no rig nor another one goes on with it.
    with pytest.raises(MismatchError, match="rig: .* on disk, '' asked for"):
        generate(replace(own, out=given.root))
    moved = cameras["view_1"].pose.copy()
    moved[0, 3] += 0.1
    write_rig(path, cameras | {"view_1": replace(cameras["view_1"], pose=moved)})
    with pytest.raises(MismatchError, match="rig: "):
        generate(replace(given, episodes=2))


def test_meta_json_without_a_rig_is_as_it_was(tmp_path):
    generate(GenerateConfig(**OPTIONS | {"env": TOY}, out=tmp_path / "toy"))
    assert '"rig"' not in (tmp_path / "toy" / "meta.json").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("world", ["lift", "pick", "minecraft"], indirect=True)
def test_every_world_draws_cameras_with_their_middle_beside_that_of_the_picture(world):
    """Off the middle and with pixels that are not square, keypoints still lie on the body."""
    usual = {view: world.cameras()[view] for view in world.views[1:]}
    odd = {}
    for view, camera in usual.items():
        intrinsics = camera.intrinsics.copy()
        intrinsics[0, 0] *= 0.8
        intrinsics[:2, 2] += (9.5, -7.0)
        odd[view] = replace(camera, intrinsics=intrinsics)
    try:
        world.use_cameras(odd)
        world.reset(seed=3)
        on_body = keypoints_on_body(world)
        for step in islice(world.expert(np.random.default_rng(3)), 3):
            world.step(step.action)
            world.render_views()
        on_body += keypoints_on_body(world)
        assert np.mean(on_body) >= MIN_SHARE_ON_BODY
        assert len(on_body) > len(world.skeleton)
        world.reset(seed=3, options={"random_cameras": True})
        world.reset(seed=3)
        for view, camera in odd.items():
            assert np.array_equal(world.cameras()[view].intrinsics, camera.intrinsics)
    finally:
        world._given_cameras = None
        world.place_cameras(None)


def test_a_scene_with_a_rig_keeps_every_promise(camera):
    from tests.sims.mujoco.worlds import Arm

    env = Arm(views=1, size=SIZE)
    intrinsics = camera.intrinsics.copy()
    intrinsics[1, 1] *= 1.1
    intrinsics[:2, 2] += 5
    env.use_cameras({"view_0": replace(camera, intrinsics=intrinsics)})
    try:
        check_multi_view_env(env)
    finally:
        env.close()


def test_intrinsics_are_scaled_to_the_pictures(rig, camera):
    given = read_given(rig(view_0=stored(camera, size=[SIZE, SIZE])), 32).cameras["view_0"]
    assert np.allclose(given.intrinsics[:2], camera.intrinsics[:2] / 2)
    assert (given.width, given.height) == (32, 32)


def test_the_first_person_camera_of_a_file_is_left_to_the_world(rig, camera):
    words = rig(ego=stored(camera, link="hand"), view_0=stored(camera))
    assert list(read_given(words, SIZE).cameras) == ["view_0"]


def test_cameras_of_other_names_are_named_one_by_one(rig, camera):
    (path,) = rig(left=stored(camera), right=stored(camera))
    with pytest.raises(OptionError, match=r"view_0, view_1.*left, right.*view_0=FILE:left"):
        read_given((path,), SIZE)
    (path,) = rig(view_0=stored(camera), view_2=stored(camera))
    with pytest.raises(OptionError, match=r"view_1=FILE:view_2"):
        read_given((path,), SIZE)
    (path,) = rig(left=stored(camera), right=stored(camera))
    given = read_given((f"view_1={path}:left", f"view_0={path}:right"), SIZE)
    assert list(given.cameras) == ["view_0", "view_1"]


def test_a_world_refuses_lenses_it_would_not_draw(camera):
    from tests.sims.mujoco.worlds import Arm

    env = Arm(views=1, size=SIZE)
    bent = {"view_0": replace(camera, lens=Lens("fisheye"))}
    try:
        for use in (env.use_cameras, env.move_cameras):
            with pytest.raises(SimulatorError, match=r"lenses of view_0 distort"):
                use(bent)
    finally:
        env.close()


def turned(camera, column, value):
    intrinsics = camera.intrinsics.copy()
    intrinsics[column] = value
    return replace(camera, intrinsics=intrinsics)


@pytest.mark.parametrize(
    ("spoil", "error", "complaint"),
    [
        (lambda c: stored(turned(c, (0, 0), 1e6)), OptionError, "horizontal field of view"),
        (lambda c: stored(turned(c, (1, 1), 0.5)), OptionError, "vertical field of view of 178"),
        (lambda c: stored(turned(c, (0, 1), 3.0)), OptionError, "right angles"),
        (lambda c: stored(turned(c, (0, 2), 320)), MismatchError, "outside .*size in a rig"),
        (lambda c: stored(c, link="hand"), OptionError, "moves with 'hand'"),
        (lambda c: stored(c, distortion=[0.1, 0, 0, 0]), OptionError, "distortion"),
        (lambda c: stored(c, size=[96, 64]), OptionError, "subtract 16 from cx"),
        (lambda c: {"intrinsics": c.intrinsics.tolist()}, MissingDataError, "where the camera is"),
        (lambda c: stored(c) | {"pose": [[2.0] * 4] * 4}, DataError, "no rotation"),
    ],
)
def test_a_camera_that_cannot_be_drawn_is_named(rig, camera, spoil, error, complaint):
    with pytest.raises(error, match=rf"rig\.json: view_0.*{complaint}"):
        read_given(rig(view_0=spoil(camera)), SIZE)


def test_a_camera_that_looks_away_is_warned_of(rig, camera, tmp_path, caplog):
    away = Camera.look_at(
        camera.position, 2 * camera.position, np.array([0.0, 0, 1]), 45.0, SIZE, SIZE
    )
    far = Camera.look_at(
        1000 * camera.position, np.zeros(3), np.array([0.0, 0, 1]), 45.0, SIZE, SIZE
    )
    words = rig(view_0=stored(camera), view_1=stored(away), view_2=stored(far))
    config = GenerateConfig(**OPTIONS | {"size": SIZE}, cameras=words, out=tmp_path / "data")
    with caplog.at_level(logging.WARNING):
        generate(config)
    assert [record.args[0] for record in caplog.records] == ["view_1", "view_2"]
    assert "view_1 of --cameras sees nothing of the robot" in caplog.text
    assert "view_2 of --cameras sees no more than a dot of the robot" in caplog.text


def test_options_that_contradict_a_rig_are_refused_before_any_work(rig, camera, tmp_path):
    words, out = rig(view_0=stored(camera, size=[SIZE, SIZE])), tmp_path / "data"
    for more in ({"views": 2}, {"random_cameras": True}, {"preset": "ftpv", "split": None}):
        options = OPTIONS | ({"env": "lift"} if "preset" in more else {}) | more
        with pytest.raises(OptionError, match="--cameras"):
            generate(GenerateConfig(**options, cameras=words, out=out))
    with pytest.raises(MissingDataError, match=r"none\.json does not exist"):
        generate(GenerateConfig(**OPTIONS, cameras=("none.json",), out=out))
    with pytest.raises(SimulatorError, match=r"MultiViewEnv\.set_cameras"):
        generate(GenerateConfig(**OPTIONS | {"env": TOY}, cameras=words, out=out))
    assert not out.exists()
