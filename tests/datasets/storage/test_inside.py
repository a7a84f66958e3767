"""Attacks: what a data set from elsewhere must not make us read or write outside its folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from datasets.episodes import EpisodeDataset
from datasets.errors import OutsideFolderError
from datasets.formats.robomimic import RobomimicSource
from datasets.storage.inside import path_inside, require_links_inside
from datasets.storage.meta import DatasetMeta
from datasets.summary import summarize

SECRET = b"nobody is to read this" * 10


@pytest.fixture
def secret(own_dots: Path) -> Path:
    """An episode and a file beside the data set's folder."""
    outside = own_dots.parent / "outside"
    outside.mkdir()
    (outside / "000001.hdf5").write_bytes((own_dots / "episodes/000001.hdf5").read_bytes())
    (outside / "secret.txt").write_bytes(SECRET)
    return outside


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", "a/../b", "x\0y", ".."])
def test_a_path_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutsideFolderError, match=r"index\.json"):
        path_inside(tmp_path, name, tmp_path / "index.json")


def test_a_path_inside_is_taken_also_where_the_folder_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert path_inside(tmp_path / "link", "a/b", tmp_path) == tmp_path / "link/a/b"


@pytest.mark.parametrize("part", ["episodes/000001.hdf5", "episodes"])
def test_an_index_that_leads_outside_by_a_symbolic_link(
    own_dots: Path, secret: Path, part: str
) -> None:
    os.rename(own_dots / part, own_dots / "moved")
    target = secret / "000001.hdf5" if part.endswith("hdf5") else secret
    (own_dots / part).symlink_to(target)
    with pytest.raises(OutsideFolderError, match=r"episodes/\d+\.hdf5"):
        EpisodeDataset(own_dots)


def refused(root: Path, episode: Path) -> None:
    """Whatever reads the episode says no, and says which file it is."""
    dataset = EpisodeDataset(root)
    readers = [
        lambda: dataset.images(1, "ego", [0]),
        lambda: dataset.keypoints(1, "ego"),
        lambda: dataset.episode(1),
        lambda: summarize(dataset, [1], with_keypoints=True),
    ]
    for read in readers:
        with pytest.raises(OutsideFolderError) as raised:
            read()
        assert str(episode) in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.slow
@pytest.mark.parametrize("group", ["obs", "obs/ego_image", "phases", "cameras"])
@pytest.mark.parametrize("target", ["absolute", "../../outside/000001.hdf5", "000000.hdf5"])
def test_an_episode_that_links_into_another_file(
    own_dots: Path, secret: Path, group: str, target: str
) -> None:
    episode = own_dots / "episodes/000001.hdf5"
    with h5py.File(episode, "r+") as file:
        del file[group]
        name = str(secret / "000001.hdf5") if target == "absolute" else target
        file[group] = h5py.ExternalLink(name, f"/{group}")
        assert group in file  # the link works, or nothing would be refused
    refused(own_dots, episode)
    with pytest.raises(OutsideFolderError, match=f"{name}.*{group}"):
        EpisodeDataset(own_dots).check()


def arrays(episode: Path) -> list[str]:
    names: list[str] = []
    with h5py.File(episode) as file:
        file.visititems(lambda n, x: names.append(n) if isinstance(x, h5py.Dataset) else None)
    return names


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["external", "virtual"])
def test_no_array_of_an_episode_is_read_out_of_another_file(
    own_dots: Path, secret: Path, kind: str
) -> None:
    episode = own_dots / "episodes/000001.hdf5"
    whole = episode.read_bytes()
    for name in arrays(episode):
        with h5py.File(episode, "r+") as file:
            shape, dtype = file[name].shape, file[name].dtype
            del file[name]
            if kind == "external":
                storage = [(str(secret / "secret.txt"), 0, h5py.h5f.UNLIMITED)]
                file.create_dataset(name, shape, dtype, external=storage)
            else:
                layout = h5py.VirtualLayout(shape, dtype)
                layout[:] = h5py.VirtualSource(secret / "000001.hdf5", name, shape, dtype)
                file.create_virtual_dataset(name, layout)
        with pytest.raises(OutsideFolderError, match=f"{episode}.* /{name} "):
            EpisodeDataset(own_dots).episode(1)
        episode.write_bytes(whole)
    EpisodeDataset(own_dots).episode(1)


@pytest.mark.parametrize("place", ["data", "mask", "mask/train"])
def test_an_index_whose_groups_are_in_another_file(own_dots: Path, place: str) -> None:
    index = own_dots / "dots.hdf5"
    other = own_dots / "other.hdf5"
    other.write_bytes(index.read_bytes())
    with h5py.File(index, "r+") as file:
        del file[place]
        file[place] = h5py.ExternalLink("other.hdf5", f"/{place}")
    with pytest.raises(OutsideFolderError, match=f" {place}"):
        EpisodeDataset(own_dots, "train")


def test_a_file_that_gains_a_link_is_checked_again(own_dots: Path, secret: Path) -> None:
    episode = own_dots / "episodes/000001.hdf5"
    dataset = EpisodeDataset(own_dots)
    dataset.phases(1)
    with h5py.File(episode, "r+") as file:
        file["more"] = h5py.ExternalLink(str(secret / "000001.hdf5"), "/phases")
    with pytest.raises(OutsideFolderError, match=" more"):
        dataset.phases(1)


def test_demonstrations_by_others_that_link_outside(own_dots: Path, secret: Path) -> None:
    path = own_dots.parent / "demos.hdf5"
    with h5py.File(path, "w") as file:
        file["data/demo_0"] = h5py.ExternalLink(str(secret / "000001.hdf5"), "/")
    with pytest.raises(OutsideFolderError, match="data/demo_0"):
        RobomimicSource(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("env", "../outside/secret"),
        ("env", "package.module:../secret"),
        ("views", ["ego", "../../outside/secret"]),
        ("views", ["ego", "/tmp/view"]),
        ("views", ["ego", ".."]),
        ("views", ["ego", ""]),
    ],
)
def test_a_meta_whose_names_are_paths(own_dots: Path, field: str, value: object) -> None:
    path = own_dots / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(OutsideFolderError, match=r"meta\.json"):
        DatasetMeta.load(own_dots)


def test_soft_links_within_an_episode_are_fine(own_dots: Path) -> None:
    episode = own_dots / "episodes/000001.hdf5"
    before = EpisodeDataset(own_dots).phases(1)
    with h5py.File(episode, "r+") as file:
        file.move("phases", "kept")
        file["phases"] = h5py.SoftLink("/kept")
    assert np.array_equal(EpisodeDataset(own_dots).phases(1), before)


def test_links_of_a_group_may_lead_to_whole_files_of_the_folder_alone(tmp_path: Path) -> None:
    for name in ("good", "bad"):
        with h5py.File(tmp_path / f"{name}.hdf5", "w") as file:
            file["states"] = np.zeros(3)
    with h5py.File(tmp_path / "bad.hdf5", "a") as file:
        file["more"] = h5py.ExternalLink("/etc/passwd", "/")

    def require(target: str) -> None:
        path = tmp_path / "index.hdf5"
        with h5py.File(path, "w") as file:
            file["data/demo_0"] = h5py.ExternalLink(target, "/")
        with h5py.File(path) as file:
            require_links_inside(file, path, "data")

    require("good.hdf5")
    require("missing.hdf5")  # whoever reads it says so
    with pytest.raises(OutsideFolderError, match=r"bad\.hdf5.*/etc/passwd"):
        require("bad.hdf5")
    with pytest.raises(OutsideFolderError, match=r"\.\./good\.hdf5"):
        require("../good.hdf5")
