"""Pictures in every form that people store: the right bytes, or an error that names them."""

import io
import zlib

import h5py
import numpy as np
import pytest
from PIL import Image

from datasets.convert import ConvertConfig, convert
from datasets.episodes import EpisodeDataset
from datasets.errors import DamagedDataError, DataError, FormatError, MismatchError
from datasets.formats.detect import open_source
from datasets.info import InfoConfig, info
from datasets.pictures import read_picture, to_frames

FRAMES = np.random.default_rng(0).integers(0, 256, (3, 12, 16, 3)).astype(np.uint8)
FRAMES[0, 0, 0], FRAMES[0, 0, 1] = 0, 255
GREY = np.repeat(FRAMES[..., :1], 3, axis=3)
OPAQUE = np.concatenate([FRAMES, np.full((3, 12, 16, 1), 255, np.uint8)], axis=3)


def encoded(frames, form="PNG", mode=None):
    files = []
    for frame in frames:
        content = io.BytesIO()
        picture = Image.fromarray(frame)
        (picture.convert(mode) if mode else picture).save(content, form)
        files.append(content.getvalue())
    return files


def padded(files):
    rows = np.zeros((len(files), max(map(len, files)) + 7), np.uint8)
    for row, content in zip(rows, files, strict=True):
        row[: len(content)] = np.frombuffer(content, np.uint8)
    return rows


ACCEPTED = {
    "bytes": (FRAMES, FRAMES),
    "float32 from 0 to 1": ((FRAMES / 255).astype(np.float32), FRAMES),
    "float64 from 0 to 1": (FRAMES / 255, FRAMES),
    "float32 from 0 to 255": (FRAMES.astype(np.float32), FRAMES),
    "channels first": (FRAMES.transpose(0, 3, 1, 2), FRAMES),
    "floats with channels first": ((FRAMES / 255).transpose(0, 3, 1, 2), FRAMES),
    "opaque alpha": (OPAQUE, FRAMES),
    "opaque alpha, channels first": (OPAQUE.transpose(0, 3, 1, 2), FRAMES),
    "opaque alpha as floats": (OPAQUE / 255, FRAMES),
    "grey": (GREY[..., 0], GREY),
    "grey with an axis": (GREY[..., :1], GREY),
    "black": (np.zeros_like(FRAMES, np.float32), np.zeros_like(FRAMES)),
    "PNG as objects": (np.array(encoded(FRAMES), object), FRAMES),
    "PNG as arrays": (
        np.array([np.frombuffer(f, np.uint8) for f in encoded(FRAMES)] + [0], object)[:-1],
        FRAMES,
    ),
    "PNG in padded rows": (padded(encoded(FRAMES)), FRAMES),
    "PNG as strings of bytes": (np.array(encoded(FRAMES), "S"), FRAMES),
    "grey PNG": (np.array(encoded(GREY, mode="L"), object), GREY),
    "opaque PNG": (np.array(encoded(FRAMES, mode="RGBA"), object), FRAMES),
}


