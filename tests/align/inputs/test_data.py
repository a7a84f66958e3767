"""Batches: draws of moments and views, reproducibility, keypoints that follow the pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from align.engine.loading import order_of_pass
from align.inputs.augment import augment_view
from align.inputs.data import EpisodeSamples
from align.inputs.sampling import AugmentConfig, BatchConfig, sample_times
from datasets.episodes import EpisodeDataset
from datasets.errors import OptionError

STRONG = AugmentConfig(crop=0.3, brightness=0.5, contrast=0.5, saturation=0.5)


def samples(root: Path, **changes: object) -> EpisodeSamples:
    config = replace(BatchConfig(episodes=2, times=8), **changes)  # type: ignore[arg-type]
    return EpisodeSamples(
        EpisodeDataset(root, "train"), config, image_size=32, window=2, length=12, seed=3
    )


@pytest.mark.slow
@given(length=st.integers(8, 60), count=st.integers(1, 8), seed=st.integers(0, 999))
def test_moments_are_distinct_and_in_order(length: int, count: int, seed: int) -> None:
    times = sample_times(length, count, 2, BatchConfig(), np.random.default_rng(seed))
    assert len(set(times)) == count
    assert (np.diff(times) > 0).all()
    assert times[0] >= 0 and times[-1] < length


@pytest.mark.slow
@given(length=st.integers(6, 60), seed=st.integers(0, 999), window=st.integers(1, 2))
def test_triplets_are_anchor_near_far(length: int, seed: int, window: int) -> None:
    config = BatchConfig(triplets=True)
    times = sample_times(length, 9, window, config, np.random.default_rng(seed))
    for anchor, positive, negative in times.reshape(3, 3):
        assert 0 < abs(anchor - positive) <= window
        assert abs(anchor - negative) > window


@pytest.mark.slow
@given(length=st.integers(8, 60), count=st.integers(1, 8), seed=st.integers(0, 999))
def test_spread_moments_are_one_of_each_part(length: int, count: int, seed: int) -> None:
    config = BatchConfig(spread=True)
    times = sample_times(length, count, 2, config, np.random.default_rng(seed))
    parts = np.floor((times + 0.5) * count / length)
    assert len(times) == count and times[0] >= 0 and times[-1] < length
    assert (np.diff(times) > 0).all()
    # A part's bounds are rounded to whole time steps.
    assert (np.abs(parts - np.arange(count)) <= 1).all()


def test_every_moment_can_be_drawn_when_they_are_spread() -> None:
    config, rng = BatchConfig(spread=True), np.random.default_rng(0)
    drawn = {t for _ in range(400) for t in sample_times(31, 7, 2, config, rng)}
    assert drawn == set(range(31))


def test_a_sample_is_synchronized_and_of_the_asked_size(dots: Path) -> None:
    data = samples(dots)
    item = data[0]
    assert item["frames"].shape == (3, 8, 3, 32, 32)
    assert item["frames"].dtype == torch.uint8
    assert item["keypoints"].shape == (3, 8, 11, 2)
    episode = data.data.episode(item["episode"])
    times = item["times"].numpy()
    # Without augmentation only the size changes, and keypoints with it; views come in any order.
    stored = {
        view: episode.keypoints[view][times] * 32 / data.data.meta.image_size
        for view in data.data.views
    }
    for seen in item["keypoints"].numpy():
        assert any(np.allclose(seen, k, atol=1e-4, equal_nan=True) for k in stored.values())


@pytest.mark.slow
def test_items_depend_on_seed_and_place_alone(dots: Path) -> None:
    first, second = samples(dots), samples(dots)
    second[5]  # another order of reading must not matter
    for name in ("frames", "keypoints", "times"):
        assert torch.equal(first[7][name], second[7][name])
    assert not torch.equal(first[0]["frames"], first[6]["frames"])


@pytest.mark.slow
def test_a_pass_takes_every_episode_once(dots: Path) -> None:
    data = samples(dots)
    episodes = [data[i]["episode"] for i in range(12)]
    assert sorted(episodes[:6]) == sorted(episodes[6:]) == list(range(6))


def test_fewer_moments_where_an_episode_is_shorter(dots: Path) -> None:
    data = samples(dots, times=10_000)
    assert data.num_times == min(data.lengths)


@pytest.mark.parametrize("views", [1, 7])
def test_impossible_numbers_of_views_are_refused(dots: Path, views: int) -> None:
    with pytest.raises(OptionError, match=f"--batch.views is {views}.*3 views"):
        samples(dots, views=views)


def test_incomplete_triplets_are_refused(dots: Path) -> None:
    with pytest.raises(OptionError, match="--batch.times .*8"):
        samples(dots, triplets=True, times=8)


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), x=st.integers(4, 35), y=st.integers(4, 27))
def test_keypoints_follow_the_pixels_through_a_crop(seed: int, x: int, y: int) -> None:
    # A white square of 5 x 5 pixels on black: its centre of mass must stay at its keypoint.
    frames = torch.zeros(2, 3, 32, 40, dtype=torch.uint8)
    frames[:, :, y - 2 : y + 3, x - 2 : x + 3] = 255
    keypoints = np.full((2, 1, 2), (x + 0.5, y + 0.5), dtype=np.float32)
    config = AugmentConfig(crop=0.3)
    moved, points = augment_view(frames, keypoints, 64, config, np.random.default_rng(seed))
    # Near the border the crop cuts the square itself, and with it its centre.
    (px, py) = points[0, 0]
    if not (8 < px < 56 and 8 < py < 56):
        return
    weight = moved[0, 0].double()
    grid = torch.arange(64) + 0.5
    centre_x = (weight.sum(0) * grid).sum() / weight.sum()
    centre_y = (weight.sum(1) * grid).sum() / weight.sum()
    assert abs(centre_x - px) < 0.2 and abs(centre_y - py) < 0.2


def test_all_frames_of_a_view_are_augmented_alike() -> None:
    frame = torch.randint(0, 256, (1, 3, 24, 24), dtype=torch.uint8)
    frames = frame.expand(5, -1, -1, -1)
    keypoints = np.zeros((5, 1, 2), dtype=np.float32)
    moved, _ = augment_view(frames, keypoints, 24, STRONG, np.random.default_rng(0))
    assert all(torch.equal(moved[0], other) for other in moved)
    assert not torch.equal(moved[0], frame[0])


def test_a_mirrored_view_has_its_keypoints_on_the_other_side(dots: Path) -> None:
    plain, mirrored = samples(dots)[0], samples(dots, flip=1.0)[0]
    assert torch.equal(mirrored["frames"], plain["frames"].flip(-1))
    order = samples(dots).data.skeleton.mirrored
    assert order != sorted(order)
    points = plain["keypoints"][..., order, :].clone()
    points[..., 0] = 32 - points[..., 0]
    torch.testing.assert_close(mirrored["keypoints"], points, equal_nan=True)
    assert torch.equal(mirrored["visible"], plain["visible"][..., order])


@pytest.mark.slow
def test_views_are_mirrored_one_by_one_and_as_a_whole(dots: Path) -> None:
    data, plain = samples(dots, flip=0.5), samples(dots)
    turned = []
    for item in range(12):
        for frames, straight in zip(data[item]["frames"], plain[item]["frames"], strict=True):
            turned.append(torch.equal(frames, straight.flip(-1)))
            assert turned[-1] or torch.equal(frames, straight)
    assert 6 < sum(turned) < 30


def test_passes_over_the_episodes_differ_and_repeat_themselves() -> None:
    orders = [order_of_pass(50, seed, passes) for seed, passes in ((0, 0), (0, 0), (1, 0), (0, 1))]
    first, again, *others = (order.tolist() for order in orders)
    assert first == again
    assert all(sorted(order) == list(range(50)) and order != first for order in others)
