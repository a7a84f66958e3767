"""Calibrations that programs in Python store with OpenCV's values under their own names."""

import json

import numpy as np
import pytest

from datasets.calibration.reading import read_file
from datasets.errors import FormatError, MismatchError
from datasets.kinematics.rig import RigCamera
from tests.datasets.calibration.test_reading import MATRIX, POSE, RVEC, TVEC


@pytest.mark.parametrize("key", ["image_size", "imageSize", "img_size"])
def test_python_programs_store_both_sides_of_the_pictures_in_one(tmp_path, key):
    (tmp_path / "front.json").write_text(
        json.dumps({"mtx": MATRIX.tolist(), "dist": [0] * 5, key: [640, 480]})
    )
    assert read_file(tmp_path / "front.json")[""].size == (480, 640)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"rvec": RVEC.tolist()}, "has rvec without tvec: a pose needs both"),
        ({"tvec": TVEC.tolist()}, "has tvec without rvec"),
        ({"rvec": [17.2, -11.5, 5.7], "tvec": TVEC.tolist()}, "rvec turns by 21.5, and must be in"),
    ],
)
def test_half_poses_and_turns_in_degrees_are_refused(tmp_path, stored, message):
    (tmp_path / "front.json").write_text(json.dumps({"mtx": MATRIX.tolist()} | stored))
    with pytest.raises(FormatError, match=message):
        read_file(tmp_path / "front.json")


def test_a_translation_may_have_a_small_letter(tmp_path):
    stored = {"mtx": MATRIX.tolist(), "R": POSE[:3, :3].tolist(), "t": TVEC.tolist()}
    (tmp_path / "front.json").write_text(json.dumps(stored))
    np.testing.assert_allclose(read_file(tmp_path / "front.json")[""].pose, POSE)


def test_intrinsics_of_larger_pictures_name_the_view(tmp_path):
    camera = RigCamera(MATRIX, POSE)
    with pytest.raises(MismatchError, match=r"front: the intrinsics .* \(322, 238\), outside"):
        camera.of_pictures((120, 160), "front")
