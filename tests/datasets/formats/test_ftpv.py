"""FTPV folders: what goes in comes out, published sets are understood, damage is named."""

import errno
import resource
import shutil

import numpy as np
import pytest
from PIL import Image

from datasets.convert import ConvertConfig, convert
from datasets.episodes import EpisodeDataset
from datasets.errors import DamagedDataError, FormatError, MismatchError, MissingDataError
from datasets.formats.ftpv import FtpvOptions, FtpvSource
from datasets.info import InfoConfig, info


@pytest.fixture(scope="module")
def folders(dots, tmp_path_factory):
    """The data set of dots as FTPV folders that lose nothing."""
    out = tmp_path_factory.mktemp("ftpv") / "dots"
    convert(ConvertConfig(dots, out, "ftpv", ftpv=FtpvOptions(image="png")))
    return out


@pytest.fixture
def own_folders(folders, tmp_path):
    """A copy for tests that damage it."""
    return shutil.copytree(folders, tmp_path / "copy")


def make_published(root, episodes, views=1, frames=6, size=(8, 8)):
    """A set as published: every episode is called tr_."""
    for episode in range(episodes):
        for view in ["fpv", *(f"tpv/view_{v:04d}" for v in range(views))]:
            folder = root / f"tr_{episode:04d}" / view
            folder.mkdir(parents=True)
            for time in range(frames):
                Image.new("RGB", size, (10 * time, 20 * episode, 99)).save(
                    folder / f"{time:06d}.jpg"
                )
    return root


@pytest.mark.slow
def test_the_layout_is_the_published_one(folders):
    names = sorted(path.name for path in folders.iterdir())
    assert names == ["te_0004", "tr_0000", "tr_0001", "tr_0002", "va_0003"]
    assert sorted(path.name for path in (folders / "tr_0000/tpv").iterdir()) == [
        "view_0000",
        "view_0001",
    ]
    assert (folders / "tr_0000/fpv/000000.png").is_file()


@pytest.mark.slow
def test_frames_and_splits_come_back(dots, folders, tmp_path):
    convert(ConvertConfig(folders, tmp_path / "back", "episodes"))
    original, back = EpisodeDataset(dots), EpisodeDataset(tmp_path / "back")
    assert back.views == original.views
    assert back.split_sizes() == original.split_sizes()
    assert back.lengths == original.lengths
    for i in range(len(original)):
        for view in original.views:
            np.testing.assert_array_equal(back.images(i, view), original.images(i, view))
    episode = back.episode(0)
    assert not episode.keypoints and not episode.intrinsics
    assert episode.actions is None and episode.states is None and episode.success is None
    assert back.meta.phases == ["unlabelled"]
    assert episode.dones.tolist() == [0] * (len(episode) - 1) + [1]


@pytest.mark.slow
def test_jpeg_is_close_and_its_quality_can_be_chosen(dots, tmp_path):
    sizes = {}
    for quality in (50, 95):
        out = tmp_path / str(quality)
        convert(ConvertConfig(dots, out, "ftpv", ftpv=FtpvOptions(quality=quality)))
        sizes[quality] = sum(path.stat().st_size for path in out.rglob("*.jpg"))
    assert sizes[50] < 0.7 * sizes[95]
    frames = FtpvSource(tmp_path / "95").episode(0).images["view_0"].astype(float)
    original = EpisodeDataset(dots).images(0, "view_0").astype(float)
    assert np.abs(frames - original).mean() < 4


@pytest.mark.slow
def test_without_split_prefixes_every_episode_is_called_tr(dots, tmp_path):
    options = FtpvOptions(split_prefixes=False)
    convert(ConvertConfig(dots, tmp_path / "all", "ftpv", ftpv=options))
    source = FtpvSource(tmp_path / "all")
    assert source.names == [f"tr_{i:04d}" for i in range(5)]
    assert source.splits is None
    convert(ConvertConfig(tmp_path / "all", tmp_path / "back", "episodes", split="3,1,1"))
    assert EpisodeDataset(tmp_path / "back").split_sizes() == {"train": 3, "valid": 1, "test": 1}


def test_a_published_set_is_split_as_its_authors_did(tmp_path):
    root = make_published(tmp_path / "MineRLReachGoalGroundStatic-v0_Frame", 8)
    source = FtpvSource(root)
    assert source.meta.env == "minecraft"
    assert source.splits == {"train": [0, 1, 2, 3], "valid": [4, 5], "test": [6, 7]}


