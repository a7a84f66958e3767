"""`BulletEnv`: files of PyBullet and a few lines are a world that keeps every promise."""

import logging
import re

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from datasets.episodes import EpisodeDataset
from datasets.errors import FormatError, MissingDataError, OptionError, UnknownNameError
from datasets.info import main as info
from sims import BulletEnv, MujocoEnv
from sims.bullet.client import data_folder
from sims.bullet.files import Placed
from sims.checker import check_multi_view_env
from sims.config import GenerateConfig
from sims.errors import HookError, SimulatorError
from sims.generate import generate
from sims.rollout import record
from sims.scenes.viewpoints import Viewpoint
from tests import REPOSITORY
from tests.sims.bullet.worlds import Arm, Planar
from tests.sims.runs import command, contents, finish

URDF = REPOSITORY / "tests" / "sims" / "mujoco" / "arm.urdf"
AWAY = ((2.0, 0.0, 0.5), (4.0, 0.0, 0.5))
ARM = "tests.sims.bullet.worlds:Arm"
BOX = """<robot name="box"><link name="{link}"><inertial><mass value="1"/>
<inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial>
<visual><geometry><box size="{size}"/></geometry></visual></link>{more}</robot>"""


@pytest.fixture
def box(tmp_path):
    """Write a URDF of a box; returns its path."""

    def write(name="box.urdf", size="0.2 0.2 0.2", link="side", more=""):
        path = tmp_path / name
        path.write_text(BOX.format(link=link, size=size, more=more))
        return path

    return write


def still(env):
    """An expert that stays where it is."""
    for _ in range(3):
        yield env.joint_positions()


def run(env, seed, steps=None):
    env.reset(seed=seed)
    for number, step in enumerate(env.expert(np.random.default_rng(seed))):
        if number == steps:
            break
        env.step(step.action)
    return env.state()


@pytest.mark.slow
@pytest.mark.parametrize("world", [Arm, Planar])
def test_a_class_of_a_few_lines_keeps_every_promise(world, make):
    check_multi_view_env(make(world, size=64), steps=8)


@pytest.mark.filterwarnings("ignore:.*Box observation space m.*imum value is:UserWarning")
def test_gymnasium_accepts_it(make):
    check_env(make(Planar, size=32, views=1), skip_render_check=True)


def test_keypoints_are_where_mujoco_has_them(make):
    """Two simulators read one URDF alike."""
    bullet, mujoco = (make(kind, URDF, act=still) for kind in (BulletEnv, MujocoEnv))
    names = [name.rpartition("/")[2] for name in bullet.skeleton.keypoints]
    assert tuple(names) == mujoco.skeleton.keypoints
    assert bullet.skeleton.bones == mujoco.skeleton.bones
    for env in (bullet, mujoco):
        env.reset(seed=0)
    rng = np.random.default_rng(0)
    for angles in rng.uniform(-1.5, 1.5, (4, 2)):
        bullet.set_joints(angles)
        mujoco.data.qpos[:] = angles
        mujoco.refresh()
        np.testing.assert_allclose(bullet.keypoints(), mujoco.keypoints(), atol=1e-6)


def test_joints_follow_the_actions(make):
    goal = np.array([0.7, -1.0])
    env = make(BulletEnv, URDF, act=lambda env: iter([goal] * 40))
    assert env.action_space.low[0] == -2 and env.action_space.high[1] == pytest.approx(2 * np.pi)
    run(env, 1)
    np.testing.assert_allclose(env.joint_positions(), goal, atol=0.01)


def test_only_the_named_joints_are_driven(make):
    env = make(BulletEnv, URDF, joints=["arm/elbow"], act=still)
    assert env.action_space.shape == (1,)
    env.reset(seed=0)
    start = env.observe()["qpos"]
    for _ in range(10):
        env.step(env.joint_positions())
    moved = np.abs(env.observe()["qpos"] - start)
    assert moved[0] > 0.05, "the shoulder does not swing"
    assert moved[1] < 0.02, "the elbow does not hold"


def test_looking_does_not_change_what_happens(make):
    env, ends = make(Arm), []
    for looks in (False, True):
        env.reset(seed=4)
        for step in env.expert(np.random.default_rng(4)):
            if looks:
                env.render_views()
            env.step(step.action)
        ends.append(env.state())
    np.testing.assert_array_equal(*ends)


