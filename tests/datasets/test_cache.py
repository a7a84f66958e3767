import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from datasets.cache import SETTINGS_NAME, CacheConfig, cache
from datasets.clips.joints import read_joints
from datasets.clips.mocap import MocapMeta
from datasets.clips.samples import SampleConfig, load_sample
from datasets.clips.sets import FORMATS, open_clip_set, read_keypoints, read_persons
from datasets.errors import MismatchError, OptionError
from datasets.storage.atomic import SUFFIX
from datasets.video import video_shape
from tests.datasets.clip_files import (
    FPS,
    add_ntu,
    add_nucla,
    add_smarthome,
    cut_short,
    write_grey_video,
)


def make_set(root, name):
    """Write a data set of two clips; NTU's second clip has no pose."""
    if name == "ntu":
        add_ntu(root, "S001C001P001R001A001")
        add_ntu(root, "S001C001P003R001A002", pose=False)
    elif name == "smarthome":
        add_smarthome(root, "Walk_p03_r00_v00_c01")
        add_smarthome(root, "Walk_p02_r00_v00_c01")
    else:
        add_nucla(root, 8, 1, 1)
        add_nucla(root, 8, 2, 1)


def config(root, out, **kwargs):
    return CacheConfig(root, out, **{"format": "ntu", "size": 32, "workers": 1, **kwargs})


@pytest.mark.parametrize("name", FORMATS)
def test_the_copy_is_read_as_the_data_set(tmp_path, name):
    make_set(tmp_path / "set", name)
    assert cache(config(tmp_path / "set", tmp_path / "copy", format=name)) == []
    before = open_clip_set(tmp_path / "set", name).clips
    after = open_clip_set(tmp_path / "copy", name).clips
    assert [clip.name for clip in after] == [clip.name for clip in before]
    assert [clip.skeleton is None for clip in after] == [clip.skeleton is None for clip in before]
    settings = SampleConfig(frames=4, stride=2, size=32, inside=True)
    for old, new in zip(before, after, strict=True):
        assert video_shape(new.video) == (12, 32, 32, FPS)
        expected, sample = load_sample(old, settings), load_sample(new, settings)
        assert np.array_equal(sample.indices, expected.indices)
        assert np.array_equal(sample.visible, expected.visible)
        np.testing.assert_allclose(sample.keypoints, expected.keypoints, atol=0.05)
        assert np.abs(sample.frames.astype(int) - expected.frames).mean() < 3


def test_an_interrupted_copy_is_resumed(tmp_path):
    root, out = tmp_path / "set", tmp_path / "copy"
    make_set(root, "ntu")
    cache(config(root, out))
    videos = sorted(out.glob("rgb/*"))
    kept = videos[0].stat().st_mtime_ns
    # A killed run leaves a skeleton without its video, and the unfinished file of a dead process.
    videos[1].unlink()
    leftover = out / "rgb" / f".x.avi.999999999@{os.uname().nodename}{SUFFIX}"
    leftover.write_text("half")
    cache(config(root, out))
    assert sorted(out.glob("rgb/*")) == videos and not leftover.exists()
    assert videos[0].stat().st_mtime_ns == kept


def test_other_settings_need_another_folder(tmp_path):
    root, out = tmp_path / "set", tmp_path / "copy"
    make_set(root, "ntu")
    cache(config(root, out))
    with pytest.raises(MismatchError, match=SETTINGS_NAME):
        cache(config(root, out, size=64))
    assert json.loads((out / SETTINGS_NAME).read_text())["size"] == 32
    for inside in (root, root / "small"):
        with pytest.raises(OptionError, match="lies in the data set itself"):
            cache(config(root, inside))
        assert not (inside / SETTINGS_NAME).exists()
    with pytest.raises(OptionError, match="--size"):
        cache(config(root, out, size=33))


