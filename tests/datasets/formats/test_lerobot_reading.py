"""LeRobot data sets by others: frames belong to rows by time, and contradictions are errors."""

import h5py
import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from datasets.convert import ConvertConfig, convert  # noqa: E402
from datasets.episodes import EpisodeDataset  # noqa: E402
from datasets.errors import (  # noqa: E402
    DamagedDataError,
    FormatError,
    MismatchError,
    MissingDataError,
)
from datasets.formats.detect import open_source  # noqa: E402
from tests.datasets.lerobot_files import (  # noqa: E402
    FPS,
    KEY,
    number_of,
    read_list,
    write_lerobot,
    write_list,
)

DEPTH = {"dtype": "video", "shape": [16, 32, 1], "names": None}


@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3.0"])
@pytest.mark.parametrize("kind", ["video", "image"])
def test_frames_are_those_of_their_rows(tmp_path, version, kind):
    source = open_source(write_lerobot(tmp_path / "set", version=version, kind=kind))
    assert (source.lengths, source.views, source.meta.control_hz) == ([5, 4, 6], ["front"], FPS)
    for i in range(len(source)):
        episode = source.episode(i)
        assert number_of(episode.images["front"]) == episode.actions.ravel().tolist()


def test_an_old_set_is_converted(tmp_path):
    root = write_lerobot(tmp_path / "set", version="v2.1")
    convert(ConvertConfig(root, tmp_path / "out", "episodes", size=8, split="1,1,1"))
    data = EpisodeDataset(tmp_path / "out")
    assert data.lengths == [5, 4, 6] and number_of(data.images(2, "front")) == list(range(9, 15))


@pytest.mark.parametrize("number", [0, 6, 14])
def test_a_frame_that_the_video_lacks_is_named(tmp_path, number):
    root = write_lerobot(tmp_path / "set", missing=[number])
    episode = [0, 1, 2][(number > 4) + (number > 8)]
    source = open_source(root)
    with pytest.raises(MismatchError, match=rf"0\.mp4 .* episode {episode}"):
        source.episode(episode)
    assert len(source.episode((episode + 1) % 3)) > 0


@pytest.mark.parametrize("shift", [0.02, 0.05, -0.05, 1000.0])
def test_a_wrong_start_in_the_video_is_an_error(tmp_path, shift):
    root = write_lerobot(tmp_path / "set")
    rows = read_list(root)
    rows[2][f"videos/{KEY}/from_timestamp"] += shift
    write_list(root, rows)
    with pytest.raises(MismatchError, match=r"0\.mp4"):
        open_source(root).episode(2)


def change_table(root, name, change):
    file = next((root / "data").rglob("*.parquet"))
    table = pq.read_table(file)
    values = pa.array(change(np.array(table[name].to_pylist())))
    pq.write_table(table.set_column(table.column_names.index(name), name, values), file)
    return file


def late(times):
    return times + np.where(np.arange(len(times)) == 2, np.float32(0.001), 0).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "change", "error"),
    [
        ("timestamp", late, MismatchError),
        ("timestamp", lambda times: times * 2, MismatchError),
        ("timestamp", lambda times: times * np.nan, MismatchError),
        ("frame_index", lambda index: index[::-1].copy(), MismatchError),
        ("episode_index", lambda index: np.zeros_like(index), MismatchError),
        ("action", lambda values: [str(value) for value in values], FormatError),
        ("action", lambda values: [None] * len(values), FormatError),
    ],
)
def test_rows_that_are_not_those_of_their_episode_are_an_error(tmp_path, name, change, error):
    root = write_lerobot(tmp_path / "set")
    file = change_table(root, name, change)
    with pytest.raises(error, match=str(file)):
        open_source(root).episode(0)


@pytest.mark.parametrize("mark", ["is_depth_map", "video.is_depth_map"])
@pytest.mark.parametrize("place", ["info", "video_info"])
def test_depth_is_no_view(tmp_path, caplog, mark, place):
    features = {"observation.images.depth": DEPTH | {place: {mark: True}}}
    source = open_source(write_lerobot(tmp_path / "set", more=features))
    assert source.views == ["front"] and "observation.images.depth" in caplog.text
    assert list(source.episode(0).images) == ["front"]


def test_a_set_of_depth_alone_has_no_views(tmp_path):
    features = {KEY: DEPTH | {"info": {"is_depth_map": True}}}
    with pytest.raises(MissingDataError):
        open_source(write_lerobot(tmp_path / "set", more=features))


def test_two_features_of_one_view_are_an_error(tmp_path):
    features = {"front": {"dtype": "image", "shape": [16, 32, 3], "names": None}}
    with pytest.raises(MismatchError, match="view front"):
        open_source(write_lerobot(tmp_path / "set", more=features))


