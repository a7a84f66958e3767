"""Faults in what a user writes for `BulletEnv`, each named with its remedy."""

import logging
import re

import numpy as np
import pytest

from datasets.errors import FormatError, MissingDataError, OptionError, UnknownNameError
from sims import BulletEnv
from sims.bullet.client import data_folder
from sims.bullet.files import Placed
from sims.errors import HookError, SimulatorError
from sims.rollout import record
from tests.sims.bullet.worlds import ARM, URDF, Arm, Planar, still
from tests.sims.runs import command, finish

AWAY = ((2.0, 0.0, 0.5), (4.0, 0.0, 0.5))


def test_parts_of_mjcf_that_are_left_out_are_named(make, caplog):
    with caplog.at_level(logging.WARNING):
        make(Planar)
    assert not caplog.records
    with caplog.at_level(logging.WARNING), pytest.raises(OptionError, match="has no joint"):
        make(BulletEnv, "mjcf/hello_mjcf.xml", act=still)
    assert "leaves out parts of" in caplog.text and "element 'light'" in caplog.text


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
    ("mesh", "complaint"),
    [
        ("<COLLADA", r"hand\.dae is not valid XML"),
        ("<COLLADA><asset/></COLLADA>", r"hand\.dae is no .* it lacks <library_geometries>"),
        ("<x:COLLADA xmlns:x='a'><x:library_geometries/></x:COLLADA>", "it lacks <asset>"),
        ("<html/>", "it lacks <COLLADA>"),
    ],
)
def test_a_damaged_collada_mesh_is_named(make, tmp_path, mesh, complaint):
    (tmp_path / "hand.dae").write_text(mesh)
    (tmp_path / "arm.urdf").write_text(
        "<robot name='x'><link name='a'><visual><geometry><mesh filename='hand.dae'/>"
        "</geometry></visual></link></robot>"
    )
    with pytest.raises(FormatError, match=complaint):
        make(BulletEnv, bodies={"arm": tmp_path / "arm.urdf"}, act=still)


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
        (
            "<robot name='x'><link name='a'><visual><geometry><box size='${w} 1 1'/></geometry>"
            "</visual></link></robot>",
            r"macros of xacro\. Expand them: xacro broken\.urdf >",
        ),
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


@pytest.mark.slow
def test_a_wrong_action_is_named_with_its_function(make):
    def act(env):
        yield np.zeros(3)

    with pytest.raises(HookError, match=r"act\(\), step 0: an action has the shape \(3,\); give 7"):
        record(make(Arm, act=act), seed=0)


@pytest.mark.slow
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
