"""The command, and conversions between formats that need no optional library."""

import os
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from datasets import convert as command
from datasets import info
from datasets.convert import ConvertConfig, convert
from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError, MissingDataError
from datasets.formats.detect import open_source
from datasets.formats.videos import VideoOptions
from datasets.source import resized
from datasets.storage.meta import DatasetMeta
from datasets.video import video_shape, write_video
from tests import REPOSITORY
from tests.datasets.synthetic import assert_same_episode, make_data_set, make_episode, make_meta


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command line in this process; return its exit code and all that it printed."""

    def run_main(module, *arguments):
        monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
        status = 0
        try:
            module.main()
        except SystemExit as end:
            status = end.code
        return status, "".join(capsys.readouterr())

    return run_main


@pytest.mark.slow
@pytest.mark.parametrize("gone", ["episodes/000001.hdf5", "dots.hdf5"])
def test_converted_data_that_lack_a_file_are_made_again_elsewhere(dots, tmp_path, run, gone):
    out, other = tmp_path / "out", tmp_path / "other"
    assert run(command, dots, out, "--to", "episodes", "--split", "3,1,1")[0] == 0
    (out / gone).unlink()
    with pytest.raises(MissingDataError, match=r"datasets\.convert, .* in another folder\."):
        EpisodeDataset(out)
    words = shlex.split(DatasetMeta.load(out).command)[3:]
    assert run(command, *words)[0] == 2
    assert run(command, *(other if word == str(out) else word for word in words))[0] == 0
    assert len(EpisodeDataset(other)) == 5


# Videos


@pytest.fixture(scope="module")
def videos(dots, tmp_path_factory):
    out = tmp_path_factory.mktemp("mp4") / "dots"
    convert(ConvertConfig(dots, out, "mp4"))
    return out


@pytest.mark.slow
def test_every_view_becomes_a_video_with_all_frames(dots, videos):
    data = EpisodeDataset(dots)
    for i, steps in enumerate(data.lengths):
        for view in data.views:
            shape = video_shape(videos / f"{i:06d}" / f"{view}.mp4")
            assert shape == (steps, 48, 48, data.meta.control_hz)
    source = open_source(videos)
    assert source.views == data.views and source.lengths == data.lengths
    frames = source.episode(1).images["view_0"].astype(float)
    error = (frames - data.images(1, "view_0")) ** 2
    assert 10 * np.log10(255**2 / error.mean()) > 25  # dB; H.264 stores colours at half resolution


@pytest.mark.slow
def test_a_skeleton_can_be_drawn_on_videos(videos, tmp_path):
    short = make_data_set(tmp_path / "short", episodes=3, views=1, steps=3)
    convert(ConvertConfig(short, tmp_path / "drawn", "mp4", mp4=VideoOptions(skeleton=True)))
    # The frames are enlarged by a whole factor, so that the lines are thin compared to the robot.
    assert video_shape(tmp_path / "drawn/000000/view_0.mp4") == (3, 48 * 5, 48 * 5, 20.0)
    with pytest.raises(MissingDataError, match=r"--mp4\.skeleton"):
        convert(ConvertConfig(videos, tmp_path / "no", "mp4", mp4=VideoOptions(skeleton=True)))
    assert not (tmp_path / "no").exists()


def test_a_video_of_odd_size_keeps_its_size(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (4, 17, 31, 3)).astype(np.uint8)
    write_video(tmp_path / "odd.mp4", frames, 12.5)
    assert video_shape(tmp_path / "odd.mp4") == (4, 17, 31, 12.5)


def test_videos_of_different_length_are_an_error(videos, tmp_path):
    folder = tmp_path / "videos" / "a"
    folder.mkdir(parents=True)
    for view, steps in (("ego", 4), ("view_0", 7)):
        write_video(folder / f"{view}.mp4", np.zeros((steps, 16, 16, 3), np.uint8), 20)
    with pytest.raises(MismatchError, match="view_0"):
        open_source(tmp_path / "videos")
    # The folder of one episode's videos is a data set too.
    (folder / "view_0.mp4").unlink()
    assert open_source(folder).lengths == [4]


# Any format


@pytest.mark.slow
def test_resizing_scales_keypoints_and_cameras():
    meta = make_meta()
    episode = make_episode(meta, 0)
    small = resized(episode, 24)
    for view in meta.views:
        assert small.images[view].shape == (len(episode), 24, 24, 3)
        for step in range(len(episode)):
            camera = small.camera(view, step)
            pixels, _ = camera.project(small.keypoints_world[step])
            np.testing.assert_allclose(small.keypoints[view][step], pixels, atol=1e-3)
    np.testing.assert_array_equal(episode.keypoints["ego"], make_episode(meta, 0).keypoints["ego"])


def test_resizing_to_the_same_size_changes_nothing():
    episode = make_episode(make_meta(), 0)
    assert_same_episode(resized(episode, 48), episode)


@pytest.mark.slow
def test_the_command_names_the_result_and_the_next_command(run, dots, tmp_path):
    status, output = run(command, dots, tmp_path / "out", "--to", "episodes", "--size", "16")
    assert status == 0
    assert output == f"{tmp_path}/out\nLook at it:  python -m datasets.info {tmp_path}/out\n"
    data = EpisodeDataset(tmp_path / "out")
    data.check(window=3)
    assert data.meta.image_size == 16
    assert data.meta.command.startswith(f"python -m datasets.convert {dots}")


def test_nothing_is_overwritten(run, dots, tmp_path):
    (tmp_path / "out").mkdir()
    status, output = run(command, dots, tmp_path / "out", "--to", "ftpv")
    assert status == 2 and "out exists already" in output
    assert not list((tmp_path / "out").iterdir())


BAD_OPTIONS = {
    "size": (["--to", "ftpv", "--size", "0"], "--size 0 "),
    "quality": (["--to", "ftpv", "--ftpv.quality", "101"], "--ftpv.quality 101"),
    "crf": (["--to", "mp4", "--mp4.crf", "60"], "--mp4.crf 60"),
    "split of words": (["--to", "ftpv", "--split", "most"], "--split 'most' must be three numbers"),
    "unknown format": (["--to", "ftp"], "unknown --to 'ftp'; did you mean 'ftpv'?"),
    "unknown option": (["--to", "mp4", "--mp4.skeletn"], "did you mean --mp4.skeleton?"),
    "a world that is a path": (
        ["--to", "episodes", "--env", "../x"],
        "--env '../x' must be a name",
    ),
    "too large a split": (["--to", "ftpv", "--split", "5,5,5"], "of no more than 5 episodes"),
}


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS.values(), ids=BAD_OPTIONS.keys())
def test_a_bad_option_is_named(run, dots, tmp_path, options, message):
    status, output = run(command, dots, tmp_path / "out", *options)
    assert status == 2 and message in output
    assert not (tmp_path / "out").exists()


def test_the_error_on_an_unknown_folder_lists_the_known_formats(run, tmp_path):
    (tmp_path / "photos").mkdir()
    for arguments in (
        [command, tmp_path / "photos", tmp_path / "out", "--to", "mp4"],
        [info, tmp_path / "photos"],
    ):
        status, output = run(*arguments)
        assert status == 2
        for known in ("meta.json", "LeRobot v3", "FTPV folders", "robomimic HDF5", "ego.mp4"):
            assert known in output
    assert run(info, tmp_path / "nowhere") == (2, f"error: {tmp_path}/nowhere does not exist.\n")


@pytest.mark.slow
@pytest.mark.parametrize("source", ["one_file", "videos"])
def test_info_describes_other_formats(run, request, tmp_path, dots, source):
    path = request.getfixturevalue(source)
    sheet = tmp_path / "sheet.png"
    status, output = run(info, path, "--contact-sheet", sheet, "--episode", "1")
    assert status == 0 and sheet.stat().st_size > 1000
    lengths = EpisodeDataset(dots).lengths
    assert f"5 episodes of 3 views, {sum(lengths)} time steps" in output
    assert f"{min(lengths)} to {max(lengths)} time steps" in output
    assert "ego, view_0, view_1" in output and "48 x 48 pixels" in output
    status, output = run(info, path, "--episode", "5")
    assert status == 2 and "has no episode 5; --episode takes 0 to 4" in output


def test_a_data_set_can_be_opened_by_its_index_and_its_description(dots):
    for file in ("dots.hdf5", "meta.json"):
        assert open_source(dots / file).meta == open_source(dots).meta


CONVERT_SLOWLY = """
import sys, time
from pathlib import Path

from datasets.convert import ConvertConfig, convert
from datasets.formats.detect import EpisodesSource
read = EpisodesSource.episode
EpisodesSource.episode = lambda self, i: (time.sleep(0.2), read(self, i))[1]
convert(ConvertConfig(Path(sys.argv[1]), Path(sys.argv[2]), "ftpv"))
"""


@pytest.mark.slow
def test_a_killed_conversion_leaves_no_result(tmp_path):
    root = make_data_set(tmp_path / "dots", episodes=12, size=8, views=1, steps=4)
    out = tmp_path / "results" / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", CONVERT_SLOWLY, str(root), str(out)], cwd=REPOSITORY
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(tmp_path.glob("results/.*/tr_0001/fpv/*")):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(timeout=10) == -signal.SIGKILL
    assert not out.exists()
    assert len(list(out.parent.iterdir())) == 1  # a hidden folder that the next one removes
    convert(ConvertConfig(root, out, "ftpv"))
    assert [path.name for path in out.parent.iterdir()] == ["out"]
