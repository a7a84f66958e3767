"""Which folders are episodes, what operating systems leave in them, and what is left out."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from datasets.errors import FormatError
from datasets.formats.detect import open_source
from datasets.formats.image_folders import ImageFolderSource
from datasets.formats.videos import VideoSource
from datasets.source import Source
from tests.datasets.formats.test_image_folders import write as write_pictures
from tests.datasets.lerobot_files import write_lerobot
from tests.datasets.synthetic import make_data_set
from tests.datasets.video.numbered import write

OF_MACOS = b"\0\5\x16\7\xff"


def videos(root: Path, *places: str) -> Path:
    for place in places:
        write(root / place, 3)
    return root


def warned(source: type[Source], root: Path, caplog: pytest.LogCaptureFixture) -> str:
    with caplog.at_level(logging.WARNING):
        source(root)
    return caplog.text


def test_files_of_operating_systems_are_not_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = videos(tmp_path, "a/ego.mp4", "a/front.mp4", "b/ego.mp4", "b/front.mp4")
    for name in ("a/._ego.mp4", "a/._ego.csv", "b/.DS_Store"):
        (root / name).write_bytes(OF_MACOS)
    videos(root, "@eaDir/ego.mp4", "a/@eaDir/ego.mp4", "__MACOSX/a/ego.mp4")
    source = open_source(root)
    assert (source.names, source.views) == (["a", "b"], ["ego", "front"])
    assert not caplog.records


def test_pictures_of_operating_systems_are_no_view(tmp_path: Path) -> None:
    for view in ("ego", "front", "@eaDir", ".thumbnails"):
        write_pictures(tmp_path / "a" / view, range(3))
    assert open_source(tmp_path).views == ["ego", "front"]


def test_a_lerobot_set_may_have_files_of_operating_systems(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set")
    for file in [file for file in root.rglob("*.*") if file.is_file()]:
        file.with_name(f"._{file.name}").write_bytes(OF_MACOS)
    assert len(open_source(root)) == 3


@pytest.mark.parametrize("suffix", ["m4v", "mts", "ts", "mpg", "wmv", "flv", "3gp"])
def test_videos_of_less_usual_containers_are_views(tmp_path: Path, suffix: str) -> None:
    codec, form = {
        "mpg": ("mpeg2video", "mpeg"),
        "wmv": ("wmv2", "asf"),
        "mts": ("libx264", "mpegts"),
        "ts": ("libx264", "mpegts"),
        "m4v": ("libx264", "mp4"),
    }.get(suffix, ("mpeg4" if suffix == "3gp" else "flv", suffix))
    write(tmp_path / "a/ego.mp4", 6)
    write(tmp_path / f"a/front.{suffix}", 6, codec, form=form)
    source = open_source(tmp_path)
    assert source.views == ["ego", "front"] and source.lengths == [6]


def test_folders_that_are_left_out_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    videos(tmp_path, "a/ego.mp4", "b/ego.mp4")
    write_pictures(tmp_path / "c/ego", range(3))
    text = warned(VideoSource, tmp_path, caplog)
    assert "folders without videos are left out: c" in text
    caplog.clear()
    text = warned(ImageFolderSource, tmp_path, caplog)
    assert "folders without folders of pictures are left out: a, b" in text


def test_a_video_beside_episodes_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    videos(tmp_path, "a/ego.mp4", "b/ego.mp4", "overview.mp4")
    text = warned(VideoSource, tmp_path, caplog)
    assert "holds videos itself, so that it is one episode" in text
    assert "left out: a, b. Move its own videos elsewhere" in text


@pytest.mark.parametrize(
    ("places", "doubtful"),
    [
        (("front/000000.mp4", "wrist/000000.mp4"), True),
        (("cam_0/episode_3.mp4", "cam_1/episode_3.mp4"), True),
        (("000000/front.mp4", "000001/front.mp4"), False),
        (("000000/000001.mp4", "000001/000001.mp4"), False),
        (("pick/24259877.mp4", "place/24259877.mp4"), False),
        (("pick/cam_0.mp4", "place/cam_0.mp4"), False),
    ],
)
def test_folders_that_seem_to_be_of_cameras_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, places: tuple[str, ...], doubtful: bool
) -> None:
    text = warned(VideoSource, videos(tmp_path, *places), caplog)
    assert ("Where cameras hold episodes, exchange the two" in text) == doubtful


def test_a_part_of_a_data_set_names_the_whole(tmp_path: Path) -> None:
    dots = make_data_set(tmp_path / "dots", episodes=3, views=1, size=16, steps=4)
    lerobot = write_lerobot(tmp_path / "set", version="v2.1")
    for part, whole in (
        (dots / "episodes/000000.hdf5", dots),
        (dots / "episodes", dots),
        (lerobot / "videos", lerobot),
        (lerobot / "data/0.parquet", lerobot),
    ):
        with pytest.raises(FormatError) as refused:
            open_source(part)
        assert str(refused.value) == f"{part} is a part of the data set {whole}. Name that folder."


@pytest.mark.parametrize("place", ["x/a/ego.mp4", "a/ego/00000.bmp", "a/ego/cam0_color_00000.png"])
def test_videos_and_pictures_in_other_places_are_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "set" / place).parent.mkdir(parents=True)
    (tmp_path / "set" / place).write_bytes(b"")
    with pytest.raises(FormatError, match="is not read: name videos") as refused:
        open_source(tmp_path / "set")
    assert str(tmp_path / "set" / place) in str(refused.value)


@pytest.mark.parametrize(
    ("place", "given", "named"),
    [
        ("set/traj.h5", "set", "A data set of one file is named itself: {place}."),
        ("set/take_0.mcap", "set", "name the folder of its metadata.yaml"),
        ("set/take/take_0.db3", "set/take/take_0.db3", "`ros2 bag reindex {folder}` writes"),
    ],
)
def test_a_file_and_its_folder_that_are_taken_for_each_other_name_the_right_one(
    tmp_path: Path, place: str, given: str, named: str
) -> None:
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_bytes(b"")
    with pytest.raises(FormatError) as refused:
        open_source(tmp_path / given)
    whole = {"place": tmp_path / place, "folder": (tmp_path / place).parent}
    assert named.format(**whole) in str(refused.value)


def test_pictures_beside_videos_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_pictures(tmp_path / "set/take_1/ego", range(4))
    assert "take_1/ego" in warned(VideoSource, videos(tmp_path / "set", "take_1/front.mp4"), caplog)