def test_frames_of_another_size_than_the_metadata_say(tmp_path):
    features = {KEY: {"dtype": "video", "shape": [32, 16, 3], "names": None}}
    source = open_source(write_lerobot(tmp_path / "set", more=features))
    with pytest.raises(MismatchError, match="32 x 16 pixels"):
        source.episode(0)


@pytest.mark.parametrize(
    ("info", "error"),
    [
        ({"fps": 0}, FormatError),
        ({"fps": "ten"}, FormatError),
        ({"features": ["action"]}, FormatError),
        ({"features": {KEY: {"dtype": "video"}}}, FormatError),
        ({"features": {KEY: {"dtype": "video", "shape": [3], "names": None}}}, FormatError),
        ({"data_path": "data/{episode}.parquet"}, FormatError),
        ({"video_path": None}, FormatError),
        ({"total_episodes": 4}, MismatchError),
    ],
)
def test_metadata_that_cannot_be_right(tmp_path, info, error):
    with pytest.raises(error, match="info.json"):
        open_source(write_lerobot(tmp_path / "set", **info))


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("episode_index", 1, MismatchError),
        ("episode_index", -1, FormatError),
        ("length", 0, FormatError),
        ("length", 10**11, MismatchError),
        ("length", None, FormatError),
        (f"videos/{KEY}/from_timestamp", 0.0, MismatchError),
        (f"videos/{KEY}/from_timestamp", float("nan"), FormatError),
    ],
)
def test_a_list_of_episodes_that_cannot_be_right(tmp_path, name, value, error):
    root = write_lerobot(tmp_path / "set")
    rows = read_list(root)
    rows[2][name] = value
    write_list(root, rows)
    with pytest.raises(error):
        open_source(root).episode(2)


@pytest.mark.parametrize(
    ("splits", "error"),
    [
        ({"train": "0:2", "test": "1:3"}, MismatchError),
        ({"train": "0:2", "val": "1:3"}, MismatchError),
        ({"train": "0:2", "test": "2:9"}, FormatError),
        ({"train": "0:2", "test": "most"}, FormatError),
    ],
)
def test_wrong_splits_can_be_replaced(tmp_path, splits, error):
    root = write_lerobot(tmp_path / "set", splits=splits)
    config = ConvertConfig(root, tmp_path / "out", "episodes", size=8)
    with pytest.raises(error, match="--split 10,5,5"):
        convert(config)
    convert(ConvertConfig(root, tmp_path / "out", "episodes", size=8, split="1,1,1"))
    assert EpisodeDataset(tmp_path / "out").split_sizes() == {"train": 1, "valid": 1, "test": 1}


def test_splits_by_other_names(tmp_path):
    splits = {"train": "0:1", "val": "1:2", "test": "2:3"}
    source = open_source(write_lerobot(tmp_path / "set", splits=splits))
    assert source.splits == {"train": [0], "valid": [1], "test": [2]}


def test_a_table_that_declares_more_rows_than_it_holds(tmp_path):
    root = write_lerobot(tmp_path / "set")
    file = next((root / "meta/episodes").rglob("*.parquet"))
    rows = 10_000_000
    pq.write_table(pa.table({"length": pa.array(np.zeros(rows, np.int8))}), file)
    assert rows > 100 * file.stat().st_size
    with pytest.raises(DamagedDataError, match=str(rows)):
        open_source(root)


def test_a_picture_that_is_not_in_the_table(tmp_path):
    root = write_lerobot(tmp_path / "set", kind="image")
    file = next((root / "data").rglob("*.parquet"))
    table = pq.read_table(file)
    cells = [{"bytes": None, "path": "0.png"}] * len(table)
    column = pa.array(cells, table.schema.field(KEY).type)
    pq.write_table(table.set_column(table.column_names.index(KEY), KEY, column), file)
    with pytest.raises(MissingDataError, match=str(file)):
        open_source(root).episode(0)


def test_metadata_of_ours_with_other_views(tmp_path, dots):
    root = write_lerobot(tmp_path / "set")
    (root / "meta/posealign.json").write_text((dots / "meta.json").read_text())
    with pytest.raises(MismatchError, match="view_0"):
        open_source(root)


def test_a_table_without_its_pictures(tmp_path):
    root = write_lerobot(tmp_path / "set", kind="image")
    file = next((root / "data").rglob("*.parquet"))
    pq.write_table(pq.read_table(file).drop_columns([KEY]), file)
    with pytest.raises(FormatError, match=f"{file} lacks {KEY}"):
        open_source(root).episode(0)


@pytest.mark.slow
def test_episodes_with_states_of_different_sizes_are_not_exported(own_dots, tmp_path):
    with h5py.File(own_dots / "episodes/000002.hdf5", "r+") as file:
        values = file["states"][()]
        del file["states"]
        file["states"] = values[:, :-1]
    with pytest.raises(MismatchError, match="episode 2: sim_state"):
        convert(ConvertConfig(own_dots, tmp_path / "out", "lerobot"))
    assert not (tmp_path / "out").exists()
