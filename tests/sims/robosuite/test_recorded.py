"""Replay of any task and robot of robosuite from the file alone: keypoints, states, cameras."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from datasets.calibration.own import write_rig
from datasets.cameras import Camera
from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError, OptionError
from datasets.kinematics.rig import RigCamera
from datasets.skeletons import PANDA
from sims.given_cameras import read_additional
from sims.gl import import_mujoco
from sims.replay import ReplayConfig, replay
from sims.robosuite import xml
from sims.robosuite.demos import DemonstrationFile
from sims.robosuite.recorded import RecordedScene
from sims.robosuite.restore import steady
from tests.shared import made_once
from tests.sims.recorded import act_randomly

STEPS = 4
TASKS = {
    "square": ("NutAssemblySquare", ["Panda"]),
    "transport": ("TwoArmTransport", ["Panda", "Panda"]),
    "sawyer": ("Lift", ["Sawyer"]),
}
SIZE = 64


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """A demonstration of each task, by random actions."""

    def make(folder: Path) -> None:
        for name, (task, robots) in TASKS.items():
            act_randomly(folder / f"{name}.hdf5", task, robots, STEPS)

    folder = made_once(tmp_path_factory, "random_demos", make)
    return {name: folder / f"{name}.hdf5" for name in TASKS}


@pytest.fixture(scope="module", params=list(TASKS))
def scene(request, files):
    """Each task with its file, in the last state of the demonstration."""
    file = DemonstrationFile(files[request.param])
    scene = RecordedScene(file, views=4, size=SIZE)
    scene.set_state(file.states(0)[-1])
    yield request.param, file, scene
    scene.close()


@pytest.mark.slow
def test_visible_keypoints_lie_on_the_robots(scene):
    name, _, scene = scene
    masks, cameras, visible = scene.actor_masks(), scene.cameras(), scene.visible()
    hits, robots = [], len(TASKS[name][1])
    for view in scene.views[1:]:
        pixels, _ = cameras[view].project(scene.keypoints())
        seen = pixels[visible[view]].astype(int)
        hits += list(masks[view][seen[:, 1], seen[:, 0]])
        assert len(seen) >= 4 * robots, view
        assert cameras[view].contains(pixels).all(), view
        assert 0.02 < masks[view].mean() < 0.5, view
    # Finger tips of a Panda lie on edges, where a pixel may show what is behind.
    assert np.mean(hits) > 0.85


@pytest.mark.slow
def test_keypoints_follow_the_bodies_of_each_robot(scene):
    name, file, scene = scene
    mujoco = import_mujoco()
    demo = file.read(0)
    model = mujoco.MjModel.from_xml_string(demo.model_file)
    data = mujoco.MjData(model)
    data.qpos[:] = demo.states[-1, 1 : 1 + model.nq]
    mujoco.mj_forward(model, data)
    expected = {
        "square": {"joint4": "robot0_link4"},
        "transport": {f"robot{i}_joint{j}": f"robot{i}_link{j}" for i in (0, 1) for j in (2, 4, 6)},
        "sawyer": {
            body: body
            for body in ("robot0_right_l0", "robot0_right_l5", "gripper0_right_l_finger_tip")
        },
    }[name]
    points = dict(zip(scene.skeleton.keypoints, scene.keypoints(), strict=True))
    for point, body in expected.items():
        assert np.allclose(points[point], data.body(body).xpos, atol=1e-6), point
    assert len(points) == {"square": 11, "transport": 22, "sawyer": 10}[name]
    assert (scene.skeleton == PANDA) == (name == "square")
    hand = [name for name in scene.skeleton.keypoints if "hand" in name or "base" in name][-1]
    away = np.linalg.norm(scene.cameras()["ego"].position - points[hand])
    assert away < 0.3 or name == "transport"


@pytest.mark.slow
def test_states_times_and_cameras_of_a_replay_are_those_of_the_file(files, tmp_path, caplog):
    """Also under a name that no installed class has, with paths of another machine."""
    path = Path(shutil.copy(files["square"], tmp_path / "square_d0.hdf5"))
    with h5py.File(path, "a") as file:
        args = json.loads(file["data"].attrs["env_args"]) | {"env_name": "Square_D0"}
        file["data"].attrs["env_args"] = json.dumps(args)
        demo = file["data/demo_0"]
        folder = str(xml._folder("robosuite"))
        moved = demo.attrs["model_file"].replace(folder, "/elsewhere/robosuite/robosuite")
        assert "/elsewhere" in moved
        demo.attrs["model_file"] = moved
        states, actions = demo["states"][:], demo["actions"][:]
    known = RecordedScene(DemonstrationFile(files["square"]), views=2, size=SIZE)
    still = RigCamera(
        known.cameras()["view_1"].intrinsics, known.cameras()["view_1"].world_to_camera
    )
    away = np.eye(4)
    away[2, 3] = 50.0
    write_rig(tmp_path / "front.json", {"lab": replace(still, size=(SIZE, SIZE))})
    write_rig(tmp_path / "away.json", {"lab": replace(still, pose=away, size=(SIZE, SIZE))})
    cameras = tuple(f"{name}={tmp_path / name}.json" for name in ("front", "away"))
    options = {"views": 2, "size": SIZE, "workers": 1, "split": "1,0,0", "camera": cameras}
    config = ReplayConfig(path, **options, out=tmp_path / "out")
    replay(config)
    assert "away of --camera sees nothing" in caplog.text and "front of" not in caplog.text
    data = EpisodeDataset(config.root)
    data.check(window=1)
    episode = data.episode(0)
    assert data.meta.env == "Square_D0" and data.meta.phases == ["free", "hold"]
    assert data.views == ["ego", "view_0", "view_1", "front", "away"]
    assert np.array_equal(episode.states, states) and np.array_equal(episode.actions, actions)
    assert np.allclose(np.diff(states[:, 0]), 1 / data.meta.control_hz)
    assert np.array_equal(episode.images["front"], episode.images["view_1"])
    assert set(episode.observations) >= {"robot0_joint_pos", "robot0_gripper_qpos"}
    assert np.array_equal(episode.observations["robot0_joint_pos"], states[:, 1:8])
    for t, state in enumerate(states):
        known.set_state(state)
        assert np.array_equal(known.render_views()["view_0"], episode.images["view_0"][t])
    known.close()
    with pytest.raises(MismatchError, match="rig"):
        replay(replace(config, camera=cameras[:1] + (f"away={tmp_path / 'front.json'}",)))


@pytest.mark.slow
def test_a_camera_on_a_path_sees_what_a_camera_there_sees(files, tmp_path):
    file = DemonstrationFile(files["square"])
    states, hz = file.states(0), file.control_hz or RecordedScene.control_hz
    known = RecordedScene(file, views=2, size=SIZE)
    ends = [known.cameras()[view] for view in ("view_0", "view_1")]
    poses = [camera.world_to_camera.tolist() for camera in ends]
    path, out = tmp_path / "crane.json", tmp_path / "out"

    def config(last: float) -> ReplayConfig:
        moves = [{"time": 0, "pose": poses[0]}, {"time": last, "pose": poses[1]}]
        parts = {"intrinsics": ends[0].intrinsics.tolist(), "path": moves}
        path.write_text(json.dumps({"crane": parts}))
        options = {"views": 2, "size": SIZE, "workers": 1, "split": "1,0,0", "out": out}
        return ReplayConfig(files["square"], **options, camera=(f"crane={path}",))

    with pytest.raises(MismatchError, match=r"crane\.json: crane has a path from 0 to .* s"):
        replay(config((len(states) - 1.5) / hz))
    assert not out.exists()
    whole = config((len(states) - 1) / hz)
    replay(whole)
    data = EpisodeDataset(out)
    episode = data.episode(0)
    assert data.meta.moving_cameras and data.views == ["ego", "view_0", "view_1", "crane"]
    assert episode.world_to_camera["view_0"].ndim == 2
    for t, state in enumerate(states):
        known.set_state(state)
        there = whole.cameras.at(t / hz)["crane"]
        known.set_cameras({"crane": there})
        assert np.array_equal(known.render_views()["crane"], episode.images["crane"][t])
        pixels, _ = there.project(known.keypoints())
        assert np.allclose(pixels, episode.keypoints["crane"][t], atol=1e-3)
    assert np.allclose(episode.world_to_camera["crane"][-1], poses[1], atol=1e-9)
    known.close()


@pytest.mark.slow
def test_holding_agrees_with_the_phases_of_lift(lift, tmp_path):
    """`hold` begins while Lift's hand grasps, and lasts as long as the cube is in the air."""
    lift.reset(seed=5)
    states, model = [], lift.model_file()
    for step in lift.expert(np.random.default_rng(5)):
        states.append(lift.state())
        lift.step(step.action)
    path = tmp_path / "lift.hdf5"
    with h5py.File(path, "w") as file:
        file.create_group("data").attrs["env_args"] = json.dumps(lift.env_args())
        demo = file.create_group("data/demo_0")
        demo["states"], demo["actions"] = np.stack(states), np.zeros((len(states), 7))
        demo.attrs["model_file"] = model
    scene = RecordedScene(DemonstrationFile(path), views=1, size=32)
    lift.load_episode(model)
    found: dict[str, list[int]] = {"lift": [], "scene": []}
    for state in states:
        for name, world in (("lift", lift), ("scene", scene)):
            world.set_state(state)
            found[name].append(world.phase_now())
    scene.close()
    phases, holds = (steady(np.array(found[name], np.uint8)) for name in ("lift", "scene"))
    assert not holds[phases == lift.phases.index("reach")].any()
    assert holds[phases >= lift.phases.index("lift")].all()
    assert np.abs(np.diff(holds.astype(int))).sum() == 1


