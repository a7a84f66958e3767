import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datasets.clips import samples
from datasets.clips.nucla import Nucla
from datasets.clips.samples import (
    JITTER,
    Crop,
    SampleConfig,
    cut,
    is_short,
    jitter_crop,
    keypoints_at,
    load_sample,
    move_keypoints,
    person_crop,
    sample_indices,
)
from datasets.clips.sets import get_format, open_clip_set, read_persons
from datasets.skeletons import COCO18, mirror
from datasets.video import write_video

# Indices


def test_every_32nd_frame_in_the_middle():
    assert sample_indices(1000, 8, 32).tolist() == [387 + 32 * i for i in range(8)]


def test_ten_clips_from_the_first_frame_to_the_last():
    starts = [sample_indices(1000, 8, 32, clip=i, num_clips=10)[0] for i in range(10)]
    assert starts[0] == 0 and starts[-1] + 7 * 32 == 999
    assert np.ptp(np.diff(starts)) <= 1


def test_a_short_video_is_sampled_evenly_from_end_to_end():
    assert sample_indices(15, 8, 32).tolist() == [0, 2, 4, 6, 8, 10, 12, 14]
    assert sample_indices(1, 8, 32).tolist() == [0] * 8
    assert sample_indices(3, 8, 32, np.random.default_rng(0)).tolist() == [0, 0, 1, 1, 1, 1, 2, 2]


def published_indices(num_frames, frames, stride, clip, num_clips):
    """The result of TimeSformer's decoder for a whole video, in its order of steps."""
    size = frames * stride
    start = max(num_frames - size, 0) * clip / num_clips
    index = torch.linspace(start, start + size - 1, frames)
    return torch.clamp(index, 0, num_frames - 1).long().tolist()


@pytest.mark.parametrize("num_frames", [1, 15, 113, 200, 224])
def test_a_short_video_is_held_as_the_published_code_does(num_frames):
    for clip in (0, 9):
        found = sample_indices(num_frames, 8, 32, clip=clip, num_clips=10, short="hold")
        assert found.tolist() == published_indices(num_frames, 8, 32, clip, 10)
    assert sample_indices(15, 8, 32, short="hold").tolist() == [0] + [14] * 7


def test_a_video_as_long_as_a_sample_is_sampled_at_its_stride_either_way():
    ways = [sample_indices(225, 8, 32, short=short).tolist() for short in ("spread", "hold")]
    assert ways == [list(range(0, 225, 32))] * 2


@pytest.mark.slow
@given(
    st.integers(1, 60), st.integers(1, 9), st.integers(1, 9), st.sampled_from(["spread", "hold"])
)
def test_all_clips_of_a_short_video_are_the_same_and_of_no_other(num_frames, frames, stride, short):
    clips = {
        tuple(sample_indices(num_frames, frames, stride, None, i, 10, short)) for i in range(10)
    }
    assert (len(clips) == 1) == is_short(num_frames, frames, stride)


@pytest.mark.slow
@given(st.integers(1, 400), st.integers(1, 20), st.integers(1, 40), st.integers(0, 9))
def test_indices_are_in_the_video_and_in_order(num_frames, frames, stride, clip):
    rng = np.random.default_rng(clip)
    for indices in (
        sample_indices(num_frames, frames, stride, rng),
        sample_indices(num_frames, frames, stride, clip=clip, num_clips=10),
    ):
        assert len(indices) == frames and indices[0] >= 0 and indices[-1] < num_frames
        steps = np.diff(indices)
        if num_frames > (frames - 1) * stride:
            assert (steps == stride).all()
        else:
            assert (steps >= 0).all() and (steps <= stride).all()


def test_random_stretches_reach_both_ends():
    rng = np.random.default_rng(0)
    starts = {int(sample_indices(20, 4, 4, rng)[0]) for _ in range(200)}
    assert starts == set(range(8))


