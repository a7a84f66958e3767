"""Sizes that a file declares are those that it holds, before memory is taken."""

import h5py
import numpy as np
import pytest

from datasets.convert import ConvertConfig, convert
from datasets.episodes import EpisodeDataset
from datasets.errors import DamagedDataError, FormatError
from datasets.formats.detect import open_source
from datasets.info import InfoConfig, info
from datasets.storage.arrays import read_array
from datasets.storage.index import read_splits

HUGE = 10**11


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "arrays.hdf5", "w") as file:
        yield file


@pytest.mark.parametrize("chunks", [(1, 100, 100, 3), None], ids=["chunks", "one block"])
def test_an_array_that_was_never_written(file, chunks):
    file.create_dataset("x", (100, 100, 100, 3), np.uint8, chunks=chunks, compression=None)
    with pytest.raises(DamagedDataError, match="holds 0 of its"):
        read_array(file, "x")


def test_an_array_of_which_a_part_was_written(file):
    array = file.create_dataset("x", (10, 4), np.uint8, chunks=(3, 4))
    array[:9] = 1
    with pytest.raises(DamagedDataError, match="holds 3 of its 4 chunks"):
        read_array(file, "x")
    array[9:] = 2
    assert read_array(file, "x")[9, 3] == 2


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6.0).reshape(2, 3),
        np.zeros((0, 3)),
        np.array(3),
        np.array([b"a", b"bc"]),
        np.array([True, False]),
    ],
)
def test_whole_arrays_are_read(file, value):
    file["x"] = value
    file.create_dataset("packed", data=value, chunks=True if value.size > 1 else None)
    file["text"] = ["some", "words"]
    for name in ("x", "packed"):
        np.testing.assert_array_equal(read_array(file, name), value)
    assert read_array(file, "text").tolist() == [b"some", b"words"]


@pytest.mark.parametrize("value", [h5py.Empty("f"), None])
def test_what_is_no_array(file, value):
    if value is None:
        file.create_group("x")
    else:
        file["x"] = value
    with pytest.raises(FormatError, match="x must be an array"):
        read_array(file, "x")


def declare(file, name, shape, dtype=np.uint8):
    if name in file:
        del file[name]
    file.create_dataset(name, shape, dtype, chunks=(1, *shape[1:]))


def test_a_small_file_that_declares_terabytes_of_frames(tmp_path):
    path = tmp_path / "small.hdf5"
    with h5py.File(path, "w") as file:
        declare(file, "data/demo_0/obs/agentview_image", (10**6, 1000, 1000, 3))
    assert path.stat().st_size < 10_000
    with pytest.raises(DamagedDataError, match="small.hdf5"):
        open_source(path).episode(0)
    with pytest.raises(DamagedDataError, match="small.hdf5"):
        info(InfoConfig(path, contact_sheet=tmp_path / "sheet.png"))
    with pytest.raises(DamagedDataError, match="small.hdf5"):
        convert(ConvertConfig(path, tmp_path / "out", "episodes", size=8, split="1,0,0"))


@pytest.mark.parametrize("encoded", [h5py.vlen_dtype(np.uint8), "S100"])
def test_a_small_file_that_declares_many_encoded_pictures(tmp_path, encoded):
    path = tmp_path / "small.hdf5"
    with h5py.File(path, "w") as file:
        declare(file, "data/demo_0/obs/agentview_image", (HUGE,), encoded)
    with pytest.raises(DamagedDataError, match="small.hdf5"):
        open_source(path)


def test_an_index_that_declares_more_names_than_it_holds(own_dots):
    with h5py.File(own_dots / "dots.hdf5", "r+") as index:
        declare(index, "mask/train", (HUGE,), "S8")
    for use in (
        lambda: EpisodeDataset(own_dots, "train"),
        lambda: read_splits(own_dots / "dots.hdf5"),
        lambda: info(InfoConfig(own_dots, columns=1)),
    ):
        with pytest.raises(DamagedDataError, match="dots.hdf5"):
            use()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["phases", "actions", "obs/ego_image", "obs/view_0_keypoints"])
def test_an_episode_that_declares_more_steps_than_it_holds(own_dots, name, capsys):
    path = own_dots / "episodes/000001.hdf5"
    with h5py.File(path, "r+") as file:
        steps, shape, dtype = len(file["phases"]), file[name].shape, file[name].dtype
        declare(file, name, shape, dtype)
    assert EpisodeDataset(own_dots).lengths[1] == steps
    problems = info(InfoConfig(own_dots, columns=1))
    assert [type(problem) for problem in problems] == [DamagedDataError]
    assert str(path) in str(problems[0]) and str(path) in capsys.readouterr().err