@pytest.mark.slow
def test_a_preset_gives_the_split_of_a_renamed_published_set(tmp_path):
    root = make_published(tmp_path / "mine", 8)
    convert(ConvertConfig(root, tmp_path / "out", "episodes", env="minecraft"))
    data = EpisodeDataset(tmp_path / "out")
    assert data.split_sizes() == {"train": 4, "valid": 2, "test": 2}
    assert data.index_path.name == "minecraft.hdf5"


def test_a_set_without_a_split_asks_for_one(tmp_path):
    root = make_published(tmp_path / "mine", 3)
    with pytest.raises(MissingDataError, match=r"\b3 .*--split"):
        convert(ConvertConfig(root, tmp_path / "out", "episodes"))


def test_frames_that_are_not_square_are_squeezed_when_asked(tmp_path):
    root = make_published(tmp_path / "wide", 3, size=(16, 8))
    with pytest.raises(MismatchError, match="16 x 8 .*--size"):
        convert(ConvertConfig(root, tmp_path / "out", "episodes", split="1,1,1"))
    convert(ConvertConfig(root, tmp_path / "out", "episodes", split="1,1,1", size=12))
    assert EpisodeDataset(tmp_path / "out").images(0, "ego").shape == (6, 12, 12, 3)


def remove_frame(root):
    (root / "tr_0001/tpv/view_0001/000003.png").unlink()


def remove_last_frame(root):
    last = sorted((root / "tr_0001/tpv/view_0001").iterdir())[-1]
    last.unlink()


def remove_view(root):
    shutil.rmtree(root / "tr_0001/tpv/view_0001")


def empty_view(root):
    for frame in (root / "tr_0001/fpv").iterdir():
        frame.unlink()


def double_frame(root):
    shutil.copy(root / "tr_0001/fpv/000002.png", root / "tr_0001/fpv/000002.jpg")


def no_views(root):
    shutil.rmtree(root / "tr_0001")
    (root / "tr_0001").mkdir()


DAMAGED_FOLDERS = {
    "a gap": (remove_frame, MissingDataError, r"tr_0001/tpv/view_0001 .*000003"),
    "views of different length": (
        remove_last_frame,
        MismatchError,
        r"tr_0001/tpv/view_0001 .*tr_0001/fpv",
    ),
    "a missing view": (remove_view, MismatchError, r"tr_0001 .*\['ego', 'view_0'\].*tr_0000"),
    "an empty view": (empty_view, MissingDataError, r"tr_0001/fpv .*000000\.jpg"),
    "a frame twice": (double_frame, FormatError, r"000002\.jpg .*000002\.png"),
    "no views": (no_views, MissingDataError, r"tr_0001 .*fpv/ .*tpv/view_0000/"),
}


