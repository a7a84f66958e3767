"""Every kind of bad data gives one error that names the file and the remedy."""

import dataclasses
import json
import re
import shutil
from contextlib import contextmanager

import h5py
import numpy as np
import pytest

from datasets.episodes import EpisodeDataset, EpisodeWriter
from datasets.errors import (
    DamagedDataError,
    FormatError,
    MismatchError,
    MissingDataError,
    OutsideFolderError,
    UnknownNameError,
)
from datasets.formats.detect import open_source
from datasets.storage.checks import open_episode
from datasets.storage.meta import DatasetMeta
from tests.datasets.synthetic import make_data_set, make_episode, make_meta

REMEDY = r"run the command in meta\.json again|make the data set again|Use "


@contextmanager
def data_error(error, path, message="", remedy=REMEDY):
    """Require that the block raises one line with `path`, the fault and a remedy."""
    with pytest.raises(error) as raised:
        yield
    text = str(raised.value)
    assert str(path) in text
    assert re.search(message, text), text
    assert re.search(remedy, text, re.IGNORECASE), text
    assert "\n" not in text


@pytest.fixture
def episode(own_dots):
    return own_dots / "episodes" / "000001.hdf5"


def check(root, **kwargs):
    EpisodeDataset(root).check(**kwargs)


@pytest.mark.parametrize("share", [0, 0.0001, 0.01, 0.3, 0.5, 0.99, "last byte"])
def test_a_truncated_episode(own_dots, episode, share):
    content = episode.read_bytes()
    length = len(content) - 1 if share == "last byte" else int(len(content) * share)
    episode.write_bytes(content[:length])
    with data_error(DamagedDataError, episode):
        check(own_dots)
    with data_error(DamagedDataError, episode):
        _ = EpisodeDataset(own_dots).lengths


def test_a_file_that_is_not_hdf5(own_dots, episode):
    episode.write_text("not an episode\n" * 1000)
    with data_error(DamagedDataError, episode):
        check(own_dots)


def test_a_half_written_episode_without_its_attributes(own_dots, episode):
    with h5py.File(episode, "w") as file:
        file["obs/ego_image"] = np.zeros((20, 48, 48, 3), np.uint8)
    with data_error(FormatError, episode, "`num_samples`"):
        check(own_dots)


def test_a_half_written_episode_that_was_never_closed(own_dots, episode):
    content = shutil.copy(episode, own_dots / "copy.hdf5")
    with h5py.File(content) as source, h5py.File(own_dots / "open.hdf5", "w") as file:
        file.attrs["num_samples"] = source.attrs["num_samples"]
        source.copy("obs/ego_image", file.create_group("obs"))
        file.flush()
        shutil.copy(own_dots / "open.hdf5", episode)
    with data_error((DamagedDataError, MissingDataError), episode):
        check(own_dots)


