import errno
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from datasets.episodes import EpisodeDataset, EpisodeWriter
from datasets.storage.atomic import (
    SUFFIX,
    atomic_folder,
    atomic_path,
    remove_leftovers,
    require_writable,
)
from tests import REPOSITORY
from tests.datasets.synthetic import make_episode, make_meta


def test_a_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert os.listdir(path.parent) == ["file.txt"]


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="stop"), atomic_path(path) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError("stop")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def leftovers(tmp_path) -> dict[str, bool]:
    """Files of several origins, all old; whether each must stay."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    live, machine = os.getpid(), platform.node()
    names = {
        f".a.hdf5.{dead.pid}@{machine}{SUFFIX}": False,
        f".folder.{dead.pid}@{machine}{SUFFIX}": False,
        f".b.hdf5.{live}@{machine}{SUFFIX}": True,
        f".c.hdf5.{dead.pid}@elsewhere{SUFFIX}": True,
        f".thesis.{dead.pid}@{machine}.tmp": True,
        ".thesis.tmp": True,
        f".notes{SUFFIX}": True,
        "e.tmp": True,
    }
    for name in names:
        path = tmp_path / name
        path.mkdir() if "folder" in name else path.touch()
        os.utime(path, (0, 0))
    return names


def test_leftovers_of_dead_processes_go_and_all_else_stays(tmp_path):
    names = leftovers(tmp_path)
    remove_leftovers(tmp_path)
    assert set(os.listdir(tmp_path)) == {name for name, stays in names.items() if stays}


def test_beside_one_output_only_its_own_leftovers_go(tmp_path):
    names = leftovers(tmp_path)
    remove_leftovers(tmp_path, of="folder")
    assert names.keys() - set(os.listdir(tmp_path)) == {n for n in names if "folder" in n}


def test_a_leftover_of_an_earlier_process_of_this_number_is_no_obstacle(tmp_path):
    stale = tmp_path / f".out.{os.getpid()}@{platform.node()}{SUFFIX}"
    stale.mkdir()
    (stale / "half").touch()
    with atomic_folder(tmp_path / "out") as temporary:
        (temporary / "whole").touch()
    assert os.listdir(tmp_path / "out") == ["whole"]


@pytest.mark.parametrize(("writer", "place"), [(atomic_path, "out"), (atomic_folder, "out/a/b")])
def test_errors_name_the_final_place_and_not_the_temporary_one(tmp_path, writer, place):
    def write(named: bool) -> None:
        with writer(tmp_path / "out") as temporary:
            path = temporary.parent / place.replace("out", temporary.name)
            raise OSError(errno.ENOSPC, "full", *[str(path)] * named)

    with pytest.raises(OSError) as raised:
        write(named=True)
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(tmp_path / place))
    with pytest.raises(OSError) as raised:
        write(named=False)
    assert raised.value.filename == str(tmp_path / "out")


def test_errors_of_other_files_are_not_blamed_on_the_output(tmp_path):
    with pytest.raises(FileNotFoundError) as raised, atomic_path(tmp_path / "out"):
        (tmp_path / "source").read_bytes()
    assert raised.value.filename == str(tmp_path / "source")


def test_a_place_that_cannot_be_written_is_found_before_the_work(tmp_path):
    require_writable(tmp_path / "new" / "file")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError) as raised:
        require_writable(tmp_path / "file" / "below")
    assert raised.value.filename == str(tmp_path / "file")


def test_an_exception_while_writing_an_episode_leaves_nothing(tmp_path, monkeypatch):
    meta = make_meta(size=8)
    writer = EpisodeWriter(tmp_path, meta)
    create = h5py.Group.create_dataset

    def full_disk(self, name, *args, **kwargs):
        if name == "obs/view_1_image":
            raise OSError("No space left on device")
        return create(self, name, *args, **kwargs)

    monkeypatch.setattr(h5py.Group, "create_dataset", full_disk)
    with pytest.raises(OSError, match="No space left"):
        writer.write(0, make_episode(meta, 0))
    assert writer.done() == set()
    assert os.listdir(tmp_path) == ["meta.json"]


WRITE_FOREVER = """
import itertools, sys
from pathlib import Path
import numpy as np
from datasets.episodes import EpisodeWriter
from tests.datasets.synthetic import make_episode, make_meta

meta = make_meta(views=1, size=64)
writer = EpisodeWriter(Path(sys.argv[1]), meta)
episode = make_episode(meta, 0, steps=60)
# Noise does not compress, so writing takes long enough to be killed in the middle.
noise = np.random.default_rng(0).integers(0, 256, episode.images["ego"].shape, dtype=np.uint8)
episode.images = {view: noise for view in meta.views}
for index in itertools.count():
    writer.write(index, episode)
"""


def kill_while_writing(root: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITE_FOREVER, str(root)], cwd=REPOSITORY)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None:
            whole = list((root / "episodes").glob("0*.hdf5"))
            begun = [p for p in (root / "episodes").glob(".*.tmp") if p.stat().st_size > 0]
            if whole and begun:
                # Stopped first: between a look and a kill the file might be finished.
                os.kill(process.pid, signal.SIGSTOP)
                os.waitpid(process.pid, os.WUNTRACED)
                if begun[0].exists():
                    break
                os.kill(process.pid, signal.SIGCONT)
            time.sleep(0.0005)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(timeout=10) == -signal.SIGKILL


@pytest.mark.slow
def test_a_killed_run_leaves_whole_episodes_only_and_the_next_goes_on(tmp_path):
    kill_while_writing(tmp_path)
    leftovers = list((tmp_path / "episodes").glob(".*.tmp"))
    assert leftovers, "the run was not killed in the middle of writing"

    meta = make_meta(views=1, size=64)
    writer = EpisodeWriter(tmp_path, meta)
    done = writer.done()
    assert done == set(range(len(done))) and done
    for index in done:
        with h5py.File(writer.path(index)) as file:
            assert np.all(file["obs/view_0_image"][-1] == file["obs/ego_image"][-1])

    writer.remove_leftovers()
    assert {p.name for p in (tmp_path / "episodes").iterdir()} == {f"{i:06d}.hdf5" for i in done}
    next_index = len(done)
    writer.write(next_index, make_episode(meta, next_index))
    writer.write_index({"train": [*done, next_index], "valid": [], "test": []})
    dataset = EpisodeDataset(tmp_path)
    dataset.check(window=3)
    assert len(dataset) == next_index + 1
