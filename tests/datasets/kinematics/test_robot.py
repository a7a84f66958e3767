"""Robots from files: where their links are, what hides what, and faults in the files."""

import logging

import numpy as np
import pytest

from datasets.errors import FormatError, MissingDataError, OptionError, UnknownNameError
from datasets.kinematics import catalogue
from datasets.kinematics.catalogue import find_robot, present_robots
from datasets.kinematics.points import MAX_DEPTH_IN_LINK
from datasets.kinematics.robot import Robot
from tests.datasets.kinematics.arm import load_arm, write_arm

OBJ = "o one\nv 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1 2 4\nf 1 3 4\nf 2 3 4\n"
SECOND = "o two\nv 0 0 2\nv 1 0 2\nv 0 1 2\nv 0 0 3\nf 5 6 7\nf 5 6 8\nf 5 7 8\nf 6 7 8\n"


def mesh(name):
    return f'<visual><geometry><mesh filename="{name}"/></geometry></visual>'


def test_links_are_where_the_angles_put_them(tmp_path):
    arm = load_arm(tmp_path)
    arm.place(arm.arm, np.array([np.pi / 2, -np.pi / 2]))
    np.testing.assert_allclose(arm.pose("lower")[:3, 3], [0.4, 0, 0], atol=1e-12)
    np.testing.assert_allclose(arm.pose("left_tip")[:3, 3], [0.4, 0, 0.4], atol=1e-12)


def test_a_joint_that_mimics_another_follows_it(tmp_path):
    arm = load_arm(tmp_path)
    assert [joint.name for joint in arm.joints] == ["shoulder", "elbow", "left_finger"]
    assert [joint.name for joint in arm.arm] == ["shoulder", "elbow"]
    arm.place(arm.joints, np.array([0, 0, 0.03]))
    assert arm.pose("left_tip")[1, 3] == pytest.approx(0.03)
    assert arm.pose("right_tip")[1, 3] == pytest.approx(-0.03)


def test_rays_meet_visual_shapes_alone(tmp_path):
    arm = load_arm(tmp_path)
    share, bodies = arm.hits(np.array([2.0, 0, 0.2]), np.array([[-2.0, 0, 0], [0, 1.0, 0]]))
    assert share[0] == pytest.approx((2 - 0.04) / 2)
    assert bodies[0] == arm.body("upper")
    assert (share[1], bodies[1]) == (np.inf, -1)


def test_links_give_a_skeleton_along_the_robot(tmp_path):
    arm = load_arm(tmp_path)
    skeleton, points = arm.keypoints(["foot", "lower", "left_tip:0,0,0.1", "right_tip"])
    assert skeleton.keypoints == ("foot", "lower", "left_tip", "right_tip")
    assert skeleton.bones == ((0, 1), (1, 2), (1, 3))
    assert skeleton.flip_pairs == ((2, 3),)
    assert points[1].own_bodies == ("lower", "upper")
    assert points[2].offset == (0.0, 0.0, 0.1)
    assert arm.keypoints()[0].keypoints == ("upper", "lower")  # those that can be seen


@pytest.mark.parametrize(
    ("links", "error", "message"),
    [
        (["hand"], UnknownNameError, "unknown link of arm 'hand'"),
        (["foot", "foot"], OptionError, "names foot twice"),
        (["foot:1,2"], OptionError, "NAME:X,Y,Z"),
    ],
)
def test_a_wrong_link_is_named(tmp_path, links, error, message):
    with pytest.raises(error, match=message):
        load_arm(tmp_path).keypoints(links)


def test_all_objects_of_an_obj_are_read(tmp_path):
    (tmp_path / "two.obj").write_text(OBJ + SECOND)
    arm = load_arm(tmp_path, foot=mesh("package://some/two.obj"))
    for height in (0.2, 2.2):
        share, bodies = arm.hits(np.array([0.2, -3, height]), np.array([[0.0, 1, 0]]))
        assert bodies[0] == arm.body("foot"), f"nothing at {height}"
        assert share[0] == pytest.approx(3)


TRIANGLE = "facet normal 0 0 0\nouter loop\n{}endloop\nendfacet\n"
CORNERS = ("0 0 0", "1 0 0", "0 1 0", "0 0 1")
FACES = ((0, 1, 2), (0, 3, 1), (0, 2, 3), (1, 3, 2))


def test_a_mesh_in_the_text_form_of_stl_is_read(tmp_path):
    faces = ("".join(f"vertex {CORNERS[i]}\n" for i in face) for face in FACES)
    (tmp_path / "tip.stl").write_text(
        "solid tip\n" + "".join(map(TRIANGLE.format, faces)) + "endsolid tip\n"
    )
    arm = load_arm(tmp_path, foot=mesh("tip.stl"))
    share, bodies = arm.hits(np.array([0.2, -3, 0.2]), np.array([[0.0, 1, 0]]))
    assert bodies[0] == arm.body("foot") and share[0] == pytest.approx(3)


@pytest.mark.parametrize(
    ("mimic", "message"),
    [
        ('<mimic joint="nobody"/>', "the joint right_finger mimics 'nobody', which is none of"),
        ('<mimic joint="right_finger"/>', "the joint right_finger mimics itself"),
        (
            '<mimic joint="left_finger" multiplier="one"/>',
            "the multiplier 'one', which is no number",
        ),
    ],
)
def test_a_joint_that_mimics_no_other_is_refused(tmp_path, mimic, message):
    file = write_arm(tmp_path)
    file.write_text(file.read_text().replace('<mimic joint="left_finger"/>', mimic))
    with pytest.raises(FormatError, match=message) as error:
        Robot(find_robot(str(file)))
    assert str(file) in str(error.value)


