import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from datasets.cameras import Camera

UP = np.array([0.0, 0.0, 1.0])
coordinates = st.floats(-5, 5, allow_subnormal=False)
points_in_space = arrays(np.float64, (4, 3), elements=coordinates)


def camera_at(azimuth: float, elevation: float, distance: float, fovy: float) -> Camera:
    direction = [
        np.cos(azimuth) * np.cos(elevation),
        np.sin(azimuth) * np.cos(elevation),
        np.sin(elevation),
    ]
    return Camera.look_at(distance * np.array(direction), np.zeros(3), UP, fovy, 96, 64)


cameras = st.builds(
    camera_at,
    azimuth=st.floats(-np.pi, np.pi),
    elevation=st.floats(-1.3, 1.3),
    distance=st.floats(0.5, 5),
    fovy=st.floats(10, 120),
)


def test_a_point_projected_by_hand():
    # Focal length 100 / 2 / tan(45°) = 50. The point (1, -2, 4) is 1/4 to the right and 2/4 above.
    camera = Camera.from_fovy(90.0, 200, 100, np.eye(4))
    pixels, depth = camera.project(np.array([1.0, -2.0, 4.0]))
    np.testing.assert_allclose(pixels, [100 + 50 / 4, 50 - 50 / 2])
    assert depth == 4.0


def test_translation_and_rotation_are_applied_in_opencv_order():
    # A quarter turn about z takes world x to camera y; then one metre along the optical axis.
    world_to_camera = np.array([[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1.0]])
    camera = Camera.from_fovy(90.0, 100, 100, world_to_camera)
    pixels, depth = camera.project(np.array([0.5, 0.0, 1.0]))
    np.testing.assert_allclose(pixels, [50, 50 + 50 * 0.5 / 2])
    assert depth == 2.0
    np.testing.assert_allclose(camera.position, [0, 0, -1])


@pytest.mark.parametrize("depth", [0.0, -1.0])
def test_a_point_that_is_not_in_front_has_nan_pixels_and_lies_outside(depth):
    camera = Camera.from_fovy(60.0, 64, 64, np.eye(4))
    pixels, found = camera.project(np.array([0.0, 0.0, depth]))
    assert np.isnan(pixels).all()
    assert found == depth
    assert not camera.contains(pixels)


@pytest.mark.slow
@given(cameras)
def test_look_at_puts_the_target_at_the_principal_point(camera):
    pixels, depth = camera.project(np.zeros(3))
    np.testing.assert_allclose(pixels, [48, 32], atol=1e-6)
    np.testing.assert_allclose(depth, np.linalg.norm(camera.position))


@pytest.mark.slow
@given(cameras)
def test_look_at_keeps_up_up_and_right_handed(camera):
    above, _ = camera.project(0.01 * UP)
    np.testing.assert_allclose(above[0], 48, atol=1e-6)
    assert above[1] < 32
    rotation = camera.world_to_camera[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) > 0


def test_look_at_along_up_is_refused():
    with pytest.raises(ValueError, match="`up`"):
        Camera.look_at(np.array([0, 0, 2.0]), np.zeros(3), UP, 60.0, 64, 64)


@pytest.mark.slow
@given(cameras, points_in_space)
def test_pixel_and_depth_lead_back_to_the_world_point(camera, points):
    pixels, depth = camera.project(points)
    seen = depth > 0.05
    rays = np.linalg.solve(
        camera.intrinsics, np.concatenate([pixels, np.ones((4, 1))], axis=1)[seen].T
    ).T
    camera_points = np.concatenate([rays * depth[seen, None], np.ones((seen.sum(), 1))], axis=1)
    world = camera_points @ np.linalg.inv(camera.world_to_camera).T
    np.testing.assert_allclose(world[:, :3], points[seen], atol=1e-6)


@pytest.mark.slow
@given(cameras, points_in_space)
def test_projection_agrees_with_opencv(camera, points):
    cv2 = pytest.importorskip("cv2")
    pixels, depth = camera.project(points)
    seen = depth > 0.05
    if not seen.any():
        return
    rotation, _ = cv2.Rodrigues(camera.world_to_camera[:3, :3])
    expected, _ = cv2.projectPoints(
        points[seen], rotation, camera.world_to_camera[:3, 3], camera.intrinsics, None
    )
    np.testing.assert_allclose(pixels[seen], expected[:, 0], rtol=1e-6, atol=1e-5)


def test_the_image_spans_from_zero_to_its_size_without_the_end():
    camera = Camera.from_fovy(60.0, 64, 32, np.eye(4))
    pixels = np.array([[0, 0], [63.99, 31.99], [64, 0], [0, 32], [-0.01, 5], [np.nan, 5]])
    assert camera.contains(pixels).tolist() == [True, True, False, False, False, False]


def test_any_batch_shape_projects_as_its_points_do():
    camera = camera_at(0.3, 0.4, 2.0, 50.0)
    points = np.random.default_rng(0).normal(size=(2, 3, 3)) * 0.2
    pixels, depth = camera.project(points)
    assert pixels.shape == (2, 3, 2) and depth.shape == (2, 3)
    np.testing.assert_allclose(pixels[1, 2], camera.project(points[1, 2])[0])


@pytest.mark.parametrize("fovy", [0.0, 180.0, -5.0])
def test_an_impossible_field_of_view_is_refused(fovy):
    with pytest.raises(ValueError, match="fovy_degrees"):
        Camera.from_fovy(fovy, 64, 64, np.eye(4))


def test_a_wrong_shape_raises_where_the_camera_is_made():
    with pytest.raises(ValueError, match=r"world_to_camera .*\(4, 4\).*\(3, 4\)"):
        Camera(np.eye(3), np.eye(4)[:3], 64, 64)
