"""Folders of numbered pictures: what is read, how views pair, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.convert import ConvertConfig, convert
from datasets.episodes import EpisodeDataset
from datasets.errors import DataError, FormatError, MismatchError
from datasets.formats.detect import open_source
from datasets.formats.image_folders import ImageFolderSource


def write(
    folder: Path,
    numbers: Sequence[int],
    form: str = "{:05d}.png",
    size: tuple[int, int] = (8, 8),
) -> None:
    """Pictures whose red is their number."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.new("RGB", size, (number, 99, 0)).save(folder / form.format(number))


def table(path: Path, rows: dict[str, Sequence[float]]) -> None:
    lines = [",".join(rows), *(",".join(map(str, row)) for row in zip(*rows.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")


def reds(source: ImageFolderSource, view: str, i: int = 0) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in source.episode(i).images[view]]


def opened(path: Path) -> ImageFolderSource:
    source = open_source(path)
    assert isinstance(source, ImageFolderSource)
    return source


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("form", ["{}.png", "{:03d}.png", "frame_{:06d}.png", "{:05d}.PNG"])
def test_numbers_begin_at_0_or_1_with_any_padding(tmp_path: Path, first: int, form: str) -> None:
    for take in ("take_1", "take_2"):
        for camera in ("wrist", "ego", "cam_10", "cam_9"):
            write(tmp_path / take / camera, range(first, first + 12), form)
    source = opened(tmp_path)
    assert source.names == ["take_1", "take_2"] and source.lengths == [12, 12]
    assert source.views == ["ego", "cam_9", "wrist", "cam_10"]
    assert reds(source, "wrist", 1) == list(range(first, first + 12))
    assert (source.meta.control_hz, source.frame_size) == (20.0, (8, 8))


def test_one_command_makes_episodes(tmp_path: Path) -> None:
    for take in range(3):
        write(tmp_path / f"in/{take}/ego", range(5), "{}.jpg", (16, 8))
        write(tmp_path / f"in/{take}/front", range(5), "{}.jpeg", (16, 8))
    out = tmp_path / "out"
    convert(ConvertConfig(tmp_path / "in", out, "episodes", size=8, split="1,1,1", hz=30))
    data = EpisodeDataset(out)
    assert (data.views, data.lengths, data.meta.control_hz) == (["ego", "front"], [5, 5, 5], 30)
    assert data.images(2, "front").shape == (5, 8, 8, 3)


def test_the_folder_of_one_episode_is_read(tmp_path: Path) -> None:
    write(tmp_path / "take/ego", range(3))
    write(tmp_path / "take/front", range(3))
    assert opened(tmp_path / "take").names == ["take"]


def test_views_pair_by_the_times_of_their_frames_and_numbers_may_be_missing(
    tmp_path: Path,
) -> None:
    fast, slow = [k for k in range(30) if k not in (7, 11)], list(range(100, 110))
    write(tmp_path / "take/fast", fast)
    write(tmp_path / "take/slow", slow)
    table(tmp_path / "take/fast.csv", {"time": [k / 30 for k in fast]})
    table(tmp_path / "take/slow.csv", {"time_ms": [100 * (k - 100) + 1 for k in slow]})
    table(
        tmp_path / "take/joints.csv",
        {"time": [k / 10 for k in range(11)], "a": [k / 10 for k in range(11)]},
    )
    source = opened(tmp_path)
    assert source.meta.control_hz == pytest.approx(10)
    assert reds(source, "slow") == slow
    assert reds(source, "fast") == [3 * k for k in range(10)]
    joints = source.episode(0).observations["joints"]
    np.testing.assert_allclose(joints[:, 0], np.arange(10) / 10 + 0.001)


def rows(name: str, count: int) -> Callable[[Path], None]:
    return lambda take: table(take / f"{name}.csv", {"time": [k / 10 for k in range(count)]})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda take: (take / "ego/00003.png").unlink(), "has no frame 000003 but 00004.png"),
        (lambda take: write(take / "ego", [6]), "Write the times of the frames to ego.csv and"),
        (lambda take: (take / "ego/00000.png").unlink(), "6 frames|5 frames"),
        (lambda take: write(take / "ego", [3], "{}.jpg"), "are the same frame"),
        (lambda take: (take / "ego/last.png").write_bytes(b""), "whose name is not read"),
        (rows("ego", 6), "front.csv does not exist"),
        (lambda take: (rows("ego", 6)(take), rows("front", 5)(take)), "5 times, but front has 6"),
        (lambda take: write(take.parent / "other/ego", range(6)), "take has the views"),
    ],
)
def test_what_does_not_fit_is_named(
    tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    for camera in ("ego", "front"):
        write(tmp_path / "take" / camera, range(6))
    damage(tmp_path / "take")
    with pytest.raises(DataError, match=message):
        open_source(tmp_path)


def test_pictures_of_another_size_are_named(tmp_path: Path) -> None:
    write(tmp_path / "take/ego", range(5))
    write(tmp_path / "take/ego", [5], size=(9, 8))
    with pytest.raises(MismatchError, match=r"00005\.png is 9 x 8 pixels, 00000\.png beside it 8"):
        opened(tmp_path).episode(0)


def test_views_of_other_sizes_need_one_to_be_stored_at(tmp_path: Path) -> None:
    write(tmp_path / "in/take/ego", range(5))
    write(tmp_path / "in/take/front", range(5), size=(16, 16))
    options = ConvertConfig(tmp_path / "in", tmp_path / "out", "episodes", split="1,0,0")
    with pytest.raises(MismatchError, match="Make them equal: --size 8"):
        convert(options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time;x\n0;1\n0,1;2\n0,2;3\n", "ego.csv has semicolons between its columns"),
        ("time\tx\n0\t1\n0.1\t2\n0.2\t3\n", "ego.csv has tabs between its columns"),
        ("time\n0\n33\n67\n", r"ego.csv has 33.5 s between frames. Call .* time_ms"),
    ],
)
def test_tables_of_other_units_and_countries_are_named(
    tmp_path: Path, text: str, message: str
) -> None:
    for view in ("ego", "front"):
        write(tmp_path / "a" / view, range(3))
        (tmp_path / f"a/{view}.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        open_source(tmp_path)


def test_a_table_of_times_alone_belongs_to_a_view(tmp_path: Path) -> None:
    for view in ("ego", "front"):
        write(tmp_path / "a" / view, range(3))
    table(tmp_path / "a/timestamps.csv", {"time": [0, 0.1, 0.2]})
    with pytest.raises(DataError, match=r"times and no values.*copy it to ego.csv and front.csv"):
        open_source(tmp_path)
    for view in ("ego", "front"):
        table(tmp_path / f"a/{view}.csv", {"time": [0, 0.1, 0.2]})
    (tmp_path / "a/timestamps.csv").unlink()
    assert opened(tmp_path).meta.control_hz == pytest.approx(10)


@pytest.mark.parametrize(
    ("form", "named"),
    [
        ("{:05d}.bmp", "neither a JPEG nor a PNG picture. Convert"),
        ("{:05d}.webp", "neither a JPEG nor a PNG picture. Convert"),
        ("{:04d}_left.png", "whose name is not read"),
        ("IMG_20240101_{:06d}.jpg", "whose name is not read"),
        ("1700000000.{:02d}.png", "whose name is not read"),
    ],
)
def test_a_camera_is_not_left_out_where_none_of_its_pictures_is_read(
    tmp_path: Path, form: str, named: str
) -> None:
    write(tmp_path / "take_1/ego", range(4))
    write(tmp_path / "take_1/front", range(4), form)
    (tmp_path / "take_1/notes").mkdir()
    (tmp_path / "take_1/notes/made.txt").touch()
    with pytest.raises(FormatError, match=named) as error:
        opened(tmp_path)
    assert str(tmp_path / "take_1/front") in str(error.value)