def test_a_bad_clip_is_named_and_left_out(tmp_path):
    root, out = tmp_path / "set", tmp_path / "copy"
    make_set(root, "ntu")
    video = root / "rgb" / "S001C001P001R001A001_rgb.avi"
    video.write_bytes(b"no video")
    problems = cache(config(root, out))
    assert len(problems) == 1 and str(video) in str(problems[0])
    assert [clip.subject for clip in open_clip_set(out, "ntu").clips] == [3]
    assert not list(out.rglob("*.tmp"))


@pytest.mark.slow
def test_a_truncated_video_is_named_and_left_out(tmp_path):
    root, out = tmp_path / "set", tmp_path / "copy"
    add_ntu(root, "S001C001P001R001A001", frames=60)
    video = cut_short(root / "rgb" / "S001C001P001R001A001_rgb.avi")
    problems = cache(config(root, out))
    assert len(problems) == 1 and f"{video} ends after" in str(problems[0])
    assert not list(out.rglob("*.avi"))


def test_the_copy_of_a_rendered_set_is_a_rendered_set(tmp_path):
    root, out = tmp_path / "set", tmp_path / "copy"
    make_set(root, "ntu")
    meta = MocapMeta("ntu", {"drink water": "walk"}, views=1, size=64, seed=3, command="tests")
    meta.save(root)
    cache(config(root, out))
    assert MocapMeta.load(out) == replace(meta, size=32)


def test_processes_make_the_same_copy(tmp_path):
    root = tmp_path / "set"
    make_set(root, "ntu")
    for workers in (1, 2):
        assert cache(config(root, tmp_path / str(workers), workers=workers)) == []
    for path in (tmp_path / "1" / "rgb").iterdir():
        assert path.read_bytes() == (tmp_path / "2" / "rgb" / path.name).read_bytes()


@pytest.mark.parametrize("name", FORMATS)
def test_the_copy_has_both_persons_and_the_joints_in_space(tmp_path, name):
    root, out, fmt = tmp_path / "set", tmp_path / "copy", FORMATS[name]
    make_set(root, name)
    clip = open_clip_set(root, name).clips[0]
    rng, shape = np.random.default_rng(0), video_shape(clip.video)
    pixels = rng.uniform(2, 30, (shape.frames, 2, len(fmt.skeleton), 2)) * (1, 1.5)
    joints = rng.uniform(1, 2, (shape.frames, 2, len(fmt.joint_skeleton), 3))
    shutil.rmtree(clip.skeleton) if clip.skeleton.is_dir() else clip.skeleton.unlink()
    skeleton = root / fmt.skeleton_name(clip)
    skeleton.parent.mkdir(exist_ok=True)
    fmt.write_keypoints(skeleton, pixels, shape.width, joints)
    cache(config(root, out, format=name))
    before, after = (open_clip_set(folder, name).clips[0] for folder in (root, out))
    assert np.isfinite(read_persons(before)).all() and np.isfinite(read_persons(after)).all()
    (points, valid), (copied, known) = read_joints(before), read_joints(after)
    np.testing.assert_allclose(copied, points, atol=2e-3)
    np.testing.assert_array_equal(known, valid)
    assert valid.any(axis=(0, 2)).sum() == (1 if name == "nucla" else 2)


def test_ntu_s_missing_keypoints_stay_missing(tmp_path):
    root, out = tmp_path / "set", tmp_path / "copy"
    add_ntu(root, "S001C001P001R001A001")
    ntu = FORMATS["ntu"]
    clip = open_clip_set(root, "ntu").clips[0]
    keypoints = read_keypoints(clip)
    keypoints[4] = np.nan
    keypoints[5, 7] = np.nan
    ntu.write_keypoints(clip.skeleton, keypoints, video_width=64)
    write_grey_video(clip.video)
    cache(config(root, out))
    copied = read_keypoints(open_clip_set(out, "ntu").clips[0])
    assert np.array_equal(np.isnan(copied), np.isnan(keypoints))
