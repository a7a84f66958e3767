"""Videos aligned by a run: what is printed, the table of pairs and the video side by side."""

import csv
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from align.embedder import FrameEmbedder
from align.inputs.footage import warn_of_stillness
from align.labels import labels
from align.train import make_trainer
from align.videos.__main__ import main
from align.videos.matching import EmbeddedVideo, VideoMatch
from align.videos.side_by_side import panel_of
from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError
from datasets.video import read_frames, video_shape, write_video
from tests.align.conftest import tiny_config

FPS = 10.0


@pytest.fixture(scope="module")
def videos(dots, tmp_path_factory):
    """Two cameras of one episode, the second started 5 frames later, and an episode of its own."""
    data, root = EpisodeDataset(dots, "test"), tmp_path_factory.mktemp("videos")
    paths = [root / f"{name}.mp4" for name in ("first", "late", "other")]
    write_video(paths[0], data.images(0, "view_0"), FPS, crf=0)
    write_video(paths[1], data.images(0, "view_0")[5:], FPS, crf=0)
    write_video(paths[2], data.images(1, "view_1"), FPS, crf=0)
    return paths


@pytest.fixture(scope="module")
def run(dots, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    make_trainer(tiny_config(dots, out, "paat", epochs=1), progress=False).fit()
    return out


def aligned(run, videos, out, *options):
    main([str(run), *map(str, videos), "--out", str(out), *options])
    with open(out.with_suffix(".csv"), newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_every_frame_has_a_row_for_each_other_video(run, videos, tmp_path, capsys):
    rows = aligned(run, videos, tmp_path / "aligned.mp4")
    length = video_shape(videos[0]).frames
    assert [(int(row["frame"]), row["video"]) for row in rows] == [
        (frame, name) for frame in range(length) for name in ("late.mp4", "other.mp4")
    ]
    others = {path.name: video_shape(path).frames for path in videos[1:]}
    for row in rows:
        assert float(row["seconds"]) == pytest.approx(int(row["frame"]) / FPS)
        for column in ("nearest", "nearest_in_motion", "dtw", "shown"):
            assert 0 <= int(row[column]) < others[row["video"]]
    warped = [int(row["dtw"]) for row in rows if row["video"] == "other.mp4"]
    assert warped == sorted(warped), "dynamic time warping goes back in time"
    assert "late.mp4" in capsys.readouterr().out


@pytest.mark.slow
def test_the_video_shows_the_frames_of_the_table(run, videos, tmp_path):
    out = tmp_path / "aligned.mp4"
    rows = aligned(run, videos[:2], out, "--height", "96")
    length = video_shape(videos[0]).frames
    assert video_shape(out) == (length, 26 + 96, 96 + 4 + 96, FPS)
    row = rows[length - 1]
    frame = read_frames(out, [length - 1])[0].astype(int)
    shown = [(videos[0], length - 1, 0), (videos[1], int(row["shown"]), 100)]
    for video, time, left in shown:
        wanted = Image.fromarray(read_frames(video, [time])[0]).resize((96, 96))
        assert np.abs(frame[26:, left : left + 96] - np.asarray(wanted)).mean() < 6
        assert frame[:26, left : left + 96].max() > 150, "a name is missing"


@pytest.mark.slow
def test_a_video_is_its_own_match(run, videos, tmp_path, capsys):
    rows = aligned(run, [videos[0], videos[0]], tmp_path / "aligned.mp4")
    for row in rows:
        assert row["nearest"] == row["nearest_in_motion"] == row["dtw"] == row["frame"]
        assert row["shown"] == row["frame"] and row["recorded"] == "1"
    said = capsys.readouterr().out
    assert "first.mp4 was started 0.00 s earlier than first.mp4" in said
    assert f"{len(rows)} of {len(rows)} frame pairs agree" in said


def moments(times, seen):
    """A video whose embeddings tell the moment alone."""
    import torch

    seen = torch.as_tensor(seen, dtype=torch.float32)
    return EmbeddedVideo(
        Path("moments.mp4"), np.asarray(times), torch.stack([seen, seen**2 / 100], dim=1)
    )


def test_a_later_camera_is_found_and_shown_by_its_offset():
    times = np.arange(80) * 0.05
    first, late = moments(times, np.arange(80)), moments(times[:60], np.arange(20, 80))
    match = VideoMatch.between(first, late)
    assert match.offset.fits and match.offset.seconds == pytest.approx(-1.0, abs=0.06)
    panel = panel_of(first, match)
    assert panel.missing[:18].all() and not panel.missing[22:].any()
    assert np.abs(panel.frames[22:] - np.arange(2, 60)).max() <= 1
    assert panel.frames[0] == 0


def test_a_faster_video_is_shown_by_time_warping():
    times = np.arange(80) * 0.05
    first, fast = moments(times, np.arange(80)), moments(times[:40], np.arange(0, 80, 2))
    match = VideoMatch.between(first, fast)
    assert not match.offset.fits
    panel = panel_of(first, match)
    assert (panel.frames == match.dtw).all() and not panel.missing.any()
    assert (panel_of(first, match, "offset").frames != match.dtw).any()


def test_a_frame_stands_until_the_next_one_however_long_that_takes():
    times = np.arange(80) * 0.05
    kept = np.r_[:30, 50:80]  # a phone leaves out frames where nothing changes
    first, other = moments(times, np.arange(80)), moments(times[kept], kept)
    panel = panel_of(first, VideoMatch.between(first, other))
    assert not panel.missing.any()
    assert panel.frames[35] == 29 and panel.frames[45] == 30


def test_an_offset_that_is_not_known_cannot_be_chosen():
    first, still = moments(np.arange(80) * 0.05, np.arange(80)), moments(np.arange(9), np.ones(9))
    match = VideoMatch.between(first, still)
    with pytest.raises(MismatchError, match="no offset from moments.mp4 .* --clock dtw"):
        panel_of(first, match, "offset")
    assert not panel_of(first, match).missing.any()


def test_videos_of_one_name_are_told_apart_by_their_folders():
    twins = [Path("left/a.mp4"), Path("right/a.mp4"), Path("b.mp4"), Path("b.mp4")]
    assert labels(twins) == ["left/a.mp4", "right/a.mp4", "b.mp4", "b.mp4"]


def test_a_video_that_shows_one_picture_is_named(caplog):
    noise = np.random.default_rng(0).integers(0, 6, (8, 32, 32, 3), np.uint8)
    warn_of_stillness(Path("still.mp4"), noise)
    assert "still.mp4 shows one picture all the time" in caplog.text
    caplog.clear()
    noise[4:, 8:12, 8:12] += 120  # something moves
    warn_of_stillness(Path("moving.mp4"), noise)
    warn_of_stillness(Path("single.mp4"), noise[:1])
    assert not caplog.text


@pytest.mark.slow
def test_a_model_of_another_scene_is_named_and_one_of_the_scene_is_not(run, dots, tmp_path, caplog):
    data = EpisodeDataset(dots, "valid")
    for view in data.views:
        write_video(tmp_path / f"{view}.mp4", data.images(0, view), FPS, crf=0)
    videos = [tmp_path / f"{view}.mp4" for view in data.views]
    aligned(run, videos, tmp_path / "own.mp4")
    assert "does not know" not in caplog.text
    aligned("zoo:can", videos, tmp_path / "other.mp4")
    assert "zoo:can does not know what ego.mp4 and view_0.mp4 show" in caplog.text


@pytest.mark.slow
def test_a_run_knows_how_near_frames_of_its_validation_episodes_are(run, dots):
    embedder, data = FrameEmbedder.load(run), EpisodeDataset(dots, "valid")
    near = [
        (ours[:, None] - theirs[None]).norm(dim=-1).amin(dim=1).mean().item()
        for views in (embedder.embed_episode(data, i) for i in range(len(data)))
        for ours, theirs in combinations(views.values(), 2)
    ]
    assert embedder.nearest_distance == pytest.approx(np.mean(near), rel=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["run", "a.mp4", "b.mp4", "--pairs", "./aligned.mp4"], "is the video of --out"),
        (["run", "a.mp4"], "name two or more videos"),
        (["run", "a.mp4", "b.mp4", "--out", "aligned.txt"], "must end in .mp4"),
        (["run", "a.mp4", "b.mp4", "--height", "97"], "must be even"),
        (["run", "a.mp4", "b.mp4", "--height", "4"], "from 16 to 2160"),
    ],
)
def test_options_are_checked_first(options, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(options)
    assert end.value.code == 2 and message in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--out", "--pairs"])
def test_a_video_that_is_read_is_not_written_over(option, videos, capsys):
    before = videos[1].read_bytes()
    with pytest.raises(SystemExit):
        main(["run", *map(str, videos), option, str(videos[1])])
    assert f"error: {option} {videos[1]} is a file that is read" in capsys.readouterr().err
    assert videos[1].read_bytes() == before


@pytest.mark.slow
def test_a_run_that_needs_keypoints_says_so(dots, videos, tmp_path, capsys):
    make_trainer(tiny_config(dots, tmp_path / "run", "paab", epochs=1), progress=False).fit()
    with pytest.raises(SystemExit) as end:
        main([str(tmp_path / "run"), *map(str, videos), "--out", str(tmp_path / "out.mp4")])
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert "(paab) needs the keypoints of every frame" in message and "deit" in message
    assert not (tmp_path / "out.mp4").exists()