@pytest.mark.parametrize("scene", ["arm", "humanoid"])
def test_a_state_is_restored_and_goes_on_alike(make, scene):
    spherical = {"bodies": {"man": Placed("humanoid/humanoid.urdf", (0, 0, 4), scale=0.25)}}
    env = make(Arm) if scene == "arm" else make(BulletEnv, act=still, **spherical)
    run(env, 2, 2)
    state, points = env.state(), env.keypoints()
    action = env.joint_positions() + 0.1
    ends = []
    for disturbance in (3, 5):
        for _ in range(disturbance):
            env.step(env.action_space.low.clip(-1, 1))
        env.set_state(state)
        np.testing.assert_allclose(env.keypoints(), points, atol=1e-9)
        np.testing.assert_allclose(env.state(), state, atol=1e-9)
        env.step(action)
        ends.append(env.state())
    np.testing.assert_array_equal(*ends)
    assert not np.allclose(ends[0], state)


def test_a_link_is_brought_where_it_shall_be(make):
    env = make(Arm, randomize=lambda env, rng: None)
    env.reset(seed=0)
    goal, turn = np.array([0.5, 0.2, 0.4]), (180.0, 0.0, 0.0)
    env.set_joints(env.reach_for("arm/lbr_iiwa_link_7", goal, turn))
    pose = env.body_pose("arm/lbr_iiwa_link_7")
    np.testing.assert_allclose(pose[:3, 3], goal, atol=0.01)
    np.testing.assert_allclose(pose[:3, 2], [0, 0, -1], atol=0.05)
    with pytest.raises(OptionError, match=r"goal of arm/lbr_iiwa_link_7 is .*: give 3 finite"):
        env.reach_for("arm/lbr_iiwa_link_7", (0.5, 0.2))
    with pytest.raises(OptionError, match="cube is not carried by joints"):
        env.reach_for("cube", goal)


def test_a_body_is_placed_by_its_base(make):
    env = make(Arm)
    env.reset(seed=0)
    env.place("arm", (0.1, 0.2, 0.3), (0, 0, 90))  # whose centre of mass lies elsewhere
    pose = env.body_pose("arm")
    np.testing.assert_allclose(pose[:3, 3], [0.1, 0.2, 0.3], atol=1e-9)
    np.testing.assert_allclose(pose[:3, 0], [0, 1, 0], atol=1e-9)
    with pytest.raises(UnknownNameError, match="unknown body of .* 'cubes'; did you mean 'cube'"):
        env.place("cubes", (0, 0, 0))


def test_what_stands_is_moved_by_randomize_and_drawn_there(make):
    """The scenery is drawn once an episode, after the hook."""
    env, pictures = make(Arm), []
    for depth in (0.0, -0.5):
        env.randomize = lambda rng, depth=depth: env.place("floor", (0, 0, depth))
        env.reset(seed=0)
        pictures.append(env.survey_views()["view_0"].depth)
    assert (pictures[1] > pictures[0] + 0.01).mean() > 0.3


def test_depth_and_masks_show_the_things_where_they_are(make):
    env = make(Arm, size=96)
    env.reset(seed=0)
    names, surveys = env.instances(), env.survey_views()
    assert names == ("background", "robot", "cube", "floor")
    top = env.body_pose("cube")[:3, 3] + [0, 0, 0.05]
    for view, survey in surveys.items():
        (column, row), depth = env.cameras()[view].project(top)
        cell = int(row), int(column)
        if view != "ego":
            assert names[survey.instances[cell]] == "cube"
            assert survey.depth[cell] == pytest.approx(depth, abs=0.02)
    assert {names[i] for i in np.unique(surveys["view_0"].instances)} >= {"robot", "floor"}


def test_hidden_points_are_not_visible(make, box):
    wall = Placed(box("wall.urdf", "0.05 2 2"), (0.9, 0.0, 0.0), fixed=True)
    front, behind = (Viewpoint((x, 0.0, 0.4), (0.0, 0.0, 0.4)) for x in (2.5, -2.5))
    bodies = {**Arm.bodies, "wall": wall}
    env = make(Arm, bodies=bodies, third_person=[front, behind], workspace=None)
    env.reset(seed=0)
    seen = env.visible()
    assert not seen["view_0"].any()
    assert seen["view_1"].sum() >= 5


def test_large_scenes_are_drawn_to_their_end(make, box):
    """The usual pictures end ten metres before the camera."""
    tower = Placed(box("tower.urdf", "1 1 1", more=JOINED), scale=20.0)
    env = make(BulletEnv, bodies={"tower": tower}, act=still)
    env.reset(seed=0)
    assert all(mask.mean() > 0.05 for mask in env.actor_masks().values())