@pytest.mark.parametrize(
    ("damage", "error", "message"), DAMAGED_FOLDERS.values(), ids=DAMAGED_FOLDERS.keys()
)
def test_a_damaged_folder_is_named_when_it_is_opened(own_folders, tmp_path, damage, error, message):
    damage(own_folders)
    with pytest.raises(error, match=message):
        convert(ConvertConfig(own_folders, tmp_path / "out", "episodes"))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("truncated", DamagedDataError),
        ("no picture", DamagedDataError),
        ("another size", MismatchError),
    ],
)
def test_a_damaged_frame_is_named_and_leaves_nothing_half_written(
    own_folders, tmp_path, content, error
):
    frame = own_folders / "tr_0001/tpv/view_0001/000003.png"
    if content == "truncated":
        frame.write_bytes(frame.read_bytes()[:300])
    elif content == "no picture":
        frame.write_text("not a picture")
    else:
        Image.new("RGB", (9, 9)).save(frame)
    with pytest.raises(error, match=r"tr_0001/tpv/view_0001/000003\.png"):
        convert(ConvertConfig(own_folders, tmp_path / "out", "episodes"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


def test_info_reads_the_frames_that_it_draws(own_folders, tmp_path, capsys):
    sheet = tmp_path / "sheet.png"
    frames = own_folders / "tr_0000/tpv/view_0001"
    (frames / "000001.png").write_text("not a picture")
    info(InfoConfig(own_folders, contact_sheet=sheet, columns=2))  # its first and last frames
    assert f"{sheet} shows tr_0000" in capsys.readouterr().out
    last = max(frames.glob("*.png"))
    last.write_text("not a picture")
    with pytest.raises(DamagedDataError, match=last.name):
        info(InfoConfig(own_folders, contact_sheet=sheet, columns=2))


def rename(folder, new_folder, pattern, first):
    """Rename a folder and its frames; `pattern` names a frame by its number, from `first` on."""
    parts = [(int(file.stem), file.read_bytes()) for file in sorted(folder.iterdir())]
    shutil.rmtree(folder)
    new_folder.mkdir()
    for number, content in parts:
        (new_folder / pattern.format(number + first)).write_bytes(content)


# A view's folder and the names of all frames, as others write them.
VARIANTS = {
    "a number alone": ("tpv/0", "{:06d}.jpg"),
    "one digit": ("tpv/view_0", "{:06d}.jpg"),
    "a camera": ("tpv/cam_0", "{:06d}.jpg"),
    "a prefix": ("tpv/0", "img_{:05d}.jpg"),
    "another prefix": ("tpv/view_0000", "frame-{}.JPG"),
}


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(("view", "name"), VARIANTS.values(), ids=VARIANTS.keys())
def test_variants_of_the_layout_are_read(tmp_path, view, name, first):
    root = make_published(tmp_path / "set", 2)
    for episode in root.iterdir():
        rename(episode / "fpv", episode / "fpv", name, first)
        rename(episode / "tpv/view_0000", episode / view, name, first)
    source = FtpvSource(root)
    assert source.views == ["ego", "view_0"] and source.lengths == [6, 6]
    for frames in source.episode(1).images.values():
        assert np.abs(frames[:, 4, 4, 0].astype(int) - 10 * np.arange(6)).max() < 5


def frames_without_a_view(root):
    for file in (root / "tr_0001/tpv/view_0000").iterdir():
        file.rename(root / "tr_0001/tpv" / file.name)


def view_by_name(root):
    (root / "tr_0001/tpv/view_0000").rename(root / "tr_0001/tpv/left")


def view_twice(root):
    shutil.copytree(root / "tr_0001/tpv/view_0000", root / "tr_0001/tpv/0")


def numbered_from_two(root):
    rename(root / "tr_0001/fpv", root / "tr_0001/fpv", "{:06d}.jpg", 2)


def one_view_from_one(root):
    rename(root / "tr_0001/fpv", root / "tr_0001/fpv", "{:06d}.jpg", 1)


def frame_of_another_name(root):
    shutil.copy(root / "tr_0001/fpv/000002.jpg", root / "tr_0001/fpv/last.jpg")


def episode_of_another_name(root):
    (root / "tr_0001").rename(root / "val_0001")


def episode_by_link(root):
    (root / "te_0007").symlink_to(root / "tr_0001")


WRONG_NAMES = {
    "frames without a view": (frames_without_a_view, FormatError, "tr_0001/tpv/"),
    "a view by name": (view_by_name, FormatError, "tpv/left"),
    "a view twice": (view_twice, FormatError, "view_0: rename one"),
    "frames from 2 on": (numbered_from_two, MissingDataError, "tr_0001/fpv has no frame 000001"),
    "one view from 1 on": (one_view_from_one, MismatchError, "number the views .* alike"),
    "a frame of another name": (frame_of_another_name, FormatError, "fpv/last.jpg"),
    "an episode of another name": (episode_of_another_name, FormatError, "val_0001"),
    "an episode by a link": (episode_by_link, MismatchError, "te_0007"),
}


@pytest.mark.parametrize(("change", "error", "name"), WRONG_NAMES.values(), ids=WRONG_NAMES.keys())
def test_names_that_are_not_read_are_errors(tmp_path, change, error, name):
    root = make_published(tmp_path / "set", 2)
    change(root)
    with pytest.raises(error, match=name):
        FtpvSource(root)


@pytest.mark.slow
def test_a_view_that_the_format_has_no_place_for(dots, tmp_path):
    convert(ConvertConfig(dots, tmp_path / "dots.mp4s", "mp4"))
    (tmp_path / "dots.mp4s/000000/ego.mp4").rename(tmp_path / "dots.mp4s/000000/wrist.mp4")
    for episode in sorted((tmp_path / "dots.mp4s").iterdir())[1:]:
        shutil.rmtree(episode)
    with pytest.raises(MismatchError, match="'wrist'"):
        convert(ConvertConfig(tmp_path / "dots.mp4s", tmp_path / "out", "ftpv"))


@pytest.mark.parametrize("image", ["jpg", "png"])
def test_a_picture_that_fits_in_part_is_an_error(dots, tmp_path, image):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    options = FtpvOptions(image=image)
    # A full disk writes what fits of a picture, and so does this limit.
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))
    try:
        with pytest.raises(OSError) as raised:
            convert(ConvertConfig(dots, tmp_path / "out", to="ftpv", ftpv=options))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert raised.value.errno == errno.EFBIG
    assert not list(tmp_path.iterdir())
