"""One episode is never in two splits: by its name, by a link, or by its content."""

import os
import shutil

import h5py
import numpy as np
import pytest

from datasets.convert import ConvertConfig, convert
from datasets.episodes import EpisodeDataset
from datasets.errors import FormatError, MismatchError, OptionError
from datasets.formats.detect import open_source
from datasets.info import InfoConfig, info


def put_mask(file, split, names):
    del file[f"mask/{split}"]
    file[f"mask/{split}"] = np.array(names)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("split", "names"), [("test", [b"demo_4", b"demo_0"]), ("train", [b"demo_0", b"demo_0"])]
)
def test_an_episode_in_two_splits_or_twice_in_one(own_dots, split, names):
    with h5py.File(own_dots / "dots.hdf5", "r+") as file:
        put_mask(file, split, names)
    for use in (
        lambda: EpisodeDataset(own_dots, "train"),
        lambda: EpisodeDataset(own_dots, "test"),
        lambda: info(InfoConfig(own_dots, columns=1)),
        lambda: convert(ConvertConfig(own_dots, own_dots / "out", "ftpv")),
    ):
        with pytest.raises(MismatchError, match="demo_0"):
            use()


def by_symbolic_link(root):
    (root / "episodes/000004.hdf5").unlink()
    (root / "episodes/000004.hdf5").symlink_to("000000.hdf5")


def by_hard_link(root):
    (root / "episodes/000004.hdf5").unlink()
    os.link(root / "episodes/000000.hdf5", root / "episodes/000004.hdf5")


@pytest.mark.parametrize("link", [by_symbolic_link, by_hard_link])
def test_two_names_of_one_file(own_dots, link):
    link(own_dots)
    for split in ("train", "test", None):
        with pytest.raises(MismatchError, match="demo_0 and demo_4"):
            EpisodeDataset(own_dots, split)


def test_two_entries_of_one_file(own_dots):
    with h5py.File(own_dots / "dots.hdf5", "r+") as file:
        del file["data/demo_4"]
        file["data/demo_4"] = h5py.ExternalLink("episodes/000000.hdf5", "/")
    with pytest.raises(MismatchError, match="demo_0 and demo_4"):
        EpisodeDataset(own_dots, "test")


@pytest.mark.slow
def test_a_copy_in_another_split(own_dots, capsys):
    shutil.copy(own_dots / "episodes/000000.hdf5", own_dots / "episodes/000004.hdf5")
    for split in ("train", "test"):
        with pytest.raises(MismatchError, match=r"demo_4 \(test\) .* demo_0 \(train\)"):
            EpisodeDataset(own_dots, split).check()
    assert [type(problem) for problem in info(InfoConfig(own_dots, columns=1))] == [MismatchError]
    assert "demo_0 (train)" in capsys.readouterr().err


def test_a_copy_in_the_same_split_measures_nothing_learned(own_dots):
    shutil.copy(own_dots / "episodes/000000.hdf5", own_dots / "episodes/000001.hdf5")
    EpisodeDataset(own_dots, "train").check()


@pytest.mark.slow
def test_conversion_warns_of_equal_episodes_in_two_splits(own_dots, tmp_path, caplog):
    shutil.copy(own_dots / "episodes/000000.hdf5", own_dots / "episodes/000004.hdf5")
    convert(ConvertConfig(own_dots, tmp_path / "out", "episodes"))
    assert "demo_4 (test) has the same content as demo_0 (train)" in caplog.text


@pytest.mark.parametrize("names", [np.arange(3), np.array([[b"demo_0"]])])
def test_a_mask_that_holds_no_names(own_dots, names):
    with h5py.File(own_dots / "dots.hdf5", "r+") as file:
        put_mask(file, "train", names)
    with pytest.raises(FormatError, match="mask train"):
        EpisodeDataset(own_dots, "train")


@pytest.mark.parametrize("name", ["data", "mask"])
def test_a_part_of_the_index_that_is_no_group(own_dots, name):
    with h5py.File(own_dots / "dots.hdf5", "r+") as file:
        del file[name]
        file[name] = np.arange(3)
    with pytest.raises(FormatError, match=f"{name} must be a group"):
        EpisodeDataset(own_dots, "train")


def test_a_view_that_is_asked_for_twice(dots):
    with pytest.raises(OptionError, match="ego"):
        EpisodeDataset(dots, views=["ego", "view_0", "ego"])


@pytest.fixture
def demonstrations(dots, tmp_path):
    """The data set as one file."""
    path = tmp_path / "dots_in_one.hdf5"
    convert(ConvertConfig(dots, path, "robomimic"))
    return path


@pytest.mark.slow
def test_masks_of_one_file_that_share_an_episode_can_be_replaced(demonstrations, tmp_path):
    with h5py.File(demonstrations, "r+") as file:
        put_mask(file, "test", [b"demo_0"])
    with pytest.raises(MismatchError, match="demo_0.*--split 10,5,5"):
        convert(ConvertConfig(demonstrations, tmp_path / "out", "episodes"))
    convert(ConvertConfig(demonstrations, tmp_path / "out", "episodes", split="3,1,1"))
    assert EpisodeDataset(tmp_path / "out").split_sizes() == {"train": 3, "valid": 1, "test": 1}


@pytest.mark.slow
def test_masks_that_name_absent_demonstrations(demonstrations, caplog):
    with h5py.File(demonstrations, "r+") as file:
        put_mask(file, "train", [b"demo_0", b"demo_1", b"demo_99"])
    assert open_source(demonstrations).splits == {"train": [0, 1], "valid": [3], "test": [4]}
    assert "demo_99" in caplog.text


@pytest.mark.slow
def test_a_file_beside_metadata_is_opened_as_itself(demonstrations, own_dots):
    beside = shutil.copy(demonstrations, own_dots / "other.hdf5")
    assert open_source(own_dots / "other.hdf5").root == beside
    assert open_source(own_dots / "dots.hdf5").root == own_dots
