"""The page's content, against values that other code computes."""

import io
import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from align.embedder import FrameEmbedder
from align.engine.checkpoint_header import MissingCheckpointError
from align.engine.run_folder import NoRunError, RunFolder
from align.metrics.alignment import distances, pair_metrics
from align.metrics.decoding import dtw_picks, with_motion
from align.view.__main__ import open_routes
from align.view.export import page_of
from align.view.packing import CHUNK, pack_array
from align.view.progress import nearest_progress
from datasets.episodes import EpisodeDataset
from datasets.errors import DataError, MismatchError, OptionError, UnknownNameError
from datasets.pages.content import NoContentError


@pytest.fixture(scope="module")
def routes(viewed_runs):
    return open_routes(viewed_runs)


@pytest.fixture(scope="module")
def embeddings(viewed_runs, dots):
    """Of deit, on the two test episodes."""
    embedder, data = FrameEmbedder.load(viewed_runs[0]), EpisodeDataset(dots, "test")
    return [list(embedder.embed_episode(data, i).values()) for i in range(2)]


def told(routes, path):
    return json.loads(routes.answer(path).body)


def array(routes, path):
    body = routes.answer(path).body
    axes = struct.unpack_from("<I", body)[0]
    *shape, unit = struct.unpack_from(f"<{axes}If", body, 4)
    return np.frombuffer(body, np.uint8, offset=4 * (axes + 2)).reshape(shape) * unit


@pytest.mark.slow
def test_about_names_runs_episodes_and_bodies(routes, dots):
    about = told(routes, "about.json")
    assert [(run["label"], run["method"]) for run in about["runs"]] == [
        ("deit",) * 2,
        ("paab",) * 2,
    ]
    assert about["episodes"] == EpisodeDataset(dots, "test").names
    assert about["synchronised"] and about["lead"] == 1, "a third-person view asks"
    assert len(about["colours"]) == len(about["keypoints"]) == 11
    assert len(about["phaseColours"]) == len(about["phases"]) == 3


def test_an_episode_has_its_phases_and_references(routes, dots):
    data, about = EpisodeDataset(dots, "test"), told(routes, "episodes/1/about.json")
    assert about["phases"] == data.phases(1).tolist()
    assert [len(view["times"]) for view in about["views"]] == [data.lengths[1]] * 3
    assert about["references"] == [0] and about["posed"]


