"""Statistics that LeRobot's metadata keep of each feature."""

import json

import numpy as np

from datasets.formats.lerobot_stats import (
    colour_histogram,
    image_stats,
    vector_stats,
    vectors_stats,
)


def test_statistics_of_pictures_are_those_of_their_pixels():
    frames = np.random.default_rng(0).integers(20, 230, (7, 9, 11, 3)).astype(np.uint8)
    stats = image_stats(colour_histogram(frames[:3]) + colour_histogram(frames[3:]), 7)
    pixels = frames.reshape(-1, 3) / 255
    for name, expected in {
        "min": pixels.min(0),
        "max": pixels.max(0),
        "mean": pixels.mean(0),
        "std": pixels.std(0),
        "q10": np.quantile(pixels, 0.1, axis=0, method="inverted_cdf"),
        "q99": np.quantile(pixels, 0.99, axis=0, method="inverted_cdf"),
    }.items():
        np.testing.assert_allclose(np.array(stats[name])[:, 0, 0], expected, err_msg=name)
    assert stats["count"] == [7]


def test_statistics_leave_out_what_is_not_known():
    values = np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan]], np.float32)
    stats = vector_stats(values)
    assert stats["mean"] == [2.0, 5.0, 0.0] and stats["std"] == [1.0, 0.0, 0.0]
    json.dumps(stats, allow_nan=False)


def test_vectors_that_lerobot_takes_for_pictures_have_no_statistics():
    columns = {"keypoints.image": np.ones((2, 4)), "keypoints.front": np.ones((2, 4))}
    assert vectors_stats(columns) == {"keypoints.front": vector_stats(columns["keypoints.front"])}
