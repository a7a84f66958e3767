"""The renderer agrees with MuJoCo's own, and what makes it fast does not change the picture."""

import copy

import numpy as np
import pytest

from datasets.cameras import Camera
from sims.gl import import_mujoco
from sims.mujoco import canvas
from sims.mujoco.light_meshes import VISUAL_GROUP, lighten
from sims.mujoco.renderer import ViewRenderer

SIZE = 112


@pytest.fixture(scope="module")
def scene(lift):
    lift.reset(seed=4)
    return lift._model, lift._data, lift.cameras()


def drawn_faces(model):
    shown = model.geom_dataid[(model.geom_group == VISUAL_GROUP) & (model.geom_dataid >= 0)]
    return int(model.mesh_facenum[shown].sum())


@pytest.mark.slow
def test_a_camera_sees_what_mujocos_own_camera_sees_there(scene):
    """MuJoCo's `agentview` and `robot0_eye_in_hand` as `Camera`s."""
    mujoco = import_mujoco()
    model, data, _ = scene
    ours = ViewRenderer(SIZE, light_meshes=False)
    ours.load(model)
    cameras = {}
    for name in ("agentview", "robot0_eye_in_hand"):
        camera = data.camera(name)
        to_world = np.eye(4)
        to_world[:3, :3] = camera.xmat.reshape(3, 3) @ np.diag([1.0, -1.0, -1.0])
        to_world[:3, 3] = camera.xpos
        fovy = float(model.camera(name).fovy[0])
        cameras[name] = Camera.from_fovy(fovy, SIZE, SIZE, np.linalg.inv(to_world))
    images = ours.render(data, cameras)
    ours.close()
    drawn = copy.copy(model)
    drawn.vis.quality.offsamples = 0
    option = mujoco.MjvOption()
    option.geomgroup[0] = 0
    with mujoco.Renderer(drawn, SIZE, SIZE) as theirs:
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            theirs.scene.flags[flag] = False
        for name, image in images.items():
            theirs.update_scene(data, name, option)
            assert np.abs(image.astype(int) - theirs.render()).max() <= 2


@pytest.mark.slow
def test_leaving_out_what_is_out_of_sight_changes_no_pixel(lift, monkeypatch):
    lift.reset(seed=4)
    quick = lift.render_views()
    monkeypatch.setattr(canvas, "_out_of_sight", lambda model, *_: np.zeros(model.ngeom, bool))
    whole = lift.render_views()
    for view in quick:
        assert np.array_equal(quick[view], whole[view])


def test_a_sphere_out_of_sight_differs_from_one_at_the_edge():
    mujoco = import_mujoco()
    camera = Camera.from_fovy(90, SIZE, SIZE, np.eye(4))  # looks along z, 45 degrees to each side
    radius, depth = 0.1, 1.0
    reach = radius * np.sqrt(2)  # at which a sphere beside the plane x = z touches it
    places = {
        "ahead": (0, 0, depth),
        "touching": (depth + 0.99 * reach, 0, depth),
        "beside": (depth + 1.01 * reach, 0, depth),
        "above": (0, -depth - 1.01 * reach, depth),
        "behind": (0, 0, -1.01 * radius),
    }
    geoms = "".join(
        f'<geom type="sphere" size="{radius}" pos="{x} {y} {z}"/>' for x, y, z in places.values()
    )
    model = mujoco.MjModel.from_xml_string(f"<mujoco><worldbody>{geoms}</worldbody></mujoco>")
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    hidden = dict(zip(places, canvas._out_of_sight(model, data, camera), strict=True))
    assert hidden == {
        "ahead": False,
        "touching": False,
        "beside": True,
        "above": True,
        "behind": True,
    }


@pytest.mark.slow
def test_lighter_meshes_look_the_same(scene):
    model, data, cameras = scene
    pictures, masks = [], []
    for light_meshes in (False, True):
        renderer = ViewRenderer(SIZE, light_meshes)
        renderer.load(model)
        pictures.append(renderer.render(data, cameras))
        masks.append(renderer.segment(data, cameras))
        renderer.close()
    for view in cameras:
        difference = np.abs(pictures[0][view].astype(int) - pictures[1][view])
        assert difference.mean() < 2, f"{view} differs by {difference.mean():.1f} grey levels"
        same = (masks[0][view] == masks[1][view]).mean()
        assert same > 0.97, f"{same:.1%} of {view}'s pixels show the same part"


@pytest.mark.slow
def test_lighter_meshes_have_a_fraction_of_the_faces_and_leave_the_physics_alone(scene):
    model, _, _ = scene
    before = {name: getattr(model, name).copy() for name in ("mesh_vert", "mesh_facenum")}
    light = lighten(model)
    assert drawn_faces(light) < drawn_faces(model) / 4
    for name, value in before.items():
        assert np.array_equal(getattr(model, name), value)


def test_rendering_before_a_model_is_loaded_is_refused(scene):
    _, data, cameras = scene
    with pytest.raises(RuntimeError, match="load"):
        ViewRenderer(SIZE).render(data, cameras)
