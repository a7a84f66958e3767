import os
import subprocess
import sys
from dataclasses import dataclass, replace

import h5py
import numpy as np
import pytest
from PIL import Image

from datasets import info
from datasets.episodes import EpisodeDataset
from datasets.errors import MissingDataError
from datasets.storage.meta import newest_data_set
from datasets.summary import describe, summarize
from tests import REPOSITORY
from tests.datasets.synthetic import make_data_set, make_meta


@dataclass
class Result:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run_info(monkeypatch, capsys):
    """Run the command line in this process, because a new Python takes seconds to start."""

    def run(*arguments) -> Result:
        monkeypatch.setattr(sys, "argv", ["datasets.info", *map(str, arguments)])
        code = 0
        try:
            info.main()
        except SystemExit as end:
            # Python itself prints a text to stderr and exits with 1.
            code = end.code if isinstance(end.code, int) else 1
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
        return Result(code, *capsys.readouterr())

    return run


@pytest.mark.slow
def test_info_runs_as_a_module():
    result = subprocess.run(
        [sys.executable, "-m", "datasets.info", "--help"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert "usage: python -m datasets.info" in result.stdout
    assert "--contact-sheet" in result.stdout


@pytest.mark.slow
def test_the_summary_counts_what_is_on_disk(dots):
    dataset = EpisodeDataset(dots)
    summary = summarize(dataset, range(len(dataset)), with_keypoints=True)
    episodes = [dataset.episode(i) for i in range(len(dataset))]
    assert summary.lengths == [len(episode) for episode in episodes]
    phases = np.concatenate([episode.phases for episode in episodes])
    for index, name in enumerate(dataset.meta.phases):
        assert summary.phase_shares[name] == pytest.approx((phases == index).mean())
    for view in dataset.views:
        visible = np.concatenate([episode.visible[view] for episode in episodes])
        np.testing.assert_allclose(summary.visible[view], visible.mean(0))
    assert summary.size_on_disk == sum(path.stat().st_size for path in dataset.paths)


def test_the_summary_has_the_places_of_the_cameras(dots):
    dataset = EpisodeDataset(dots)
    cameras = summarize(dataset, [0, 1], with_keypoints=False).cameras
    # The synthetic cameras are at 0.3 and 1.3 half turns, and 1.1 x 0.35 m and 1.1 x 0.65 m above
    # the centre, which is at 0.25 m.
    assert cameras["view_0"].azimuth == pytest.approx(0.3 * 180)
    assert cameras["view_1"].azimuth == pytest.approx(1.3 * 180 - 360)
    np.testing.assert_allclose(cameras["view_0"].heights, 0.25 + 1.1 * 0.35)
    np.testing.assert_allclose(cameras["view_1"].heights, 0.25 + 1.1 * 0.65)
    assert cameras["ego"].azimuth is None
    low, high = cameras["ego"].heights
    hand = np.concatenate([dataset.episode(i).observations["robot0_eef_pos"] for i in (0, 1)])
    assert (low, high) == pytest.approx((hand[:, 2].min() + 0.25, hand[:, 2].max() + 0.25))


def test_the_summary_says_how_pictures_were_drawn(own_dots):
    plain = EpisodeDataset(own_dots)
    whole = range(len(plain))
    assert "  scenes " not in describe(plain, summarize(plain, whole, with_keypoints=True))
    replace(plain.meta, random_scenes=True, rig="ab12").save(own_dots)
    drawn = EpisodeDataset(own_dots)
    text = describe(drawn, summarize(drawn, whole, with_keypoints=True))
    assert "colours and lights drawn for each episode" in text
    assert "third-person ones from a file" in text


def test_a_camera_that_differs_between_episodes_is_not_called_moving(own_dots):
    with h5py.File(own_dots / "episodes/000001.hdf5", "r+") as file:
        pose = file["cameras/view_0/world_to_camera"]
        pose[:3, 3] = pose[:3, 3] + 0.5
    dataset = EpisodeDataset(own_dots)
    summary = summarize(dataset, [0, 1], with_keypoints=False)
    rows = [line.split()[:2] for line in describe(dataset, summary).splitlines()[-3:]]
    assert rows == [["ego", "moves"], ["view_0", "differs"], ["view_1", "-126°"]]


@pytest.mark.slow
def test_info_describes_a_data_set(run_info, dots, tmp_path):
    result = run_info(dots, "--contact-sheet", tmp_path / "sheet.png", "--columns", "3")
    assert result.returncode == 0, result.stderr
    lengths = EpisodeDataset(dots).lengths
    for part in (
        "dots, 5 episodes of 3 views",
        "made by   make_data_set(views=2, size=48, seed=0)",
        "train 3, valid 1, test 1",
        f"{min(lengths)} to {max(lengths)} time steps (median {np.median(lengths):g}); ",
        "48 x 48 pixels",
        "panda, 11 keypoints",
        "ego        moves",
        "sheet.png shows 000000.hdf5",
    ):
        assert part in result.stdout, result.stdout
    assert Image.open(tmp_path / "sheet.png").width > 3 * 224
    assert not (dots / "contact_sheet.png").exists()


@pytest.mark.slow
def test_info_takes_the_newest_data_set_and_the_given_episode(run_info, tmp_path, monkeypatch):
    make_data_set(tmp_path / "data" / "dots", episodes=3, size=16, views=1)
    monkeypatch.chdir(tmp_path)
    result = run_info("--episode", "2")
    assert result.returncode == 0, result.stderr
    assert "data/dots/contact_sheet.png shows 000002.hdf5" in result.stdout
    assert (tmp_path / "data/dots/contact_sheet.png").exists()


@pytest.mark.slow
def test_info_names_every_bad_episode_and_describes_the_others(run_info, own_dots):
    truncated, short = (own_dots / f"episodes/{name}.hdf5" for name in ("000000", "000002"))
    truncated.write_bytes(truncated.read_bytes()[:5000])
    with h5py.File(short, "r+") as file:
        frames = file["obs/ego_image"][:-1]
        del file["obs/ego_image"]
        file["obs/ego_image"] = frames
    result = run_info(own_dots)
    assert result.returncode == 1
    assert "contact_sheet.png shows 000001.hdf5" in result.stdout
    assert f"error: {truncated} cannot be read as HDF5" in result.stderr
    assert f"error: {short}: ego has" in result.stderr
    assert "2 of the episodes cannot be trained on" in result.stderr
    assert "every episode is whole" not in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("pictures", [np.zeros_like, lambda frames: 0 * frames + frames[:1]])
def test_info_names_a_view_whose_camera_had_stopped(run_info, own_dots, pictures):
    assert "one picture all the time" not in run_info(own_dots).stdout
    with h5py.File(own_dots / "episodes/000001.hdf5", "r+") as file:
        frames = file["obs/ego_image"]
        frames[...] = pictures(frames[...])
    result = run_info(own_dots)
    assert result.returncode == 0, result.stderr
    assert "ego shows one picture all the time in 1 of 5 episodes: 000001.hdf5" in result.stdout


@pytest.mark.slow
def test_info_of_a_data_set_without_keypoints(run_info, own_dots):
    for path in EpisodeDataset(own_dots).paths:
        with h5py.File(path, "r+") as file:
            for name in [name for name in file["obs"] if name.endswith(("_keypoints", "_visible"))]:
                del file["obs"][name]
    result = run_info(own_dots)
    assert result.returncode == 0, result.stderr
    assert "no keypoints: PAAB and PAAT need them" in result.stdout
    assert "`python -m datasets.keypoints`" in result.stdout
    assert (own_dots / "contact_sheet.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--episode", "9"], r"has no episode 9; --episode takes 0 to 4"),
        (["--columns", "0"], "--columns 0 is out of range"),
        (["--contact-sheet", "/proc/none/sheet.png"], "choose another --contact-sheet"),
        (["--episod", "1"], "unknown option --episod; did you mean --episode?"),
        (["--format", "nucl"], "unknown --format 'nucl'; did you mean 'nucla'?"),
    ],
)
def test_a_mistake_gives_one_line(run_info, dots, arguments, message):
    result = run_info(dots, *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_info_without_a_data_set(run_info, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run_info()
    assert result.returncode == 2
    assert "no data set under" in result.stderr and "python -m sims.generate" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_info_when_every_episode_is_bad(run_info, own_dots):
    for path in (own_dots / "episodes").iterdir():
        path.write_bytes(b"")
    result = run_info(own_dots)
    assert result.returncode == 2
    assert "no episode that can be trained on" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def set_time(path, seconds):
    os.utime(path, (seconds, seconds))


@pytest.mark.slow
def test_the_newest_data_set_has_the_newest_index(tmp_path):
    for name, seconds in (("a", 100), ("b", 300), ("c", 200)):
        make_data_set(tmp_path / name, episodes=3, size=8, views=1, steps=4)
        set_time(tmp_path / name / "dots.hdf5", seconds)
    assert newest_data_set(tmp_path) == tmp_path / "b"


def test_finished_data_sets_precede_an_unfinished_one(tmp_path):
    make_data_set(tmp_path / "whole", episodes=3, size=8, views=1, steps=4)
    set_time(tmp_path / "whole" / "dots.hdf5", 100)
    (tmp_path / "unfinished").mkdir()
    make_meta().save(tmp_path / "unfinished")
    assert newest_data_set(tmp_path) == tmp_path / "whole"
    (tmp_path / "whole" / "dots.hdf5").unlink()
    set_time(tmp_path / "whole" / "meta.json", 100)
    assert newest_data_set(tmp_path) == tmp_path / "unfinished"
    with pytest.raises(MissingDataError, match=r"dots\.hdf5"):
        EpisodeDataset(newest_data_set(tmp_path))


@pytest.mark.parametrize("make_root", [True, False])
def test_a_folder_without_data_sets(tmp_path, make_root):
    root = tmp_path / "data"
    if make_root:
        (root / "photos").mkdir(parents=True)
    with pytest.raises(MissingDataError, match=str(root)):
        newest_data_set(root)
