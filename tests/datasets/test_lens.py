"""Lenses agree with OpenCV, and are undone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.errors import FormatError
from datasets.lens import Lens

PLUMB_BOB = Lens("plumb_bob", (-0.3, 0.1, 0.001, -0.002, -0.01))
RATIONAL = Lens("plumb_bob", (0.1, -0.05, 0.001, 0.002, 0.01, 0.05, 0.01, 0.001))
FISHEYE = Lens("fisheye", (-0.02, 0.01, -0.003, 0.0005))
POINTS = np.random.default_rng(0).uniform(-0.7, 0.7, (50, 2))


@pytest.mark.parametrize("lens", [PLUMB_BOB, RATIONAL, FISHEYE])
def test_points_are_where_opencv_has_them(lens):
    cv2 = pytest.importorskip("cv2")
    points = np.concatenate([POINTS, np.ones((50, 1))], axis=1)[:, None]
    zero, eye, coefficients = np.zeros(3), np.eye(3), np.array(lens.coefficients)
    project = cv2.fisheye.projectPoints if lens.name == "fisheye" else cv2.projectPoints
    expected, _ = project(points, zero, zero, eye, coefficients)
    np.testing.assert_allclose(lens.bend(POINTS), expected[:, 0], atol=1e-9)


@pytest.mark.parametrize("lens", [PLUMB_BOB, RATIONAL, FISHEYE, Lens(), Lens("fisheye")])
def test_straightening_undoes_bending(lens):
    np.testing.assert_allclose(lens.straighten(lens.bend(POINTS)), POINTS, atol=1e-6)


@given(
    st.sampled_from(["plumb_bob", "fisheye"]),
    st.tuples(*[st.floats(-0.4, 0.4)] * 2, *[st.floats(-0.01, 0.01)] * 2),
    st.floats(0, 2),
    st.floats(0, 6.3),
)
def test_what_a_lens_shows_is_found_again_and_nothing_else(name, coefficients, far, angle):
    lens = Lens(name, coefficients)
    shown = far * np.array([[np.cos(angle), np.sin(angle)]])
    point = lens.straighten(shown)
    if np.isfinite(point).all():
        np.testing.assert_allclose(lens.bend(point), shown, atol=1e-5)
    bent = lens.bend(shown)
    if np.isfinite(bent).all() and np.isfinite(lens.bend(1.2 * shown)).all():
        np.testing.assert_allclose(lens.straighten(bent), shown, atol=2e-3)


@pytest.mark.parametrize("lens", [PLUMB_BOB, RATIONAL, FISHEYE])
def test_straight_points_are_where_opencv_has_them(lens):
    cv2 = pytest.importorskip("cv2")
    undistort = cv2.fisheye.undistortPoints if lens.name == "fisheye" else cv2.undistortPointsIter
    steps = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 200, 1e-12)
    arguments = np.eye(3), np.array(lens.coefficients)
    if lens.name == "fisheye":
        expected = undistort(POINTS[:, None], *arguments, criteria=steps)
    else:
        expected = undistort(POINTS[:, None], *arguments, None, None, steps)
    inside = np.linalg.norm(POINTS, axis=1) < 0.6
    np.testing.assert_allclose(lens.straighten(POINTS)[inside], expected[inside, 0], atol=1e-6)


def test_pixels_beyond_what_the_model_shows_have_no_point():
    barrel = Lens("plumb_bob", (-0.3, 0.0, 0.0, 0.0))
    straight = barrel.straighten(np.array([[0.69, 0.0], [0.75, 0.0]]))
    np.testing.assert_allclose(barrel.bend(straight[:1]), [[0.69, 0.0]], atol=1e-6)
    assert np.isnan(straight[1]).all()


def test_the_middle_stays():
    assert FISHEYE.bend(np.zeros((1, 2))).tolist() == [[0.0, 0.0]]
    assert FISHEYE.straighten(np.zeros((1, 2))).tolist() == [[0.0, 0.0]]


def test_what_the_model_folds_back_into_the_picture_is_not_seen():
    barrel = Lens("plumb_bob", (-0.3, 0.0, 0.0, 0.0))
    bent = barrel.bend(np.array([[0.9, 0.0], [1.9, 0.0]]))
    assert np.isfinite(bent[0]).all()
    assert np.isnan(bent[1]).all()


def test_a_wrong_number_of_coefficients_is_named():
    with pytest.raises(FormatError, match="fisheye has 0 or 4 coefficients, got 5"):
        Lens("fisheye", (0.0,) * 5)
    with pytest.raises(FormatError, match="finite"):
        Lens("plumb_bob", (0.1, float("inf"), 0.0, 0.0))