@pytest.mark.parametrize(("stored", "frames"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_what_has_one_reading_is_converted(stored, frames):
    found = to_frames(stored, "pictures")
    assert found.dtype == np.uint8 and found.flags.c_contiguous
    np.testing.assert_array_equal(found, frames)


def test_jpeg_is_decoded():
    frames = np.full((2, 16, 24, 3), (200, 80, 30), np.uint8)
    found = to_frames(np.array(encoded(frames, "JPEG"), object), "pictures")
    assert found.shape == frames.shape and np.abs(found.astype(int) - frames).max() < 6


def with_value(value, frames=FRAMES / 255):
    changed = frames.astype(np.float32)
    changed[1, 2, 3, 1] = value
    return changed


REFUSED = {
    "uint16": FRAMES.astype(np.uint16) * 257,
    "int64": FRAMES.astype(np.int64),
    "boolean": FRAMES > 100,
    "below 0": with_value(-0.5),
    "from -1 to 1": FRAMES / 127.5 - 1,
    "above 255": with_value(256.0),
    "NaN": with_value(np.nan),
    "infinity": with_value(np.inf),
    "0 and 1 only": (FRAMES > 100).astype(np.float32),
    "transparent": np.where(np.arange(4) == 3, 128, OPAQUE).astype(np.uint8),
    "two channels": FRAMES[..., :2],
    "one picture": FRAMES[0],
    "five axes": FRAMES[None],
    "text": np.array(["a.png", "b.png"], object),
    "no picture": np.array([b"abc", b"def"], object),
    "16 bits": np.array(encoded(GREY[..., 0].astype(np.uint16) * 257), object),
    "two sizes": np.array(encoded([FRAMES[0], FRAMES[1, :5]]), object),
    "transparent PNG": np.array(
        encoded([np.dstack([FRAMES[0], np.full((12, 16), 9, np.uint8)])]), object
    ),
    "nothing": np.array([], object),
}


@pytest.mark.parametrize("stored", REFUSED.values(), ids=REFUSED.keys())
def test_what_has_none_or_two_is_refused_by_name(stored):
    with pytest.raises(FormatError, match="agentview"):
        to_frames(stored, "agentview")


def test_a_cut_picture_is_damaged():
    content = encoded(FRAMES)[0]
    with pytest.raises(DamagedDataError, match=r"agentview, time step 1\b"):
        to_frames(np.array([content, content[:-40]], object), "agentview")


def test_a_picture_that_declares_billions_of_pixels_is_not_decoded(tmp_path):
    file = tmp_path / "large.png"
    size = (30000).to_bytes(4, "big") * 2
    content = encoded(FRAMES)[0]
    header = b"IHDR" + size + content[24:29]
    checked = header + zlib.crc32(header).to_bytes(4, "big")
    file.write_bytes(content[:12] + checked + content[33:])
    with pytest.raises(FormatError, match="large.png"):
        read_picture(file, str(file))


def test_pictures_stand_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.fromarray(FRAMES[0]).save(tmp_path / "turned.png", exif=exif)
    found = read_picture(tmp_path / "turned.png", "turned")
    np.testing.assert_array_equal(found, np.rot90(FRAMES[0], -1))


def write_file(path, form):
    """A robomimic file whose pictures are stored in a form."""
    with h5py.File(path, "w") as file:
        for demo in range(3):
            frames = np.full((4, 16, 16, 3), 200 + demo, np.uint8)
            frames[:, 5:9, 5:9] = 30
            place = f"data/demo_{demo}/obs/agentview_image"
            if form == "fraction":
                file[place] = (frames / 255).astype(np.float32)
            elif form == "channels first":
                file[place] = frames.transpose(0, 3, 1, 2)
            elif form == "uint16":
                file[place] = frames.astype(np.uint16)
            elif form == "variable length":
                kind = h5py.vlen_dtype(np.uint8)
                array = file.create_dataset(place, (4,), kind)
                for time, content in enumerate(encoded(frames)):
                    array[time] = np.frombuffer(content, np.uint8)
            elif form == "opaque type":
                file[place] = np.array([np.void(f) for f in encoded(frames)])
            else:
                file[place] = padded(encoded(frames))
    return path


@pytest.mark.parametrize(
    "form", ["fraction", "channels first", "variable length", "opaque type", "padded"]
)
def test_files_are_converted_and_described(tmp_path, form, capsys):
    path = write_file(tmp_path / "demos.hdf5", form)
    source = open_source(path)
    assert (source.lengths, source.frame_size) == ([4, 4, 4], (16, 16))
    convert(ConvertConfig(path, tmp_path / "out", "episodes", split="1,1,1"))
    data = EpisodeDataset(tmp_path / "out")
    data.check(need_keypoints=False)
    frames = data.images(2, "agentview")
    assert frames.dtype == np.uint8 and frames.max() == 202 and frames.min() == 30
    info(InfoConfig(path, contact_sheet=tmp_path / "sheet.png"))
    assert "16 x 16 pixels" in capsys.readouterr().out
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert (sheet == 200).all(axis=2).sum() > 1000  # the value that convert writes


def test_a_file_of_16_bits_is_refused_by_both(tmp_path):
    path = write_file(tmp_path / "demos.hdf5", "uint16")
    with pytest.raises(FormatError, match="demo_0/obs/agentview_image"):
        convert(ConvertConfig(path, tmp_path / "out", "episodes", split="1,1,1"))
    with pytest.raises(FormatError, match="demo_0/obs/agentview_image"):
        info(InfoConfig(path, contact_sheet=tmp_path / "sheet.png"))
    assert not (tmp_path / "out").exists()


def test_a_view_that_is_another_by_a_link_is_an_error(tmp_path):
    path = write_file(tmp_path / "demos.hdf5", "fraction")
    with h5py.File(path, "r+") as file:
        for demo in file["data"].values():
            demo["obs/frontview_image"] = h5py.SoftLink(f"{demo.name}/obs/agentview_image")
    with pytest.raises(MismatchError, match="agentview and frontview"):
        open_source(path)


@pytest.mark.parametrize("link", [h5py.SoftLink("/data/demo_0"), None])
def test_a_demonstration_that_is_another_by_a_link_is_an_error(tmp_path, link):
    path = write_file(tmp_path / "demos.hdf5", "fraction")
    with h5py.File(path, "r+") as file:
        file["data/demo_7"] = file["data/demo_0"] if link is None else link
    with pytest.raises(MismatchError, match="demo_0 and demo_7"):
        open_source(path)


@pytest.mark.parametrize("value", [b"picture", 3, np.zeros(4), h5py.Empty("f")])
@pytest.mark.parametrize("name", ["obs/agentview_image", "obs"])
def test_parts_of_another_kind_are_named(tmp_path, name, value):
    path = write_file(tmp_path / "demos.hdf5", "fraction")
    with h5py.File(path, "r+") as file:
        del file[f"data/demo_1/{name}"]
        file[f"data/demo_1/{name}"] = value
    with pytest.raises(DataError, match=str(path)):
        open_source(path).episode(1)


@pytest.mark.parametrize(
    "env_args",
    ["[]", '{"env_kwargs": {"control_freq": "often"}}', '{"env_name": 3}', '{"env_name": "../x"}'],
)
def test_environment_arguments_of_another_form_are_named(tmp_path, env_args):
    path = write_file(tmp_path / "demos.hdf5", "fraction")
    with h5py.File(path, "r+") as file:
        file["data"].attrs["env_args"] = env_args
    with pytest.raises(DataError, match=str(path)):
        open_source(path)