def test_a_chain_of_mimics_moves_as_one(tmp_path):
    file = write_arm(tmp_path)
    third = """<link name="tail"/><joint name="a_tail" type="prismatic"><parent link="lower"/>
      <child link="tail"/><axis xyz="1 0 0"/><limit lower="0" upper="1" effort="1" velocity="1"/>
      <mimic joint="right_finger" multiplier="2" offset="0.1"/></joint></robot>"""
    file.write_text(file.read_text().replace("</robot>", third))
    arm = Robot(find_robot(str(file)))
    arm.place(arm.joints, np.array([0, 0, 0.03]))
    assert arm.pose("tail")[0, 3] == pytest.approx(2 * 0.03 + 0.1)


SCENE = """<mujoco><worldbody><geom type="plane" size="5 5 .1"/>
<body name="cube" pos="0 -1 0.2"><freejoint/><geom type="box" size=".5 .05 .5"/></body>
<body name="foot">{base}<body name="upper"><joint name="shoulder" axis="0 1 0"/>
<geom size=".04 .2" type="capsule"/></body></body></worldbody></mujoco>"""


def test_objects_and_floors_of_a_scene_are_no_part_of_the_robot(tmp_path):
    (tmp_path / "scene.xml").write_text(SCENE.format(base=""))
    robot = Robot(find_robot(str(tmp_path / "scene.xml")))
    assert robot.keypoints()[0].keypoints == ("upper",)
    _, bodies = robot.hits(np.array([0, -2.0, 0.1]), np.array([[0, 1.0, 0], [0, 0.1, -1.0]]))
    assert bodies.tolist() == [robot.body("upper"), -1]
    assert not robot.floats


def test_a_base_that_moves_freely_is_known(tmp_path):
    (tmp_path / "scene.xml").write_text(SCENE.format(base='<freejoint/><geom size=".1"/>'))
    assert Robot(find_robot(str(tmp_path / "scene.xml"))).floats


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "is empty"), (b"version https://git-lfs.github.com", "git lfs")]
)
def test_a_mesh_without_content_is_named(tmp_path, content, message):
    (tmp_path / "palm.stl").write_bytes(content)
    with pytest.raises(FormatError, match=f"palm.stl .*{message}"):
        load_arm(tmp_path, mesh("palm.stl"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("arm.urdf.xacro", "Expand them: xacro"),
        ("arm.sdf", "is no robot's file"),
        ("folder/arm", "is no robot's file"),
    ],
)
def test_other_files_are_not_taken_for_names(name, message):
    with pytest.raises(FormatError, match=message):
        find_robot(name)


def test_macros_of_xacro_are_refused(tmp_path):
    file = tmp_path / "arm.urdf"
    file.write_text(
        '<robot name="a" xmlns:xacro="http://www.ros.org/wiki/xacro"><link name="base"/>'
        '<xacro:property name="width" value="1"/></robot>'
    )
    with pytest.raises(FormatError, match=r"macros of xacro\. Expand them: xacro arm\.urdf >"):
        Robot(find_robot(str(file)))


def test_a_missing_mesh_is_a_warning(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        load_arm(tmp_path, foot=mesh("meshes/none.dae"))
    assert "1 meshes are left out, such as meshes/none.dae" in caplog.text


def test_files_that_are_no_robots(tmp_path):
    broken = tmp_path / "broken.urdf"
    broken.write_text("<robot>")
    with pytest.raises(FormatError, match=r"broken.urdf is not valid XML"):
        Robot(find_robot(str(broken)))
    still = tmp_path / "still.xml"
    still.write_text("<mujoco><worldbody><body name='a'/></worldbody></mujoco>")
    with pytest.raises(FormatError, match="has no joints"):
        Robot(find_robot(str(still)))
    still.write_text("<mujoco><wrong/></mujoco>")
    with pytest.raises(FormatError, match="cannot be read as a robot"):
        Robot(find_robot(str(still)))
    with pytest.raises(MissingDataError, match=r"none.urdf does not exist"):
        find_robot(str(tmp_path / "none.urdf"))


def test_an_unknown_name_lists_those_present(monkeypatch):
    assert "panda" in present_robots()
    with pytest.raises(UnknownNameError, match=r"did you mean 'panda'\?.*path of a .urdf"):
        find_robot("pandda")
    monkeypatch.setattr(catalogue, "find_spec", lambda package: None)
    with pytest.raises(MissingDataError, match="no package with robots is installed"):
        find_robot("panda")


def test_a_path_is_taken_before_a_name(tmp_path):
    assert find_robot(str(write_arm(tmp_path))).name == "arm"


@pytest.mark.slow
@pytest.mark.parametrize("name", list(present_robots()))
def test_every_listed_robot_loads_with_all_its_keypoints(name):
    robot = Robot(find_robot(name))
    skeleton, points = robot.keypoints()
    assert len(robot.arm) in (6, 7)
    assert len(skeleton) == len(points) >= 7
    places = robot.positions(points)
    assert np.isfinite(places).all()
    # A keypoint at a joint has the robot around it: some ray from above meets it nearby.
    origin = places.mean(0) + [0, 0, 3]
    share, _ = robot.hits(origin, places - origin)
    assert ((1 - share) * np.linalg.norm(places - origin, axis=1) > -MAX_DEPTH_IN_LINK).any()