@pytest.mark.parametrize("wrong", [(0, 8, 4), (10, 0, 4), (10, 8, 0)])
def test_wrong_counts(wrong):
    with pytest.raises(ValueError, match="need at least 1"):
        sample_indices(*wrong)
    with pytest.raises(ValueError, match="clip 10 is not among 10"):
        sample_indices(10, 8, 4, clip=10, num_clips=10)


# Crops


@pytest.mark.slow
@given(st.integers(0, 1000), st.integers(2, 200), st.floats(0, 1), st.booleans())
def test_the_crop_is_a_square_that_holds_the_person(seed, size, margin, within):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(40, 300, 2)
    points = rng.uniform(-0.2, 1.2, (4, 6, 2)) * (width, height) * size / 200
    x, y, side = person_crop(points, height, width, margin, within)
    inside = points[((points >= 0) & (points < (width, height))).all(axis=-1)]
    assert (inside >= np.array([x, y]) - 1e-6).all()
    assert (inside <= np.array([x, y]) + side + 1e-6).all()
    if side <= min(height, width):
        assert x >= -1e-6 and y >= -1e-6 and x + side <= width + 1e-6 and y + side <= height + 1e-6


@pytest.mark.slow
@given(st.integers(0, 1000), st.floats(0, 1))
def test_the_crop_of_a_person_who_fits_stays_inside_on_request(seed, margin):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(40, 300, 2)
    points = rng.uniform(0, 0.99, (4, 6, 2)) * min(height, width)
    x, y, side = person_crop(points, height, width, margin, inside=True)
    assert min(x, y) >= -1e-6 and x + side <= width + 1e-6 and y + side <= height + 1e-6
    # The margin is whole where there is room for it.
    wanted = person_crop(points, height, width, margin)
    assert side == pytest.approx(min(wanted.side, min(height, width)))


def test_a_person_in_the_middle_has_the_margin_on_both_sides():
    points = np.array([[[100.0, 60], [140, 140]]])
    assert person_crop(points, 200, 240, margin=0.25) == Crop(60, 40, 120)


def test_without_keypoints_the_crop_is_the_middle():
    nobody = np.full((3, 5, 2), np.nan)
    assert person_crop(nobody, 100, 160) == Crop(30, 0, 100)
    assert person_crop(np.empty((0, 5, 2)), 160, 100) == Crop(0, 30, 100)


def test_one_keypoint_does_not_make_a_crop_of_no_size():
    crop = person_crop(np.full((1, 1, 2), 50.0), 100, 100)
    assert crop.side == 20 and crop.x == crop.y == 40


def test_a_person_larger_than_the_short_side_is_still_whole():
    points = np.array([[[5.0, 50], [295, 50]]])
    crop = person_crop(points, 100, 300, margin=0.1)
    assert crop.x <= 5 and crop.x + crop.side >= 295
    assert crop.y <= 0 and crop.y + crop.side >= 100


def test_jitter_enlarges_by_256_to_320_and_stays_within():
    rng = np.random.default_rng(0)
    parts = [jitter_crop(Crop(10, 20, 224), rng) for _ in range(300)]
    sides = np.array([part.side for part in parts])
    assert sides.min() >= 224 / JITTER[1] - 1e-9 and sides.max() <= 224 / JITTER[0] + 1e-9
    assert np.ptp(sides) > 0.9 * (224 / JITTER[0] - 224 / JITTER[1])
    for x, y, side in parts:
        assert x >= 10 and x + side <= 234 + 1e-9
        assert y >= 20 and y + side <= 244 + 1e-9


