"""Pictures merged from what stands still and what moves are those that are drawn at once."""

from itertools import islice

import numpy as np
import pytest

from datasets.cameras import Camera
from sims.gl import import_mujoco
from sims.mujoco.renderer import ViewRenderer

SIZE = 48
# The camera looks along +y at a wall, before which a ball moves along x and y.
CAMERA = Camera.look_at(np.array([0.0, -2, 0]), np.zeros(3), np.array([0.0, 0, 1]), 45, SIZE, SIZE)
WALL = '<geom type="box" size="0.5 0.05 0.5" pos="0 0.6 0" rgba="0 0.3 1 1" group="1"/>'
BALL = """
<body name="ball">
  <joint type="slide" axis="1 0 0"/><joint type="slide" axis="0 1 0"/>
  <geom type="sphere" size="0.2" rgba="1 0.5 0 1" group="1"/>{more}
</body>
"""
GLASS = '<geom type="box" size="0.3 0.02 0.3" rgba="0 1 0 0.4" group="1" pos="{pos}"/>'
LIGHT = '<light pos="0 -1 1" dir="0 1 -1"/>'
MOCAP = '<body name="free" mocap="true"><geom type="box" size="0.2 0.1 0.1" group="1"/></body>'

WORLDS = {
    "a ball before a wall": WALL + LIGHT + BALL.format(more=""),
    "behind glass": WALL + LIGHT + GLASS.format(pos="0 -0.5 0") + BALL.format(more=""),
    "before glass": WALL + LIGHT + GLASS.format(pos="0 0.4 0") + BALL.format(more=""),
    "glass inside a wall": WALL + LIGHT + GLASS.format(pos="0 0.6 0") + BALL.format(more=""),
    "glass that moves": WALL + LIGHT + BALL.format(more=GLASS.format(pos="0.2 -0.3 0")),
    "a light that moves": WALL + BALL.format(more=LIGHT),
    "a body that is placed by hand": WALL + LIGHT + MOCAP + BALL.format(more=""),
}
PLACES = ((0.0, 0.0), (0.25, 0.0), (-0.3, 0.5), (0.1, 0.58), (0.1, -0.6))


def load(world):
    """A model of MuJoCo and its state."""
    model = import_mujoco().MjModel.from_xml_string(
        f"<mujoco><worldbody>{world}</worldbody></mujoco>"
    )
    return model, import_mujoco().MjData(model)


def move(model, data, place):
    data.qpos[:] = place
    data.mocap_pos[:] = (place[1], 0.3, place[0])
    import_mujoco().mj_forward(model, data)


@pytest.fixture(scope="module")
def renderer():
    renderer = ViewRenderer(SIZE)
    yield renderer
    renderer.close()


def require_same(renderer, data, camera=CAMERA):
    views = {"view_0": camera}
    (merged,) = renderer.render(data, views, fixed=views).values()
    (whole,) = renderer.render(data, views).values()
    assert np.array_equal(merged, whole)
    return whole


@pytest.mark.parametrize("name", WORLDS)
def test_each_world_is_merged_as_it_is_drawn_at_once(renderer, name):
    model, data = load(WORLDS[name])
    renderer.load(model)
    pictures = []
    for place in PLACES:
        move(model, data, place)
        pictures.append(require_same(renderer, data))
    assert all(not np.array_equal(pictures[0], other) for other in pictures[1:])


def test_a_camera_that_was_placed_elsewhere_gets_its_own_backdrop(renderer):
    model, data = load(WORLDS["a ball before a wall"])
    renderer.load(model)
    move(model, data, PLACES[0])
    first = require_same(renderer, data)
    aside = Camera.look_at(np.array([1.0, -2, 0]), np.zeros(3), np.array([0.0, 0, 1]), 45, 48, 48)
    assert not np.array_equal(first, require_same(renderer, data, aside))


def test_a_wall_that_was_moved_or_painted_is_drawn_again(renderer):
    model, data = load(WORLDS["a ball before a wall"])
    renderer.load(model)
    move(model, data, PLACES[0])
    first = require_same(renderer, data)
    model.geom_pos[0, 0] += 0.3
    move(model, data, PLACES[0])
    moved = require_same(renderer, data)
    assert not np.array_equal(first, moved)
    model.geom_rgba[0] = (1, 0, 0, 1)
    renderer.load(model)  # colours are those of the episode's model
    assert not np.array_equal(moved, require_same(renderer, data))


def test_a_still_scene_is_drawn_once_for_all_states(renderer, monkeypatch):
    model, data = load(WORLDS["a ball before a wall"])
    renderer.load(model)
    made = []
    make = ViewRenderer._make_backdrop
    monkeypatch.setattr(
        ViewRenderer, "_make_backdrop", lambda *args: made.append(args) or make(*args)
    )
    for place in PLACES:
        move(model, data, place)
        require_same(renderer, data)
    assert len(made) == 1


def test_marks_are_neither_drawn_nor_labelled(renderer):
    site = '<site type="sphere" size="0.3" rgba="1 1 1 1"/>'
    labels = []
    for more in ("", site):
        model, data = load(WALL + BALL.format(more=more))
        renderer.load(model)
        move(model, data, PLACES[0])
        labels.append(renderer.segment(data, {"view_0": CAMERA})["view_0"])
    assert np.array_equal(*labels)
    assert set(np.unique(labels[0])) == {-1, 0, 1}


def test_drawing_leaves_the_model_as_it_was(renderer):
    model, data = load(WORLDS["behind glass"])
    groups = model.geom_group.copy()
    renderer.load(model)
    move(model, data, PLACES[0])
    require_same(renderer, data)
    assert np.array_equal(model.geom_group, groups)


@pytest.mark.slow
@pytest.mark.parametrize("random_cameras", [False, True])
def test_an_episodes_pictures_differ_in_at_most_one_pixel_in_a_thousand(
    robosuite_world, random_cameras
):
    """With Mesa's software renderer they do not differ at all; the greatest difference is shown."""
    env = robosuite_world
    env.reset(seed=3, options={"random_cameras": random_cameras})
    differences = []
    for index, step in enumerate(islice(env.expert(np.random.default_rng(3)), 21)):
        if index % 10 == 0:
            merged = env.render_views()
            whole = env._renderer.render(env._data, env.cameras())
            differences += [np.abs(merged[view].astype(int) - whole[view]) for view in whole]
        env.step(step.action)
    different = np.stack(differences).max(axis=-1)
    assert (different > 0).mean() <= 1e-3, f"they differ by up to {different.max()} grey levels"
