"""Depth in LeRobot's tables: what goes out comes back, and maps of others are understood."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.convert import ConvertConfig, convert
from datasets.episodes import EpisodeDataset, EpisodeWriter
from datasets.errors import DamagedDataError, FormatError, MismatchError
from datasets.formats.detect import open_source
from datasets.formats.lerobot_depth import decode_depth, depth_histogram, encode_depth
from datasets.formats.lerobot_stats import image_stats
from tests.datasets.synthetic import make_episode, make_meta

pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Episodes with depth of every value, and of none."""
    meta = replace(make_meta(1), depth=True)
    writer = EpisodeWriter(tmp_path_factory.mktemp("deep") / "dots", meta)
    rng = np.random.default_rng(0)
    for index in range(3):
        episode = make_episode(meta, index, 6)
        shape = (6, 48, 48)
        episode.depth = {v: rng.integers(0, 2**16, shape).astype(np.uint16) for v in meta.views}
        writer.write(index, episode)
    writer.write_index({"train": [0], "valid": [1], "test": [2]})
    return writer.root


@pytest.fixture(scope="module")
def exported(deep: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("lerobot") / "dots"
    convert(ConvertConfig(deep, out, "lerobot"))
    return out


@pytest.mark.slow
def test_depth_comes_back_without_loss(deep: Path, exported: Path, tmp_path: Path) -> None:
    convert(ConvertConfig(exported, tmp_path / "back", "episodes"))
    data, back = EpisodeDataset(deep), EpisodeDataset(tmp_path / "back")
    assert back.views == data.views and back.meta.depth
    for i in range(3):
        for view in data.views:
            np.testing.assert_array_equal(back.depth(i, view), data.depth(i, view))


def test_the_features_are_those_of_lerobots_raw_depth(deep: Path, exported: Path) -> None:
    info = json.loads((exported / "meta/info.json").read_text())
    feature = info["features"]["observation.images.view_0_depth"]
    assert feature["dtype"] == "image" and feature["shape"] == [48, 48, 1]
    assert feature["info"] == {"is_depth_map": True}
    table = pq.read_table(next((exported / "data").rglob("*.parquet")))
    cell = table["observation.images.view_0_depth"][0].as_py()
    assert cell["path"] is None
    with Image.open(io.BytesIO(cell["bytes"])) as picture:
        assert (picture.format, picture.mode) == ("TIFF", "I;16")
        np.testing.assert_array_equal(picture, EpisodeDataset(deep).depth(0, "view_0", [0])[0])


def test_statistics_are_in_millimetres(deep: Path, exported: Path) -> None:
    stats = json.loads((exported / "meta/stats.json").read_text())
    data = EpisodeDataset(deep)
    depth = np.concatenate([data.depth(i, "ego") for i in range(3)]).astype(float)
    found = stats["observation.images.ego_depth"]
    for name, value in {"mean": depth.mean(), "std": depth.std(), "max": depth.max()}.items():
        assert np.shape(found[name]) == (1, 1, 1)
        assert np.squeeze(found[name]) == pytest.approx(value)
    assert found["count"] == [18]


def test_a_set_by_others_has_depth_where_every_view_has_it(exported: Path, tmp_path: Path) -> None:
    copied = tmp_path / "dots"
    copied.mkdir()
    for part in ("data", "videos"):
        (copied / part).symlink_to(exported / part)
    (copied / "meta").mkdir()
    for file in (exported / "meta").iterdir():
        if file.name not in ("posealign.json", "info.json"):
            (copied / "meta" / file.name).symlink_to(file)
    info = json.loads((exported / "meta/info.json").read_text())
    (copied / "meta/info.json").write_text(json.dumps(info))
    assert open_source(copied).meta.depth
    del info["features"]["observation.images.ego_depth"]
    (copied / "meta/info.json").write_text(json.dumps(info))
    source = open_source(copied)
    assert not source.meta.depth and not source.episode(0).depth
    assert source.views == ["ego", "view_0"]


def tiff(values: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(values).save(content, "TIFF")
    return content.getvalue()


def test_floats_are_metres_and_what_does_not_fit_is_no_surface() -> None:
    metres = np.array([[0.0, 1.2345, 65.535], [65.6, np.nan, -1.0]], np.float32)
    found = decode_depth(tiff(metres), (2, 3), "map")
    np.testing.assert_array_equal(found, [[0, 1234, 65535], [0, 0, 0]])
    whole = np.array([[1, 65535, 70000]], np.int32)
    np.testing.assert_array_equal(decode_depth(tiff(whole), (1, 3), "map"), [[1, 65535, 0]])


def test_a_map_that_cannot_be_is_named() -> None:
    good = encode_depth(np.ones((4, 4), np.uint16))
    with pytest.raises(MismatchError, match="map is 4 x 4 pixels, not 5 x 4"):
        decode_depth(good, (4, 5), "map")
    with pytest.raises(DamagedDataError, match="map cannot be read as depth"):
        decode_depth(b"no picture", (4, 4), "map")
    with pytest.raises(FormatError, match="mode RGB, which is no depth"):
        decode_depth(tiff(np.zeros((4, 4, 3), np.uint8)), (4, 4), "map")


def test_statistics_of_one_distance() -> None:
    stats = image_stats(depth_histogram(np.full((2, 3, 3), 1234, np.uint16)), 2, scale=1)
    for name in ("min", "max", "mean", "q01", "q99"):
        assert stats[name] == [[[1234.0]]]
    assert np.squeeze(stats["std"]) == pytest.approx(0, abs=1e-2)
