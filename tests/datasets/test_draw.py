import numpy as np
import pytest

from datasets.draw import contact_sheet, draw_skeleton, enlarge, sheet_views
from datasets.episodes import EpisodeDataset, EpisodeWriter
from datasets.skeletons import PANDA, Skeleton
from tests.datasets.synthetic import make_episode, make_meta

GREY = 128
STICK = Skeleton("stick", ("a", "b"), ((0, 1),))
LOOSE = Skeleton("loose", ("a", "b"), ())


def blank(size: int) -> np.ndarray:
    return np.full((size, size, 3), GREY, np.uint8)


def drawn(image: np.ndarray) -> np.ndarray:
    return (image != GREY).any(axis=-1)


@pytest.mark.parametrize(("size", "expected"), [(48, 240), (112, 224), (224, 224), (300, 300)])
def test_small_frames_are_enlarged_by_a_whole_factor(size, expected):
    image = draw_skeleton(blank(size), np.full((2, 2), 5.0), np.ones(2, bool), STICK)
    assert (image.shape, image.dtype) == ((expected, expected, 3), np.uint8)


@pytest.mark.parametrize("size", [56, 112, 224])
def test_a_keypoint_is_drawn_where_it_is(size):
    points = np.array([[0.25, 0.75], [0.75, 0.5]]) * size
    image = draw_skeleton(blank(size), points, np.ones(2, bool), LOOSE)
    ys, xs = np.nonzero(drawn(image))
    left = xs < image.shape[1] / 2
    # The mean of the drawn pixels' centres is the keypoint, in the enlarged picture.
    np.testing.assert_allclose([xs[left].mean() + 0.5, ys[left].mean() + 0.5], [56, 168], atol=0.3)
    np.testing.assert_allclose(
        [xs[~left].mean() + 0.5, ys[~left].mean() + 0.5], [168, 112], atol=0.3
    )


def test_visible_keypoints_are_filled_and_hidden_ones_hollow():
    points = np.array([[60.5, 112.5], [160.5, 112.5]])
    image = draw_skeleton(blank(224), points, np.array([True, False]), LOOSE)
    assert drawn(image)[112, 60]
    assert not drawn(image)[112, 160]
    assert drawn(image)[112, 156:165].sum() >= 4, "the ring around a hidden keypoint"


def test_bones_are_lines_between_their_keypoints():
    points = np.array([[40.0, 112.0], [184.0, 112.0]])
    image = draw_skeleton(blank(224), points, np.ones(2, bool), STICK)
    rows = np.nonzero(drawn(image)[:, 112])[0]
    assert 111 in rows and 3 <= len(rows) <= 7
    assert drawn(image)[111, 40:184].all()
    assert not drawn(draw_skeleton(blank(224), points, np.ones(2, bool), LOOSE))[:, 112].any()


def test_a_keypoint_behind_the_camera_is_left_out_with_its_bones():
    points = np.array([[40.0, 112.0], [np.nan, np.nan]])
    image = draw_skeleton(blank(224), points, np.array([True, False]), STICK)
    assert drawn(image)[112, 40]
    assert not drawn(image)[:, 80:].any()


def test_keypoints_far_outside_are_no_trouble():
    points = np.array([[40.0, 112.0], [1e12, 112.0]])
    image = draw_skeleton(blank(224), points, np.array([True, False]), STICK)
    assert drawn(image)[111, 60:].all()


def test_the_frame_itself_is_not_changed():
    frame = blank(224)
    draw_skeleton(frame, np.full((2, 2), 50.0), np.ones(2, bool), STICK)
    assert (frame == GREY).all()


def test_keypoints_of_another_skeleton_are_refused():
    with pytest.raises(ValueError, match="'panda' .*11 .*2, 2"):
        draw_skeleton(blank(64), np.zeros((2, 2)), np.ones(2, bool), PANDA)


@pytest.mark.slow
def test_the_contact_sheet_has_a_row_for_each_view_and_a_column_for_each_moment(dots):
    dataset = EpisodeDataset(dots)
    wide = contact_sheet(dataset, 0, columns=6, cell=96)
    narrow = contact_sheet(dataset, 0, columns=4, cell=96)
    flat = contact_sheet(EpisodeDataset(dots, views=["ego", "view_0"]), 0, columns=6, cell=96)
    gap = 2
    assert wide.width - narrow.width == 2 * (96 + gap)
    assert wide.height - flat.height == 96 + gap


@pytest.mark.slow
def test_a_contact_sheet_of_many_views_has_twelve_rows_that_are_evenly_spread(tmp_path):
    meta = make_meta(views=100, size=8)
    writer = EpisodeWriter(tmp_path, meta)
    writer.write(0, make_episode(meta, 0, steps=3))
    writer.write_index({"train": [0]})
    many = EpisodeDataset(tmp_path)
    two = EpisodeDataset(tmp_path, views=["ego", "view_99"])
    sheets = [contact_sheet(dataset, 0, columns=2, cell=32) for dataset in (many, two)]
    gap = 2
    assert sheets[0].height - sheets[1].height == 10 * (32 + gap)
    rows = sheet_views(many.views)
    assert len(rows) == 12 and rows[0] == "ego" and rows[-1] == "view_99"
    steps = np.diff([many.views.index(view) for view in rows])
    assert set(steps.tolist()) <= {9, 10}
    assert sheet_views(two.views) == two.views


def test_the_contact_sheet_shows_the_frames_with_their_skeletons(dots):
    dataset = EpisodeDataset(dots)
    sheet = np.asarray(contact_sheet(dataset, 0, columns=3, cell=96))
    last = dataset.lengths[0] - 1
    frame = draw_skeleton(
        dataset.images(0, "view_1", [last])[0],
        dataset.keypoints(0, "view_1")[last],
        dataset.visible(0, "view_1")[last],
        dataset.skeleton,
        min_side=96,
    )
    margin = 2 * 2 + 2
    corner = sheet[-96 - margin : -margin, -96 - margin : -margin]
    np.testing.assert_array_equal(corner, frame)


@pytest.mark.slow
def test_an_episode_shorter_than_the_columns_shows_every_step_once(tmp_path):
    meta = make_meta(views=1, size=16)
    writer = EpisodeWriter(tmp_path, meta)
    writer.write(0, make_episode(meta, 0, steps=3))
    writer.write_index({"train": [0]})
    dataset = EpisodeDataset(tmp_path)
    assert contact_sheet(dataset, 0, columns=6).size == contact_sheet(dataset, 0, columns=3).size


def test_a_short_phase_is_on_the_sheet(tmp_path, monkeypatch):
    meta = make_meta(views=1, size=16)
    episode = make_episode(meta, 0, steps=40)
    episode.phases = np.zeros(40, np.uint8)
    episode.phases[9] = 1
    episode.phases[30:] = 2
    writer = EpisodeWriter(tmp_path, meta)
    writer.write(0, episode)
    writer.write_index({"train": [0]})
    dataset = EpisodeDataset(tmp_path)
    shown = []

    def spy(i, view, times):
        shown.append(times)
        return EpisodeDataset.images(dataset, i, view, times)

    monkeypatch.setattr(dataset, "images", spy)
    contact_sheet(dataset, 0, columns=3, cell=32)
    assert shown[0].tolist() == [9, 20, 39]


def test_enlarging_keeps_the_proportions():
    assert enlarge(np.zeros((20, 30, 3), np.uint8), 100).size == (150, 100)