def test_a_slide_with_far_limits_does_not_drive_the_cameras_away(make):
    """The cart's rail is thirty metres long, and the cart half a metre."""
    env = make(BulletEnv, "cartpole.urdf", act=still)
    env.reset(seed=0)
    masks = env.actor_masks()
    assert min(masks[view].mean() for view in env.views[1:]) > 0.02


JOINED = (
    '<link name="top"><visual><geometry><box size="0.5 0.5 0.5"/></geometry></visual></link>'
    '<joint name="turn" type="revolute"><parent link="side"/><child link="top"/>'
    '<origin xyz="0 0 0.7"/><axis xyz="0 0 1"/><limit lower="-1" upper="1" effort="9"/></joint>'
)


def test_drawn_scenes_leave_the_actor_its_colours(make):
    env = make(Arm)

    def colours(body):
        shapes = env.client.call("getVisualShapeData", env.part(body)[0])
        return [shape[7] for shape in shapes]

    env.reset(seed=0)
    usual = {body: colours(body) for body in ("arm", "cube", "floor")}
    env.reset(seed=0, options={"random_scenes": True})
    assert colours("arm") == usual["arm"]
    assert colours("cube") != usual["cube"] and colours("floor") != usual["floor"]


@pytest.mark.slow
def test_a_command_generates_the_same_bytes_again(tmp_path, capsys):
    options = {"env": ARM, "episodes": 3, "size": 32, "views": 2}
    code, output = finish(command(tmp_path / "one", 1, **options))
    assert code == 0, output
    assert "3 episodes in 3 attempts" in output
    generate(GenerateConfig(**options, workers=1, out=tmp_path / "two"))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    data = EpisodeDataset(tmp_path / "one")
    assert data.skeleton.keypoints[-1] == "arm/lbr_iiwa_link_7"
    assert set(data.phases(0)) == {0, 1}
    data.check(need_keypoints=True)
    info([str(tmp_path / "one")])
    shown = capsys.readouterr().out
    assert "Arm, 3 episodes of 3 views" in shown and "every episode is whole" in shown


def test_parts_of_mjcf_that_are_left_out_are_named(make, caplog):
    with caplog.at_level(logging.WARNING):
        make(Planar)
    assert not caplog.records
    with caplog.at_level(logging.WARNING), pytest.raises(OptionError, match="has no joint"):
        make(BulletEnv, "mjcf/hello_mjcf.xml", act=still)
    assert "leaves out parts of" in caplog.text and "element 'light'" in caplog.text


# Faults in what a user writes.