def test_a_damaged_frame_is_an_error_when_it_is_read(own_dots, episode):
    with h5py.File(episode) as file:
        chunk = file["obs/view_0_image"].id.get_chunk_info(5)
    with open(episode, "r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(bytes(chunk.size))
    dataset = EpisodeDataset(own_dots)
    assert len(dataset.images(1, "view_0", [4, 6])) == 2
    with data_error(DamagedDataError, episode):
        dataset.images(1, "view_0", [4, 5])


def test_an_index_that_names_a_missing_file(own_dots, episode):
    episode.unlink()
    with data_error(MissingDataError, episode, r"dots\.hdf5"):
        EpisodeDataset(own_dots)
    # Another split does not need that file.
    assert len(EpisodeDataset(own_dots, "test")) == 1


def test_an_episode_that_is_deleted_while_the_data_set_is_open(own_dots, episode):
    dataset = EpisodeDataset(own_dots)
    episode.unlink()
    with data_error(MissingDataError, episode):
        dataset.images(1, "ego")


@pytest.mark.parametrize("target", ["../secret.hdf5", "/etc/secret.hdf5", "episodes/../../x.hdf5"])
def test_an_index_that_links_outside_its_folder(own_dots, target):
    shutil.copy(own_dots / "episodes/000000.hdf5", own_dots.parent / "secret.hdf5")
    index = own_dots / "dots.hdf5"
    with h5py.File(index, "r+") as file:
        del file["data/demo_1"]
        file["data/demo_1"] = h5py.ExternalLink(target, "/")
    with data_error(OutsideFolderError, index, target):
        EpisodeDataset(own_dots)


def test_an_index_with_episodes_inside_itself(own_dots):
    index = own_dots / "dots.hdf5"
    with h5py.File(index, "r+") as file:
        file.create_group("data/demo_9")
    with data_error(FormatError, index, remedy="python -m sims.generate"):
        EpisodeDataset(own_dots)


def test_a_split_that_names_an_episode_that_is_not_in_the_index(own_dots):
    index = own_dots / "dots.hdf5"
    with h5py.File(index, "r+") as file:
        del file["data/demo_1"]
    with data_error(MismatchError, index, r"'train' .*\['demo_1'\]"):
        EpisodeDataset(own_dots, "train")


def test_an_index_that_is_missing(own_dots):
    (own_dots / "dots.hdf5").unlink()
    with data_error(MissingDataError, own_dots / "dots.hdf5", remedy="the index is written"):
        EpisodeDataset(own_dots)


def test_an_index_that_is_truncated(own_dots):
    index = own_dots / "dots.hdf5"
    index.write_bytes(index.read_bytes()[:-100])
    with data_error(DamagedDataError, index):
        EpisodeDataset(own_dots)


def test_an_index_without_data(own_dots):
    index = own_dots / "dots.hdf5"
    with h5py.File(index, "r+") as file:
        del file["data"]
    with data_error((DamagedDataError, MissingDataError), index, "data"):
        EpisodeDataset(own_dots)


def replace(episode, name, change):
    with h5py.File(episode, "r+") as file:
        value = change(file[name][:])
        del file[name]
        file[name] = value


def test_views_of_different_length(own_dots, episode):
    replace(episode, "obs/view_0_image", lambda frames: frames[:-1])
    steps = EpisodeDataset(own_dots).lengths[1]
    with data_error(MismatchError, episode, f"view_0 .* {steps - 1} .* {steps} "):
        check(own_dots)


def test_frames_of_another_size(own_dots, episode):
    replace(episode, "obs/view_0_image", lambda frames: frames[:, :40])
    with data_error(MismatchError, episode, r"view_0 .*\(40, 48, 3\)"):
        check(own_dots)


def test_an_episode_shorter_than_its_window_needs(tmp_path):
    root = make_data_set(tmp_path, episodes=3, steps=9, size=8, views=1)
    check(root, window=3)
    path = root / "episodes" / "000000.hdf5"
    with data_error(MismatchError, path, " 9 .* 10 .* 4 "):
        check(root, window=4)


def test_an_episode_just_as_long_as_its_window_needs(tmp_path):
    check(make_data_set(tmp_path, episodes=3, steps=10, size=8, views=1), window=4)


def test_keypoints_of_the_wrong_count(own_dots, episode):
    replace(episode, "obs/view_1_keypoints", lambda keypoints: keypoints[:, :7])
    with data_error(MismatchError, episode, r"view_1_keypoints .*\(\d+, 7, 2\)"):
        check(own_dots)
    check(own_dots, need_keypoints=False)


def test_visibility_of_the_wrong_length(own_dots, episode):
    replace(episode, "obs/view_1_visible", lambda visible: visible[1:])
    with data_error(MismatchError, episode, "view_1_visible"):
        check(own_dots)


def test_a_missing_view(own_dots, episode):
    with h5py.File(episode, "r+") as file:
        del file["obs/view_1_image"]
    with data_error(MissingDataError, episode, "images .*view_1"):
        check(own_dots)
    EpisodeDataset(own_dots, views=["ego", "view_0"]).check()


@pytest.mark.slow
@pytest.mark.parametrize("part", ["keypoints", "visible"])
def test_missing_keypoints(own_dots, episode, part):
    with h5py.File(episode, "r+") as file:
        del file[f"obs/view_1_{part}"]
    with data_error(MissingDataError, episode, f"{part} .*view_1", "Use --method deit"):
        check(own_dots)
    check(own_dots, need_keypoints=False)
    assert not EpisodeDataset(own_dots).has_keypoints(1)
    assert EpisodeDataset(own_dots).has_keypoints(0)


def test_a_missing_part_is_an_error_when_it_is_read(own_dots, episode):
    with h5py.File(episode, "r+") as file:
        del file["phases"]
    with data_error(DamagedDataError, episode, "phases"):
        EpisodeDataset(own_dots).phases(1)


def test_an_empty_split(tmp_path):
    splits = {"train": [0], "valid": [], "test": []}
    root = make_data_set(tmp_path, episodes=1, size=8, views=1, splits=splits)
    with data_error(MissingDataError, root, "split valid", "generate more episodes"):
        EpisodeDataset(root, "valid").check()


def test_an_unknown_split(own_dots):
    with data_error(
        MissingDataError, own_dots / "dots.hdf5", "'tset'", r"\['test', 'train', 'valid'\]"
    ):
        EpisodeDataset(own_dots, "tset")


def test_an_unknown_view(own_dots):
    with pytest.raises(UnknownNameError, match="view_7.*view_0"):
        EpisodeDataset(own_dots, views=["ego", "view_7"])
    data = EpisodeDataset(own_dots)
    for read in (data.images, data.keypoints, data.visible):
        with pytest.raises(UnknownNameError, match="view_7"):
            read(0, "view_7")


def test_whole_files_are_not_to_be_deleted(tmp_path):
    meta = make_meta(views=1, size=8, skeleton="none")
    writer = EpisodeWriter(tmp_path, meta)
    writer.write(0, dataclasses.replace(make_episode(meta, 0, 8), keypoints={}, visible={}))
    writer.write_index({"train": [0]})
    data = EpisodeDataset(tmp_path)
    with pytest.raises(MissingDataError) as error:
        data.keypoints(0, "ego")
    assert "Delete" not in str(error.value)
    with (
        pytest.raises(MissingDataError, match="thumb") as error,
        open_episode(data.paths[0]) as file,
    ):
        file["obs/thumb"]
    assert "Delete" not in str(error.value)


def test_a_folder_that_is_not_a_data_set(tmp_path):
    with data_error(MissingDataError, tmp_path / "meta.json", remedy="python -m sims.generate"):
        EpisodeDataset(tmp_path)


def test_a_file_in_place_of_a_folder(tmp_path):
    (tmp_path / "lift").touch()
    with data_error(MissingDataError, tmp_path / "lift", remedy="python -m sims.generate"):
        EpisodeDataset(tmp_path / "lift")


BAD_META = {
    "not JSON": ('{"env": "dots", ', DamagedDataError, ""),
    "not text": (b"\x89HDF\xff\xfe", DamagedDataError, ""),
    "empty": ("", DamagedDataError, ""),
    "not an object": ("[1, 2]", FormatError, ""),
    "a field is missing": ({"views": None}, FormatError, r"\['views'\]"),
    "a field of the wrong type": ({"views": "ego"}, FormatError, "`views` .*list.*'ego'"),
    "an unknown skeleton": ({"skeleton": "octopus"}, FormatError, "'octopus'.*'panda'"),
    "a skeleton of the wrong type": (
        {"skeleton": "octopus", "own_skeleton": ["arm"]},
        FormatError,
        "`own_skeleton`",
    ),
    "a skeleton without bones": (
        {"skeleton": "octopus", "own_skeleton": {"keypoints": ["head"]}},
        FormatError,
        "`own_skeleton/bones`",
    ),
    "a skeleton with a loose bone": (
        {"skeleton": "octopus", "own_skeleton": {"keypoints": ["head"], "bones": [[0, 1]]}},
        FormatError,
        r"`own_skeleton` .*\(0, 1\)",
    ),
}


@pytest.mark.parametrize(("content", "error", "message"), BAD_META.values(), ids=BAD_META.keys())
def test_a_bad_meta(own_dots, content, error, message):
    path = own_dots / "meta.json"
    if isinstance(content, dict):
        stored = json.loads(path.read_text()) | content
        content = json.dumps({name: value for name, value in stored.items() if value is not None})
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with data_error(error, path, message, "make the data set again"):
        EpisodeDataset(own_dots)


def test_a_field_from_a_later_version_is_no_error(own_dots):
    path = own_dots / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"lighting": "day"}))
    assert DatasetMeta.load(own_dots) == make_meta()


@pytest.mark.parametrize("part", ["dots.hdf5", "meta.json", "episodes", "episodes/000001.hdf5"])
def test_a_part_of_a_data_set_names_its_folder(own_dots, part):
    with pytest.raises(MissingDataError) as raised:
        EpisodeDataset(own_dots / part)
    assert str(raised.value).endswith(f"Name the folder that holds it: {own_dots}")


def test_a_recording_names_the_command_that_converts_it(tmp_path):
    (tmp_path / "my takes").mkdir()
    with pytest.raises(MissingDataError) as raised:
        EpisodeDataset(tmp_path / "my takes")
    command = f"python -m datasets.convert '{tmp_path}/my takes' OUT --to episodes"
    assert command in str(raised.value)


def test_a_file_on_a_faulty_disk(tmp_path):
    # Linux answers a read of a process's memory at 0 with EIO, as it does for a bad sector.
    path = tmp_path / "takes.hdf5"
    path.symlink_to("/proc/self/mem")
    with data_error(DamagedDataError, path, "Input/output error", "copy it again"):
        open_source(path)
