"""Lenses agree with OpenCV, and are undone."""

import numpy as np
import pytest

from datasets.errors import FormatError
from datasets.kinematics.lens import Lens

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


def test_the_middle_stays():
    assert FISHEYE.bend(np.zeros((1, 2))).tolist() == [[0.0, 0.0]]


def test_what_the_model_folds_back_into_the_picture_is_not_seen():
    barrel = Lens("plumb_bob", (-0.3, 0.0, 0.0, 0.0))
    bent = barrel.bend(np.array([[0.9, 0.0], [1.9, 0.0]]))
    assert np.isfinite(bent[0]).all()
    assert np.isnan(bent[1]).all()


def test_a_wrong_number_of_coefficients_is_named():
    with pytest.raises(FormatError, match="fisheye has 0 or 4 coefficients, got 5"):
        Lens("fisheye", (0.0,) * 5)