@pytest.mark.parametrize(
    ("settings", "error", "complaint"),
    [
        (
            {"points": ["arm/lbr_iiwa_lnik_7"]},
            UnknownNameError,
            "link of the scene of Arm 'arm/lbr_iiwa_lnik_7'; did you mean 'arm/lbr_iiwa_link_7'",
        ),
        ({"points": ["arm/lbr_iiwa_link_7"] * 2}, OptionError, "name one thing twice"),
        ({"joints": ["arm/lbr_joint_1"]}, UnknownNameError, "mean 'arm/lbr_iiwa_joint_1'"),
        ({"home": (0.0, 1.0)}, OptionError, "2 positions .* 7 joints arm/lbr_iiwa_joint_1"),
        ({"action_range": ((0,), (1,))}, OptionError, "action_range has 1 and 1 numbers"),
        ({"third_person": ["side"], "views": 1}, OptionError, "holds no camera, .* 'side'"),
        (
            {"third_person": [AWAY], "views": 1, "ego": AWAY},
            OptionError,
            "no camera of the scene of Arm shows arm/lbr_iiwa_link_0, .*third_person",
        ),
        (
            {"points": ["cube/baseLink", "arm/lbr_iiwa_link_7"], "bodies": {
                **Arm.bodies, "cube": Placed("cube_small.urdf", (0.0, 0.0, 50.0))}},
            OptionError,
            r"shows cube/baseLink at the start \(cube/baseLink is at \[0.0, 0.0, 50.0.*`workspace`",
        ),
        ({"workspace": ((0, 0, 0), (0, 0, 0))}, OptionError, "workspace of .* has no size"),
        ({"ego": "arm/hnad"}, UnknownNameError, "camera or body of .* 'arm/hnad'"),
        ({"control_hz": 500.0}, OptionError, "control_hz is 500, .* at most 240"),
        ({"draws_with": "tyni"}, UnknownNameError, "'tyni'.* 'tiny'"),
        ({"body": "x"}, UnknownNameError, "unknown setting 'body'; did you mean 'bodies'"),
        ({"bodies": {}}, OptionError, "Arm names no scene"),
        ({"bodies": ["arm.urdf"]}, OptionError, "`bodies` of Arm must be a dictionary"),
        ({"bodies": {"a": ("arm.urdf", (0, 0, 1))}}, OptionError, "for 'a': give a path"),
        ({"bodies": {"a": Placed("x", (1, 2))}}, OptionError, r"of 'a' is \(1, 2\): give 3"),
        ({"bodies": {"a": Placed("x", scale=0)}}, OptionError, "scale of 'a' is 0: .* above 0"),
        ({"home": (np.nan,) * 7}, OptionError, "pose of the joints .* 7 finite numbers"),
        ({"action_range": ((1,) * 7, (0,) * 7)}, OptionError, "the least action first"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named(make, settings, error, complaint):
    with pytest.raises(error, match=complaint):
        make(Arm, **settings)


def test_a_missing_file_is_named_with_the_nearest(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bodies = {"arm": "kuka_iiwa/modle.urdf"}
    with pytest.raises(MissingDataError) as error:
        make(BulletEnv, bodies=bodies, act=still)
    message = str(error.value)
    assert str(tmp_path) in message and str(data_folder()) in message
    assert message.endswith("`bodies` of BulletEnv. Did you mean 'kuka_iiwa/model.urdf'?")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<robot name='x'><link", r"broken\.urdf is not valid XML"),
        ("<sdf/>", r"broken\.urdf begins with <sdf>: it must be a URDF"),
        ("<robot name='x'/>", r"broken\.urdf has no link"),
        ("<robot name='x'><link name='a'/><link name='b'/></robot>", r"no joint carries \(a, b\)"),
        (
            "<robot name='x'><link name='a'><visual><geometry><mesh filename='nope.obj'/>"
            "</geometry></visual></link></robot>",
            r"broken\.urdf \(.*cannot find 'nope.obj'",
        ),
        ("<robot name='x'><link name='a'/></robot>", "has no joint, so nothing can act"),
        (
            "<robot name='x'><link name='a'/><joint name='j' type='fixed'><parent link='a'/>"
            "<child link='b'/></joint></robot>",
            r"cannot load .*broken\.urdf \(Cannot find child link for joint j",
        ),
        ("<mujoco/>", "holds no body"),
    ],
)
def test_a_scene_that_cannot_be_used_is_named(make, tmp_path, capfd, text, complaint):
    path = tmp_path / "broken.urdf"
    path.write_text(text)
    with pytest.raises((FormatError, OptionError), match=complaint) as error:
        make(BulletEnv, path, act=still)
    assert "broken.urdf" in str(error.value)
    assert capfd.readouterr().out == ""


def test_mjcf_is_no_body(make, tmp_path):
    path = tmp_path / "arm.xml"
    path.write_text("<mujoco/>")
    with pytest.raises(
        FormatError, match=r"arm\.xml begins with <mujoco>.*MJCF can be the `scene`"
    ):
        make(BulletEnv, bodies={"arm": path}, act=still)


def test_names_that_clash_are_named(make, box):
    more = {"arm": "cube_small.urdf"}
    with pytest.raises(OptionError, match="two bodies are called 'arm'"):
        make(BulletEnv, URDF, bodies=more, act=still)
    with pytest.raises(OptionError, match="no point lies on the body 'robot'"):
        make(BulletEnv, URDF, bodies={"robot": "cube_small.urdf"}, act=still)


def test_a_wrong_action_is_named_with_its_function(make):
    def act(env):
        yield np.zeros(3)

    with pytest.raises(HookError, match=r"act\(\), step 0: an action has the shape \(3,\); give 7"):
        record(make(Arm, act=act), seed=0)


def test_a_scene_that_breaks_down_is_named(make):
    def lose(env, rng):
        env.place("cube", (0.0, 0.0, 1e6))

    with pytest.raises(SimulatorError, match="unstable at the start, by .*lose"):
        make(Arm, randomize=lose).reset(seed=0)


@pytest.mark.slow
def test_a_fault_ends_the_command_in_one_line(tmp_path):
    wild = ARM.replace("Arm", "Wild")
    code, output = finish(command(tmp_path / "wild", 1, env=wild, episodes=1, size=32))
    assert code == 2
    assert "Traceback" not in output
    assert re.search(r"error: .*worlds\.py:\d+, act\(\), step 0: the action \[nan", output)
