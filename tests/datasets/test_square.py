"""Pictures that black bars make square, and how they are known again."""

import numpy as np
import pytest

from datasets.cameras import Camera
from datasets.kinematics.rig import RigCamera
from datasets.source import bare_episode
from datasets.square import has_bars, squared

SIZES = [(30, 40), (40, 30), (48, 85)]  # height and width


def pictures(size, least=40):
    rng = np.random.default_rng(0)
    return rng.integers(least, 256, (5, *size, 3), dtype=np.uint8)


def square(frames, size, fit="pad"):
    return squared(bare_episode({"v": frames}), size, fit).images["v"]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("side", [40, 85, 224])
def test_bars_are_found_where_they_were_put(size, side):
    frames = pictures(size)
    assert has_bars(square(frames, side), size)
    assert not has_bars(square(frames, side, "squeeze"), size)
    assert not has_bars(square(frames, side), (size[0], 2 * size[1]))
    assert not has_bars(frames, size)


def test_a_black_picture_has_no_bars():
    assert not has_bars(np.zeros((2, 40, 40, 3), np.uint8), (30, 40))


@pytest.mark.parametrize("size", SIZES)
def test_the_camera_of_the_whole_picture_fits_the_padded_one(size):
    height, width = size
    given = Camera.look_at(
        np.array([1.0, 0, 0.5]), np.zeros(3), np.array([0.0, 0, 1]), 60, width, height
    )
    episode = bare_episode({"v": pictures(size)})
    episode.intrinsics["v"], episode.world_to_camera["v"] = given.intrinsics, given.world_to_camera
    padded = squared(episode, 112, "pad")
    found = RigCamera(given.intrinsics, given.world_to_camera, size=size)
    fitted = found.of_frames(padded.images["v"], "v")
    np.testing.assert_allclose(fitted.intrinsics, padded.intrinsics["v"])
    assert fitted.size == (112, 112)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("side", [40, 85])
def test_depth_and_masks_stay_on_their_pixels(size, side):
    frames = pictures(size)
    frames[:, 5:15, 10:25] = 0
    there = np.where((frames == 0).all(-1), 0, 7)
    episode = bare_episode({"v": frames})
    episode.depth["v"], episode.masks["v"] = there.astype(np.uint16), there.astype(np.uint8)
    made = squared(episode, side, "pad")
    for stream in (made.depth["v"], made.masks["v"]):
        assert stream.shape == (5, side, side)
        # Resizing blurs the edges of what the picture shows.
        assert ((stream > 0) == (made.images["v"].max(-1) > 20)).mean() > 0.95