@pytest.mark.slow
def test_lift_has_further_cameras_too(lift):
    usual = {view: lift.cameras()[view] for view in lift.views[1:]}
    try:
        lift.set_cameras({**usual, "front": usual["view_1"]})
        assert lift.views == ("ego", *usual, "front")
        pictures = lift.render_views()
        assert np.array_equal(pictures["front"], pictures["view_1"])
        assert set(lift.visible()) == set(lift.views)
    finally:
        lift.set_cameras(usual)


@pytest.mark.parametrize(
    ("name", "link", "message"),
    [("ego", "", "front=FILE:ego"), ("a b", "", "letters"), ("front", "hand", "'hand'")],
)
def test_a_camera_that_cannot_be_a_view_is_an_error(tmp_path, name, link, message):
    camera = Camera.look_at(np.array([1.0, 0, 1]), np.zeros(3), np.array([0.0, 0, 1]), 45.0, 8, 8)
    path = tmp_path / "rig.json"
    write_rig(path, {name: RigCamera(camera.intrinsics, camera.world_to_camera, link, size=(8, 8))})
    with pytest.raises(OptionError, match=message):
        read_additional((f"{name}={path}",), 8)


OLD_MODEL = """<mujoco><asset><mesh name="m" file="/robosuite/models/assets/mounts/m.stl"/></asset>
<body name="mount1_base"/><body name="gripper1_right_gripper"/><body name="gripper1_leftfinger"/>
</mujoco>"""