def dots(points, height, width, radius=3):
    """Pictures with a bright spot on each point, (T, 2), soft so that its centre is exact."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    away = np.hypot(columns - points[:, 0, None, None], rows - points[:, 1, None, None])
    pictures = (10 + 245 * np.exp(-((away / radius) ** 2))).round().astype(np.uint8)
    return np.repeat(pictures[..., None], 3, axis=-1)


def centre(picture):
    """Centre of the spot in a picture, in pixels."""
    weight = np.clip(picture[..., 0].astype(float) - 20, 0, None)
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]] + 0.5
    return np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()


@pytest.mark.parametrize(
    "crop", [Crop(0, 0, 120), Crop(31.3, 12.7, 60.4), Crop(-20, -35.5, 190), Crop(0, 0, 60)]
)
def test_keypoints_move_with_the_pixels(crop):
    points = np.array([[40.5, 30.25], [55, 50]])
    pictures = cut(dots(points, 120, 160), crop, 96)
    moved = move_keypoints(points[:, None], crop, 96)[:, 0]
    for picture, point in zip(pictures, moved, strict=True):
        np.testing.assert_allclose(centre(picture), point, atol=0.25)


def test_beyond_the_picture_it_is_black():
    picture = cut(np.full((1, 10, 20, 3), 200, np.uint8), Crop(0, -5, 20), 20)[0]
    assert (picture[:5] == 0).all() and (picture[15:] == 0).all()
    assert (picture[5:15] == 200).all()


def test_beyond_the_picture_its_edge_goes_on_upon_request():
    rows = np.arange(10, 20, dtype=np.uint8)[:, None, None] * np.ones((10, 20, 3), np.uint8)
    picture = cut(rows[None], Crop(0, -5, 20), 20, "edge")[0]
    assert (picture[:5] == 10).all() and (picture[15:] == 19).all()
    assert (picture[5:15] == rows).all()


def test_a_mirror_moves_keypoints_and_swaps_left_and_right():
    points = np.full((1, 18, 2), np.nan, np.float32)
    left, right = COCO18.keypoints.index("left_wrist"), COCO18.keypoints.index("right_wrist")
    points[0, left] = 30, 20
    frames = dots(points[:, left], 40, 64)
    pictures, mirrored = mirror(frames, points, COCO18)
    assert mirrored[0, right].tolist() == [34, 20] and np.isnan(mirrored[0, left]).all()
    np.testing.assert_allclose(centre(pictures[0]), mirrored[0, right], atol=0.25)
    again = mirror(pictures, mirrored, COCO18)
    assert np.array_equal(again[0], frames)
    np.testing.assert_array_equal(again[1], points)


def test_beyond_the_skeleton_s_end_keypoints_are_missing():
    keypoints = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    picked = keypoints_at(keypoints, [2, 0, 3])
    assert np.array_equal(picked[:2], keypoints[[2, 0]]) and np.isnan(picked[2]).all()


# Samples


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A spot walks; it is the nose, and the wrists are beside it."""
    root = tmp_path_factory.mktemp("nucla")
    nucla = Nucla()
    info = nucla.identify(root / "a01" / "v01_s01_e00.avi")
    walk = np.column_stack([np.linspace(40, 110, 40), np.full(40, 60.0)])
    write_video(root / nucla.video_name(info), dots(walk, 120, 160, radius=6), 30)
    keypoints = np.full((40, 18, 2), np.nan, np.float32)
    keypoints[:, 0] = walk
    keypoints[:, 4] = walk + (-20, 10)
    keypoints[:, 7] = walk + (20, -10)
    nucla.write_keypoints(root / nucla.skeleton_name(info), keypoints, 160)
    return open_clip_set(root, "nucla").clips[0]


CONFIG = SampleConfig(frames=8, stride=4, size=96)


@pytest.mark.parametrize("seed", [None, 0, 1, 2, 3])
def test_a_sample_s_keypoints_lie_on_what_is_seen(clip, seed):
    rng = None if seed is None else np.random.default_rng(seed)
    sample = load_sample(clip, CONFIG, rng)
    assert sample.frames.shape == (8, 96, 96, 3) and sample.frames.dtype == np.uint8
    assert sample.keypoints.shape == (8, 18, 2) and sample.keypoints.dtype == np.float32
    well_inside = ((sample.keypoints[:, 0] > 12) & (sample.keypoints[:, 0] < 84)).all(axis=1)
    assert well_inside.any()
    for frame, points in zip(
        sample.frames[well_inside], sample.keypoints[well_inside], strict=True
    ):
        np.testing.assert_allclose(centre(frame), points[0], atol=1)
    assert not sample.visible[:, 1].any(), "a keypoint that is missing is not visible"
    finite = np.isfinite(sample.keypoints).all(axis=-1)
    inside = finite & (sample.keypoints >= 0).all(-1) & (sample.keypoints < 96).all(-1)
    assert np.array_equal(sample.visible, inside)


