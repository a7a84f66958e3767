"""The command, and conversions between formats that need no optional library."""

import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import fields

import h5py
import numpy as np
import pytest

from datasets import convert as command
from datasets import info
from datasets.convert import ConvertConfig, convert
from datasets.episodes import EpisodeDataset
from datasets.errors import FormatError, MismatchError, MissingDataError
from datasets.formats.detect import open_source
from datasets.formats.videos import VideoOptions
from datasets.source import resized
from datasets.storage.episode_file import Episode
from datasets.storage.meta import DatasetMeta
from datasets.video import video_shape, write_video
from tests import REPOSITORY
from tests.datasets.synthetic import make_data_set, make_episode, make_meta


def assert_same_episode(one: Episode, other: Episode) -> None:
    for field in fields(Episode):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, dict):
            assert a.keys() == b.keys(), field.name
            for key in a:
                np.testing.assert_array_equal(a[key], b[key], err_msg=f"{field.name} {key}")
        else:
            np.testing.assert_array_equal(a, b, err_msg=field.name)


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


# robomimic files


@pytest.fixture(scope="module")
def one_file(dots, tmp_path_factory):
    out = tmp_path_factory.mktemp("robomimic") / "dots.hdf5"
    convert(ConvertConfig(dots, out, "robomimic"))
    return out


def test_a_robomimic_file_has_everything_that_the_episodes_have(dots, one_file, tmp_path):
    convert(ConvertConfig(one_file, tmp_path / "back", "episodes"))
    original, back = EpisodeDataset(dots), EpisodeDataset(tmp_path / "back")
    assert back.split_sizes() == original.split_sizes()
    assert back.skeleton == original.skeleton and back.meta.phases == original.meta.phases
    for i in range(len(original)):
        assert_same_episode(back.episode(i), original.episode(i))


def test_robomimic_reads_sequences_of_the_file(one_file):
    obs_utils = pytest.importorskip("robomimic.utils.obs_utils")
    from robomimic.utils.dataset import SequenceDataset

    image, proprioception = "view_0_image", "robot0_eef_pos"
    obs_utils.initialize_obs_utils_with_obs_specs(
        {"obs": {"low_dim": [proprioception], "rgb": [image]}}
    )
    data = SequenceDataset(
        hdf5_path=str(one_file),
        obs_keys=(image, proprioception),
        dataset_keys=("actions", "rewards", "dones"),
        load_next_obs=False,
        seq_length=3,
        filter_by_attribute="train",
    )
    assert len(data) == sum(open_source(one_file).lengths[:3])
    assert data[0]["obs"][image].shape == (3, 48, 48, 3)
    assert data[0]["actions"].shape == (3, 7)


def write_demonstrations(path, images=True, frames=5):
    """Write a file as robomimic's own tools do."""
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = '{"env_name": "Can", "env_kwargs": {"control_freq": 10}}'
        for number in (0, 1, 2, 10):
            demo = data.create_group(f"demo_{number}")
            demo.attrs["num_samples"] = frames
            demo["actions"] = np.full((frames, 7), number, float)
            demo["obs/robot0_eef_pos"] = np.zeros((frames, 3))
            if images:
                demo["obs/agentview_image"] = np.full((frames, 8, 8, 3), number, np.uint8)
                demo["obs/robot0_eye_in_hand_image"] = np.zeros((frames, 8, 8, 3), np.uint8)
    return path


def test_a_robomimic_file_by_others(tmp_path):
    source = open_source(write_demonstrations(tmp_path / "can.hdf5"))
    assert source.names == ["demo_0", "demo_1", "demo_2", "demo_10"]
    assert source.views == ["agentview", "robot0_eye_in_hand"]
    assert (source.meta.env, source.meta.control_hz, source.splits) == ("Can", 10.0, None)
    convert(ConvertConfig(source.root, tmp_path / "can", "episodes", split="2,1,1", env="can"))
    episode = EpisodeDataset(tmp_path / "can").episode(3)
    assert (episode.images["agentview"] == 10).all()
    assert (episode.actions == 10).all() and "robot0_eef_pos" in episode.observations
    assert not episode.keypoints


def test_the_error_on_a_file_without_images_names_the_command_that_renders_it(tmp_path):
    path = write_demonstrations(tmp_path / "low_dim.hdf5", images=False)
    with pytest.raises(MissingDataError, match=r"/data/demo_0/obs.*sims\.replay --demos"):
        open_source(path)


def test_demonstrations_with_different_views_are_an_error(tmp_path):
    path = write_demonstrations(tmp_path / "can.hdf5")
    with h5py.File(path, "r+") as file:
        del file["data/demo_2/obs/agentview_image"]
    with pytest.raises(MismatchError, match="demo_2"):
        open_source(path)


def test_views_of_different_length_in_a_file_are_an_error(tmp_path):
    path = write_demonstrations(tmp_path / "can.hdf5")
    with h5py.File(path, "r+") as file:
        del file["data/demo_2/obs/agentview_image"]
        file["data/demo_2/obs/agentview_image"] = np.zeros((4, 8, 8, 3), np.uint8)
    with pytest.raises(MismatchError, match=r"demo_2 .*\[4, 5\]"):
        open_source(path)


def test_episodes_in_no_split_are_named(tmp_path, caplog):
    path = write_demonstrations(tmp_path / "can.hdf5")
    with h5py.File(path, "r+") as file:
        file["mask/train"] = np.array([b"demo_0", b"demo_2"])
        file["mask/valid"] = np.array([b"demo_1"])
    convert(ConvertConfig(path, tmp_path / "masked.hdf5", "robomimic"))
    assert "1 of 4 episodes" in caplog.text and "left out: demo_10;" in caplog.text
    assert len(open_source(tmp_path / "masked.hdf5")) == 3
    caplog.clear()
    convert(ConvertConfig(path, tmp_path / "counted.hdf5", "robomimic", split="1,1,0"))
    assert "2 of 4 episodes" in caplog.text and "left out: demo_2, demo_10;" in caplog.text
    caplog.clear()
    convert(ConvertConfig(path, tmp_path / "all.hdf5", "robomimic", split="2,1,1"))
    assert not caplog.text


@pytest.mark.parametrize("to", ["robomimic", "lerobot", "episodes"])
def test_actions_and_frames_of_different_length_are_not_written(tmp_path, to):
    if to == "lerobot":
        pytest.importorskip("pyarrow")
    path = write_demonstrations(tmp_path / "can.hdf5")
    with h5py.File(path, "r+") as file:
        del file["data/demo_2/actions"]
        file["data/demo_2/actions"] = np.zeros((4, 7))
    config = ConvertConfig(path, tmp_path / "out", to, split="4,0,0")
    with pytest.raises(FormatError, match="demo_2: actions has 4 time steps, the episode 5"):
        convert(config)
    assert not (tmp_path / "out").exists()


# Videos


@pytest.fixture(scope="module")
def videos(dots, tmp_path_factory):
    out = tmp_path_factory.mktemp("mp4") / "dots"
    convert(ConvertConfig(dots, out, "mp4"))
    return out


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


def test_a_data_set_can_be_opened_by_its_index(dots):
    assert open_source(dots / "dots.hdf5").meta == open_source(dots).meta


CONVERT_SLOWLY = """
import sys, time
from pathlib import Path

from datasets.convert import ConvertConfig, convert
from datasets.formats.detect import EpisodesSource
read = EpisodesSource.episode
EpisodesSource.episode = lambda self, i: (time.sleep(0.2), read(self, i))[1]
convert(ConvertConfig(Path(sys.argv[1]), Path(sys.argv[2]), "ftpv"))
"""


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