def test_the_text_of_a_model_does_not_tell_what_was_loaded_before():
    first, later = '<mesh name="a" file="a.stl"/>', '<mesh name="b" file="b.stl" scale="2 2 2"/>'
    again = '<mesh name="c" content_type="model/stl" file="a.stl"/>'  # as MuJoCo writes it itself
    fresh = f"<asset>{first}{later}{again}</asset>"
    for mesh in (first, later):
        held = mesh.replace(" file=", ' content_type="model/stl" file=')
        assert xml.without_history(fresh.replace(mesh, held)) == fresh
    assert xml.without_history(fresh) == fresh


def test_parts_of_a_second_robot_of_robosuite_1_4_get_their_present_names():
    present = xml.with_present_names(OLD_MODEL)
    for name in ("fixed_mount1_base", "gripper1_right_right_gripper", "gripper1_right_leftfinger"):
        assert f'"{name}"' in present
    assert "assets/bases/m.stl" in present
    assert xml.with_present_names(present) == present


def test_meshes_are_found_in_the_package_that_has_them(tmp_path, monkeypatch):
    files = {
        "mimicgen": "models/robosuite/assets/mug.stl",
        "robosuite": "models/assets/bases/m.stl",
        "kitchens": "assets/sink.obj",  # any package may have the objects of a task
    }
    folders = {name: tmp_path / name for name in files}
    for name, file in files.items():
        (folders[name] / file).parent.mkdir(parents=True)
        (folders[name] / file).touch()
    monkeypatch.setattr(xml, "_folder", folders.get)
    model = """<mujoco><asset>
        <mesh file="/elsewhere/mimicgen/mimicgen/models/robosuite/assets/mug.stl"/>
        <mesh file="/elsewhere/mimicgen/robosuite/robosuite/models/assets/bases/m.stl"/>
        <mesh file="C:\\Users\\a\\kitchens\\assets/sink.obj"/>
        <mesh file="/elsewhere/own/none.stl"/></asset></mujoco>"""
    found = xml.with_installed_files(model)
    for name, file in files.items():
        assert f'"{folders[name] / file}"' in found
    assert xml.missing_files(found) == ["/elsewhere/own/none.stl"]
