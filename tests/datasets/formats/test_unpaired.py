"""Unpaired videos in AE2's layouts: what is read, what comes back, and what is refused."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from datasets.convert import ConvertConfig, convert
from datasets.episodes import EpisodeDataset
from datasets.errors import DataError
from datasets.formats.detect import open_source
from datasets.formats.unpaired import UnpairedSource
from datasets.info import InfoConfig, info
from datasets.storage.meta import DatasetMeta
from tests.datasets.synthetic import PHASES, make_episode, make_meta
from tests.datasets.unpaired_files import make_unpaired, write_table

COUNTS = {"train": 2, "val": 1, "test": 1}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_unpaired(tmp_path / "dots", COUNTS)


def dots(number: int):
    return make_episode(make_meta(1, 48), number, (16, 24))


@pytest.mark.slow
def test_each_video_is_an_episode_with_its_viewpoint_phases_and_split(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "episodes"
    convert(ConvertConfig(root, out, "episodes"))
    data = EpisodeDataset(out)
    assert data.views == ["video"]
    assert data.split_sizes() == {"train": 4, "valid": 2, "test": 2}
    assert data.meta.viewpoints == ["ego", "exo"]
    assert data.meta.phases == ["phase_0", "phase_1", "phase_2"]
    for i in range(8):
        ego = data.viewpoint(i) == "ego"
        assert ego == (i in (0, 1, 4, 6))
        true = dots(i)
        np.testing.assert_array_equal(
            data.images(i, "video"), true.images["ego" if ego else "view_0"]
        )
        np.testing.assert_array_equal(data.phases(i), true.phases)
    assert not info(InfoConfig(out))
    assert "unpaired  videos of ego and exo" in capsys.readouterr().out


@pytest.mark.slow
def test_splits_may_be_folders_of_videos(tmp_path: Path) -> None:
    source = open_source(make_unpaired(tmp_path / "dots", COUNTS, folders=True))
    assert isinstance(source, UnpairedSource)
    assert source.splits == {"train": [0, 1, 2, 3], "valid": [4, 5], "test": [6, 7]}
    assert source.names[:3] == ["ego_0", "ego_1", "exo_2"]
    assert source.meta.control_hz == 30
    shown = source.lazy_episode(7).images["video"]
    assert len(shown) == len(dots(7))
    assert np.abs(shown[3].astype(int) - dots(7).images["view_0"][3]).mean() < 5


@pytest.mark.slow
def test_a_table_names_phases_and_the_frames_at_which_they_begin(root: Path) -> None:
    write_table(root)
    source = open_source(root)
    assert source.meta.phases == list(PHASES)
    for i in range(len(source)):
        np.testing.assert_array_equal(source.phases(i), dots(i).phases)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [list, np.asarray, lambda v: [np.int64(x) for x in v]])
def test_labels_may_be_lists_or_arrays(root: Path, kind: Callable) -> None:
    labels = pickle.loads((root / "label.pickle").read_bytes())
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        stored = pickle.dumps({name: kind(values) for name, values in labels.items()}, protocol)
        (root / "label.pickle").write_bytes(stored)
        np.testing.assert_array_equal(open_source(root).phases(0), dots(0).phases)


class Runs:
    """Would make a folder as it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.slow
def test_labels_without_a_video_are_named(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    open_source(root)
    assert "not there" not in caplog.text
    path = root / "label.pickle"
    labels = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps(labels | {"exo_99": labels["ego_0"]}))
    open_source(root)
    assert f"{path} has phases of videos that are not there (1): exo_99." in caplog.text


@pytest.mark.slow
def test_a_pickle_cannot_run_code(root: Path, tmp_path: Path) -> None:
    (root / "label.pickle").write_bytes(pickle.dumps({"ego_0": Runs(tmp_path / "made")}))
    with pytest.raises(DataError, match=r"mkdir.*write label\.csv"):
        open_source(root)
    assert not (tmp_path / "made").exists()


def relabel(**changes: object) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        labels = pickle.loads((root / "label.pickle").read_bytes())
        (root / "label.pickle").write_bytes(pickle.dumps({**labels, **changes}))

    return change


def table(text: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / "label.csv").write_text(text)

    return change


def listed(name: str, text: str) -> Callable[[Path], None]:
    return lambda root: (root / name).write_text(text)  # type: ignore[return-value]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (relabel(ego_0=[0, 1]), "2 phases of ego_0, which has"),
        (relabel(ego_0=[0, -1]), "whole numbers from 0 on"),
        (relabel(ego_0=[0, 300]), "301 phases"),
        (lambda root: (root / "label.pickle").write_bytes(b"\x80\x04"), "no pickle of numbers"),
        (lambda root: (root / "label.pickle").write_bytes(pickle.dumps([1])), "no dictionary"),
        (table("a,b,c\n"), "must have the columns video,frame,phase"),
        (table("video,frame,phase\nego_0,1,reach\n"), "line 2 has the frame 1"),
        (table("video,frame,phase\nego_0,0,a\nego_0,0,b\n"), "line 3 has the frame 0"),
        (table("video,frame,phase\nego_0,0,a\nego_0,99,b\n"), "frame 99 on"),
        (table("video,frame,phase\nego_1,0,a\n"), "no phases of ego_0"),
        (listed("ego/train.csv", "gone.mp4\n"), r"names gone\.mp4, which is not beside it"),
        (listed("ego/train.csv", "../exo/exo_2\n"), "outside its own folder"),
        (listed("ego/val.csv", "ego_0.mp4\n"), "are both the video ego_0"),
        (lambda root: (root / "exo/val.csv").unlink(), r"val\.csv does not exist"),
    ],
)
def test_what_cannot_be_read_is_named(
    root: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(root)
    with pytest.raises(DataError, match=message):
        open_source(root)


@pytest.mark.slow
def test_both_viewpoints_are_needed(root: Path) -> None:
    for split in ("train", "val", "test"):
        (root / f"exo/{split}.csv").write_text("")
    with pytest.raises(DataError, match="there are no exo videos"):
        open_source(root)


@pytest.mark.slow
def test_other_formats_hold_no_viewpoints(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    convert(ConvertConfig(root, tmp_path / "ftpv", "mp4"))
    assert "viewpoints" in caplog.text


@pytest.mark.slow
def test_an_episode_of_unpaired_videos_needs_a_viewpoint(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "episodes"
    convert(ConvertConfig(root, out, "episodes"))
    path = EpisodeDataset(out).paths[0]
    with h5py.File(path, "r+") as file:
        del file.attrs["viewpoint"]
    with pytest.raises(DataError, match="has the viewpoint None"):
        EpisodeDataset(out).check(need_keypoints=False)


def test_synchronized_data_say_nothing_of_viewpoints(tmp_path: Path) -> None:
    meta = make_meta()
    meta.save(tmp_path)
    assert "viewpoints" not in (tmp_path / "meta.json").read_text()
    assert DatasetMeta.load(tmp_path).viewpoints == []


@pytest.mark.slow
def test_videos_without_labels_are_no_unpaired_set(root: Path) -> None:
    assert UnpairedSource.recognizes(root)
    (root / "label.pickle").unlink()
    assert not UnpairedSource.recognizes(root)
