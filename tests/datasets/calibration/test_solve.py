"""A known camera comes back from its own projections, with errors, wrong clicks and lenses."""

import numpy as np
import pytest

from datasets.calibration.solve import Start, solve_camera
from datasets.cameras import Camera
from datasets.errors import FormatError, MismatchError, MissingDataError
from datasets.kinematics.rig import RigCamera
from datasets.lens import Lens

pytest.importorskip("cv2")

SIZE = (224, 224)
RNG = np.random.default_rng(0)
POINTS = RNG.uniform([-0.1, -0.3, 0], [0.5, 0.3, 0.9], (40, 3))
SEEN = Camera.look_at(
    np.array([1.2, 0.8, 0.9]), np.array([0.1, 0, 0.4]), np.array([0, 0, 1.0]), 50.0, 224, 224
)
LENSES = [Lens(), Lens("plumb_bob", (-0.2, 0.05, 0.001, 0)), Lens("fisheye", (-0.02, 0.01, 0, 0))]


def truth(lens=LENSES[0]):
    return RigCamera(SEEN.intrinsics, SEEN.world_to_camera, "", lens, SIZE)


def project(camera, points=POINTS):
    return camera.project(points, camera.pose, SIZE)[0]


def start(lens=LENSES[0], known=True):
    return Start(SEEN.intrinsics if known else None, lens, SIZE)


@pytest.mark.parametrize("lens", LENSES)
def test_exact_clicks_give_the_exact_camera(lens):
    solved = solve_camera("v", POINTS[:8], project(truth(lens))[:8], start(lens))
    np.testing.assert_allclose(solved.camera.pose, SEEN.world_to_camera, atol=1e-4)
    assert solved.errors.max() < 1e-2
    assert not solved.outliers.any()


@pytest.mark.slow
@pytest.mark.parametrize("focal", [False, True])
def test_clicks_of_a_hand_give_keypoints_within_three_pixels(focal):
    means = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        pixels = project(truth())[:12] + rng.normal(0, 2, (12, 2))
        solved = solve_camera("v", POINTS[:12], pixels, start(known=not focal), focal)
        off = np.linalg.norm(project(solved.camera) - project(truth()), axis=1)
        means.append(off.mean())
        assert (solved.focal_spread > 0) == focal
    assert np.mean(means) < 3


def test_a_wrong_click_is_left_out():
    pixels = project(truth())[:12]
    pixels[3] += [40, -25]
    solved = solve_camera("v", POINTS[:12], pixels, start())
    assert np.flatnonzero(solved.outliers).tolist() == [3]
    assert solved.errors[3] == pytest.approx(np.hypot(40, 25), rel=0.1)
    np.testing.assert_allclose(solved.camera.pose, SEEN.world_to_camera, atol=1e-2)


@pytest.mark.slow
def test_the_focal_length_is_found():
    solved = solve_camera("v", POINTS, project(truth()), start(known=False), focal=True)
    assert solved.camera.intrinsics[0, 0] == pytest.approx(SEEN.intrinsics[0, 0], rel=0.02)


def test_points_in_one_plane_are_enough():
    flat = POINTS * [1, 0, 1]
    solved = solve_camera("v", flat[:10], project(truth(), flat)[:10], start())
    np.testing.assert_allclose(solved.camera.pose, SEEN.world_to_camera, atol=1e-3)


def test_too_few_clicks():
    with pytest.raises(MissingDataError, match="v: 5 clicks are too few"):
        solve_camera("v", POINTS[:5], project(truth())[:5], start())


def test_clicks_on_one_line():
    line = np.linspace([0, 0, 0], [0.1, 0, 0.8], 8)
    with pytest.raises(FormatError, match="v: the clicks lie on one line on the robot"):
        solve_camera("v", line, project(truth(), line), start())


@pytest.mark.slow
def test_clicks_that_fit_no_camera():
    pixels = np.random.default_rng(3).uniform(0, 224, (10, 2))
    with pytest.raises(MismatchError, match="v: only . of 10 clicks fit|v: no camera sees"):
        solve_camera("v", POINTS[:10], pixels, start())


def test_places_that_are_clicked_again_and_again_are_too_few():
    again = [0, 4, 9, 0, 4, 9, 0, 4]
    with pytest.raises(MissingDataError, match="8 clicks are on 3 places only"):
        solve_camera("v", POINTS[again], project(truth())[again], start())


def test_clicks_of_which_most_are_in_one_place_are_explained():
    pixels = np.full((12, 2), 100.0)
    pixels[:3] += [[1, 0], [0, 1], [1, 1]]
    with pytest.raises((FormatError, MismatchError), match="v: "):
        solve_camera("v", POINTS[:12], pixels, start())
