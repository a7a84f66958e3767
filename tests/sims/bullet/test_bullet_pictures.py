"""Pictures, depth, masks and visibility of worlds of PyBullet's files."""

import numpy as np
import pytest

from sims import BulletEnv
from sims.bullet.files import Placed
from sims.scenes.viewpoints import Viewpoint
from tests.sims.bullet.worlds import Arm, still

JOINED = (
    '<link name="top"><visual><geometry><box size="0.5 0.5 0.5"/></geometry></visual></link>'
    '<joint name="turn" type="revolute"><parent link="side"/><child link="top"/>'
    '<origin xyz="0 0 0.7"/><axis xyz="0 0 1"/><limit lower="-1" upper="1" effort="9"/></joint>'
)


@pytest.mark.slow
def test_what_stands_is_moved_by_randomize_and_drawn_there(make):
    """The scenery is drawn once an episode, after the hook."""
    env, pictures = make(Arm), []
    for depth in (0.0, -0.5):
        env.randomize = lambda rng, depth=depth: env.place("floor", (0, 0, depth))
        env.reset(seed=0)
        pictures.append(env.survey_views()["view_0"].depth)
    assert (pictures[1] > pictures[0] + 0.01).mean() > 0.3


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