def test_testing_sees_the_whole_person(clip):
    sample = load_sample(clip, CONFIG)
    assert sample.visible[:, [0, 4, 7]].all()
    assert sample.label == 0


def test_a_sample_is_fixed_by_its_generator(clip):
    drawn = [load_sample(clip, CONFIG, np.random.default_rng(seed)) for seed in (5, 5, 6)]
    assert np.array_equal(drawn[0].frames, drawn[1].frames)
    assert np.array_equal(drawn[0].keypoints, drawn[1].keypoints, equal_nan=True)
    assert not np.array_equal(drawn[0].frames, drawn[2].frames)


def test_keypoints_are_remembered_until_their_file_changes(clip, tmp_path, monkeypatch):
    path = shutil.copy(clip.skeleton, tmp_path / clip.skeleton.name)
    own = replace(clip, skeleton=Path(path))
    reads = []
    monkeypatch.setattr(
        samples, "read_persons", lambda *args: reads.append(args) or read_persons(*args)
    )
    first, again = (load_sample(own, CONFIG).keypoints for _ in range(2))
    assert len(reads) == 1 and np.array_equal(first, again, equal_nan=True)
    moved = np.full((40, 18, 2), 30, np.float32)
    get_format(clip.format).write_keypoints(Path(path), moved, 160)
    changed = load_sample(own, CONFIG).keypoints
    assert len(reads) == 2 and np.ptp(changed) < np.nanmax(first) - np.nanmin(first)


@pytest.mark.slow
def test_half_of_the_samples_are_mirrored(clip):
    config = SampleConfig(frames=1, stride=1, size=32)
    rng = np.random.default_rng(0)
    mirrored = []
    for _ in range(40):
        points = load_sample(clip, config, rng).keypoints[0]
        left, right = points[7], points[4]
        assert left[0] > right[0], "a mirror image faces us as well"
        mirrored.append(left[1] > right[1])  # filmed, the right wrist is the lower one
    assert 10 < sum(mirrored) < 30


def test_a_second_person_who_acts_is_cropped_to_and_has_keypoints(clip, tmp_path):
    """Both stand 60 pixels apart, each 20 wide, in a picture of 160 by 120."""
    both = np.full((40, 2, 18, 2), np.nan)
    for place, x in enumerate((30.0, 90.0)):
        both[:, place, 4], both[:, place, 7] = (x, 40.0), (x + 20, 70.0)
    skeleton = tmp_path / "a01_v01_s01_e00_skeleton2d.json"
    Nucla().write_keypoints(skeleton, both, 160)
    met = replace(clip, skeleton=skeleton)
    alone, pair = (
        load_sample(met, replace(CONFIG, inside=True, persons=persons)) for persons in (1, 2)
    )
    assert alone.keypoints.shape == (8, 18, 2) and pair.keypoints.shape == (8, 2, 18, 2)
    assert pair.visible[:, :, [4, 7]].all() and pair.visible.sum() == 8 * 4
    # 80 pixels from the first wrist to the last, and a margin of a quarter on each side.
    apart = pair.keypoints[0, :, 4, 0]
    assert abs(apart[1] - apart[0]) == pytest.approx(60 * 96 / 120)


def test_temporal_clips_differ_and_repeat(clip):
    config = SampleConfig(frames=4, stride=2, size=32)
    first, last = (load_sample(clip, config, clip_index=i, num_clips=10) for i in (0, 9))
    assert first.indices[0] == 0 and last.indices[-1] == 39
    again = load_sample(clip, config, clip_index=9, num_clips=10)
    assert np.array_equal(again.frames, last.frames)
