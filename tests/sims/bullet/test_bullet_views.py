"""PyBullet's pictures lie where the cameras say, whichever way and renderer they are drawn."""

from pathlib import Path

import numpy as np
import pytest

import sims
from datasets.cameras import Camera
from sims.bullet import meshes as bullet_meshes
from sims.bullet.client import BulletClient, _egl_complaint
from sims.bullet.meshes import box_mesh, light_panda, panda_folder
from sims.bullet.panda import READY
from sims.bullet.views import draw, segment
from sims.errors import OneAtATimeError

CAMERA = Camera.look_at(
    np.array([1.7, 0.6, 1.0]), np.array([0.3, 0, 0.2]), np.array([0.0, 0, 1]), 40, 160, 160
)
RADIUS = 0.04


@pytest.fixture(params=["tiny", "egl"])
def client(request):
    """An empty server with either renderer."""
    if request.param == "egl" and _egl_complaint() is not None:
        pytest.skip(f"no EGL here: {_egl_complaint()}")
    client = BulletClient(request.param)
    yield client
    client.close()


def add_ball(client, place):
    shape = client.call("createVisualShape", client.api.GEOM_SPHERE, radius=RADIUS)
    return client.call("createMultiBody", 0, -1, shape, list(place))


@pytest.mark.slow
def test_a_ball_is_drawn_where_its_middle_projects(client):
    """The middle of its mask, to a fifth of a pixel on average: half a pixel off would show."""
    rng = np.random.default_rng(0)
    offsets = []
    for place in rng.uniform((-0.1, -0.4, 0.0), (0.6, 0.4, 0.5), (25, 3)):
        client.call("resetSimulation")
        ball = add_ball(client, place)
        rows, columns = np.nonzero(draw(client, CAMERA).mask(ball))
        pixel, _ = CAMERA.project(place)
        offsets.append([columns.mean() + 0.5 - pixel[0], rows.mean() + 0.5 - pixel[1]])
    assert np.abs(np.mean(offsets, axis=0)).max() < 0.1
    assert np.abs(offsets).max() < 0.4


@pytest.mark.slow
def test_a_point_in_a_ball_is_seen_on_its_own_and_behind_no_other(client):
    place = np.array([0.3, 0.0, 0.2])
    ball = add_ball(client, place)
    own, none = [frozenset({segment(ball, -1)})], [frozenset()]
    view = draw(client, CAMERA)
    assert view.sees(CAMERA, place[None], own).tolist() == [True]
    assert view.sees(CAMERA, place[None], none).tolist() == [False]
    # As deep behind the ball's surface as no joint is.
    ray = (place - CAMERA.position) / np.linalg.norm(place - CAMERA.position)
    assert view.sees(CAMERA, (place + 0.1 * ray)[None], own).tolist() == [True]
    assert view.sees(CAMERA, (place + 0.14 * ray)[None], own).tolist() == [False]
    add_ball(client, place - 0.2 * ray)
    assert draw(client, CAMERA).sees(CAMERA, place[None], own).tolist() == [False]
    outside = CAMERA.position - ray
    assert view.sees(CAMERA, outside[None], own).tolist() == [False]


@pytest.mark.slow
@pytest.mark.parametrize("random_cameras", [False, True])
def test_what_moves_is_laid_over_the_backdrop_as_if_all_was_drawn_at_once(pick, random_cameras):
    pick.reset(seed=2, options={"random_cameras": random_cameras})
    views = pick._look()
    for view in pick.views[1:]:
        whole = pick._views._draw(pick.cameras()[view])
        assert np.array_equal(views[view].image, whole.image)
        assert np.array_equal(views[view].buffer, whole.buffer)


def test_the_scenery_is_back_in_its_place_after_a_picture(pick):
    pick.reset(seed=2)
    pick.render_views()
    for body, pose in pick._views._bodies.items():
        assert pick._client.call("getBasePositionAndOrientation", body) == pose


@pytest.mark.slow
def test_light_meshes_look_the_same():
    """The arm's outline differs at its edge alone, and its shading little."""
    seen = []
    for urdf in (light_panda(), panda_folder() / "panda.urdf"):
        client = BulletClient("tiny")
        arm = client.call("loadURDF", str(urdf), useFixedBase=True)
        for joint, angle in enumerate(READY):
            client.call("resetJointState", arm, joint, angle)
        view = draw(client, CAMERA)
        seen.append((view.mask(arm), view.image.astype(float)))
        client.close()
    (light, light_image), (full, full_image) = seen
    assert (light & full).sum() > 0.98 * (light | full).sum()
    assert np.abs(light_image - full_image)[light & full].mean() < 8


@pytest.mark.slow
def test_light_meshes_are_made_once_and_whole_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def fail(source, folder):
        (folder / "half").touch()
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(bullet_meshes, "_write_panda", fail)
        with pytest.raises(OSError, match="disk full"):
            light_panda()
    assert list((tmp_path / "posealign").iterdir()) == []
    path = light_panda()
    assert path.is_relative_to(tmp_path)
    monkeypatch.setattr(bullet_meshes, "_write_panda", fail)
    assert light_panda() == path
    assert count_faces(path.parent) < 0.25 * count_faces(panda_folder() / "meshes" / "visual")


def test_a_box_shows_its_sides_outwards():
    vertices, normals, faces = read_obj(box_mesh(np.array([0.1, 0.2, 0.3])))
    assert np.array_equal(np.abs(vertices).max(axis=0), [0.1, 0.2, 0.3])
    for corners, normal in faces:
        a, b, c = vertices[corners]
        turned = np.cross(b - a, c - a)
        assert np.allclose(turned / np.linalg.norm(turned), normals[normal[0]])
        assert a @ normals[normal[0]] > 0


def count_faces(folder: Path):
    return sum(path.read_text().count("\nf ") for path in folder.glob("*.obj"))


def read_obj(path: Path):
    words = [line.split() for line in path.read_text().splitlines()]
    vertices = np.array([w[1:] for w in words if w[0] == "v"], float)
    normals = np.array([w[1:] for w in words if w[0] == "vn"], float)
    corners = [[c.split("//") for c in w[1:]] for w in words if w[0] == "f"]
    faces = [
        (np.array([int(v) - 1 for v, _ in face]), np.array([int(n) - 1 for _, n in face]))
        for face in corners
    ]
    return vertices, normals, faces


@pytest.mark.slow
def test_egl_serves_one_environment_at_a_time():
    if _egl_complaint() is not None:
        pytest.skip(f"no EGL here: {_egl_complaint()}")
    env = sims.make("pick", views=1, size=32, renderer="egl")
    assert "EGL" in env.renderer()
    with pytest.raises(OneAtATimeError):
        sims.make("pick", views=1, size=32, renderer="egl")
    env.close()
    sims.make("pick", views=1, size=32, renderer="egl").close()