def test_chunks_hold_all_frames_in_order(routes, dots):
    data = EpisodeDataset(dots, "test")
    images, found = data.images(0, "view_0"), []
    for chunk in range(-(-len(images) // CHUNK)):
        body = routes.answer(f"episodes/0/frames/1/{chunk}.bin").body
        count = struct.unpack_from("<I", body)[0]
        lengths = struct.unpack_from(f"<{count}I", body, 4)
        place = 4 * (count + 1)
        for length in lengths:
            found.append(np.asarray(Image.open(io.BytesIO(body[place : place + length]))))
            place += length
        assert place == len(body)
    assert np.abs(np.stack(found).astype(int) - images).mean() < 3
    one = Image.open(io.BytesIO(routes.answer("episodes/0/frame/1/7.jpg").body))
    assert (np.asarray(one) == found[7]).all()


def test_keypoints_behind_the_camera_are_null(routes, dots):
    data, pose = EpisodeDataset(dots, "test"), told(routes, "episodes/0/keypoints/0.json")
    points = np.array(pose["points"], dtype=float) * 48
    assert points == pytest.approx(data.keypoints(0, "ego"), abs=0.01, nan_ok=True)
    assert (np.array(pose["visible"], bool) == data.visible(0, "ego")).all()


@pytest.mark.slow
def test_picks_are_those_of_the_metrics(routes, embeddings):
    picks, z = told(routes, "runs/0/episodes/0/picks.json"), embeddings[0]
    nearest = np.array(picks["nearest"][1][0])
    error = np.abs(nearest - np.arange(len(nearest))).mean() / len(nearest)
    assert error == pytest.approx(pair_metrics(z[1], z[0])["alignment_error"])
    moving = distances(with_motion(z[1]), with_motion(z[2])).argmin(1)
    assert picks["motion"][1][2] == moving.tolist()
    assert picks["dtw"][2][0] == dtw_picks(distances(z[2], z[0]).numpy()[None])[0].tolist()
    assert picks["nearest"][1][1] == [] and "offsets" not in picks


def test_distances_are_told_to_half_a_step(routes, embeddings):
    wanted = distances(embeddings[0][1], embeddings[0][2]).numpy()
    found = array(routes, "runs/0/episodes/0/distances/1/2.bin")
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= wanted.max() / 255 / 2 + 1e-6


def test_nearest_moments_are_of_the_same_view(routes, embeddings):
    near = told(routes, "runs/0/episodes/0/near/1.json")
    for view in range(3):
        cost = distances(embeddings[0][view], embeddings[1][view])
        assert near["frames"][view] == cost.argmin(1).tolist()
        assert near["distances"][view] == pytest.approx(cost.min(1).values.tolist(), abs=1e-4)


def test_progress_is_of_the_other_episode(routes, embeddings):
    curves = told(routes, "runs/0/episodes/0/progress.json")
    for view in range(3):
        wanted = nearest_progress(embeddings[0][view], [embeddings[1][view]])
        assert curves[view] == pytest.approx(wanted.tolist(), abs=1e-4)


def test_progress_of_a_reference_by_itself_is_its_time(embeddings):
    z = embeddings[0][1]
    assert nearest_progress(z, [z, z, z]) == pytest.approx(np.linspace(0, 1, len(z)))


def test_attention_is_shared_among_patches(routes, dots):
    found = array(routes, "runs/0/episodes/0/attention/1.bin")
    assert found.shape == (EpisodeDataset(dots, "test").lengths[0], 3, 3)
    # Shares of 1 on average; the brightest are clipped.
    assert 0.8 < found.mean() <= 1.01


@pytest.mark.slow
@pytest.mark.parametrize("run", [0, 1])
def test_patches_hold_the_visible_keypoints(routes, dots, run):
    data = EpisodeDataset(dots, "test")
    found = array(routes, f"runs/{run}/episodes/0/patches/1.bin") > 0.5
    wanted = np.zeros_like(found)
    points, visible = data.keypoints(0, "view_0"), data.visible(0, "view_0")
    for time, keypoint in zip(*np.nonzero(visible), strict=True):
        x, y = (points[time, keypoint] // 16).astype(int)
        wanted[time, y, x] = True
    assert (found == wanted).all() and wanted.any() and not wanted.all()


@pytest.mark.parametrize(
    "path",
    [
        "nothing.json",
        "episodes/2/about.json",
        "episodes/0/frames/3/0.bin",
        "episodes/0/frames/0/9.bin",
        "episodes/0/frame/0/999.jpg",
        "runs/2/episodes/0/picks.json",
        "runs/0/episodes/0/distances/0/3.bin",
        "episodes/0/../../meta.json",
        "episodes/-1/about.json",
    ],
)
def test_a_path_that_names_nothing_has_no_content(routes, path):
    with pytest.raises(NoContentError):
        routes.answer(path)


@pytest.mark.slow
def test_videos_are_told_their_offset(viewed_runs, two_videos):
    routes = open_routes([viewed_runs[0], *two_videos])
    about = told(routes, "about.json")
    assert not about["synchronised"] and about["title"] == "first.mp4, late.mp4"
    picks = told(routes, "runs/0/episodes/0/picks.json")
    seconds, low, high, problem = picks["offsets"][0][1]
    assert problem if seconds is None else low <= seconds <= high
    assert len(told(routes, "runs/0/episodes/0/progress.json")) == 2
    assert array(routes, "runs/0/episodes/0/attention/1.bin").shape[1:] == (3, 3)
    with pytest.raises(DataError, match="no keypoints"):
        routes.answer("runs/0/episodes/0/patches/0.bin")


@pytest.mark.slow
def test_a_page_of_one_video_says_that_it_has_no_progress(viewed_runs, two_videos):
    page = page_of(open_routes([viewed_runs[0], two_videos[0]]))
    assert '"problem":"progress needs a second episode or view as a reference."' in page


@pytest.mark.slow
def test_videos_of_one_name_are_told_apart(viewed_runs, two_videos, tmp_path):
    twin = Path(shutil.copy(two_videos[1], tmp_path / "first.mp4"))
    routes = open_routes([viewed_runs[0], two_videos[0], twin])
    views = told(routes, "episodes/0/about.json")["views"]
    assert [view["name"] for view in views] == [str(two_videos[0]), str(twin)]


@pytest.mark.parametrize("values", [np.zeros((2, 3)), np.arange(6.0).reshape(2, 3)])
def test_an_array_comes_back(values):
    body = pack_array(values)
    rows, cols, unit = struct.unpack_from("<IIf", body, 4)
    found = np.frombuffer(body, np.uint8, offset=16).reshape(rows, cols) * unit
    assert found == pytest.approx(values, abs=values.max() / 255 / 2)


@pytest.mark.slow
def test_what_cannot_be_shown_is_refused_at_once(viewed_runs, two_videos, tmp_path):
    with pytest.raises(MismatchError, match=r"\(paab\) needs the keypoints of every frame"):
        open_routes([viewed_runs[1], *two_videos])
    with pytest.raises(OptionError, match="not both"):
        open_routes([viewed_runs[0], *two_videos], data=tmp_path)
    with pytest.raises(UnknownNameError, match="--episode"):
        open_routes(viewed_runs, episode="demo_99")
    with pytest.raises(DataError, match=r"none\.mp4"):
        open_routes([viewed_runs[0], tmp_path / "none.mp4"])
    with pytest.raises(NoRunError, match=f"no {tmp_path}/config.json"):
        open_routes([tmp_path])
    with pytest.raises(OptionError, match="zoo:lift comes without data: name a data set"):
        open_routes([Path("zoo:lift")])
    with pytest.raises(UnknownNameError, match="zoo"):
        open_routes([Path("zoo:lifts"), *two_videos])
    with pytest.raises(MissingCheckpointError, match="none"):
        open_routes([tmp_path / "none.safetensors", *two_videos])


@pytest.mark.slow
def test_models_and_checkpoints_are_shown_beside_runs(viewed_runs, two_videos, dots):
    checkpoint = RunFolder(viewed_runs[0]).checkpoint()
    routes = open_routes([viewed_runs[0], checkpoint, Path("zoo:minecraft"), *two_videos])
    runs = told(routes, "about.json")["runs"]
    assert [run["label"] for run in runs] == ["deit", "best.safetensors", "zoo:minecraft"]
    own, same, model = (told(routes, f"runs/{r}/episodes/0/picks.json") for r in range(3))
    assert own == same != model
    # A model needs no data of its own for the episodes of a data set.
    shown = open_routes([Path("zoo:minecraft")], data=dots)
    assert len(told(shown, "runs/0/episodes/0/progress.json")) == len(shown.shown.views(0))


@pytest.mark.slow
def test_a_checkpoint_that_needs_poses_sees_the_body_it_has_learned(viewed_runs, two_videos):
    checkpoint = RunFolder(viewed_runs[1]).checkpoint()
    with pytest.raises(MismatchError, match=r"\(paab\) needs the keypoints of every frame"):
        open_routes([checkpoint, *two_videos])


@pytest.mark.slow
def test_runs_of_one_name_are_told_apart(viewed_runs, tmp_path):
    other = shutil.copytree(viewed_runs[0], tmp_path / "deit")
    routes = open_routes([viewed_runs[0], other, viewed_runs[0]])
    runs = told(routes, "about.json")["runs"]
    assert [run["label"] for run in runs] == [str(viewed_runs[0]), str(other)]
    assert runs[0]["colour"] != runs[1]["colour"]
