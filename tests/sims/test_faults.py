"""Generation under kills at random moments, a full disk, damaged files and Ctrl-C.

The files on disk are always complete, and the same command ends with the same bytes as an
uninterrupted run.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from datasets.episodes import EpisodeDataset
from datasets.errors import DamagedDataError, MismatchError
from datasets.storage.seal import require_intact
from sims.config import GenerateConfig
from sims.generate import generate
from sims.production.pool import MAX_DEATHS
from sims.rollout import episode_seed
from tests.sims.runs import (
    TOY,
    command,
    contents,
    episodes,
    finish,
    started,
    wait_for_episodes,
    workers_of,
)
from tests.sims.toy import DEADLY, PAUSE

EPISODES = 30
OPTIONS = {"env": TOY, "views": 2, "episodes": EPISODES, "size": 32, "split": "2,1,1"}
KILLS = 24


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """A data set that one process made without interruption."""
    root = tmp_path_factory.mktemp("undisturbed") / "toy"
    generate(GenerateConfig(**OPTIONS, workers=1, out=root))
    return root


class Tormentor:
    """Start a run again and again, and kill its worker or the run itself at random moments."""

    def __init__(self, root: Path, rng: random.Random) -> None:
        self.root, self.rng = root, rng
        self.kills = {"worker": 0, "parent": 0}

    @property
    def done(self) -> int:
        return sum(self.kills.values())

    def run_once(self) -> bool:
        """Return whether the run reached its end."""
        with started(command(self.root, **OPTIONS), **{PAUSE: 0.01}) as process:
            while process.poll() is None and self.done < KILLS:
                self._strike(process)
                self._look()
            output, _ = process.communicate(timeout=600)
        assert process.returncode in (0, -signal.SIGKILL), output
        # A worker that is starting when its parent dies prints a traceback.
        assert process.returncode or "Traceback" not in output
        return process.returncode == 0

    def _strike(self, process: subprocess.Popen) -> None:
        who = self.rng.choice(["worker", "parent"])
        # Some parents are killed before they have a worker.
        while who == "worker" or self.rng.random() < 0.7:
            if workers_of(process) or process.poll() is not None:
                break
            time.sleep(0.05)
        with suppress(subprocess.TimeoutExpired):
            process.wait(self.rng.uniform(0, 1.5))
        workers = workers_of(process)
        if process.poll() is not None or (who == "worker" and not workers):
            return
        victim = self.rng.choice(workers) if who == "worker" else psutil.Process(process.pid)
        victim.kill()
        self.kills[who] += 1
        if who == "parent":
            process.wait()
            _, alive = psutil.wait_procs(workers, timeout=30)
            assert not alive, "workers have outlived their parent"

    def _look(self) -> None:
        """Require that every file is complete, at any moment."""
        for path in episodes(self.root):
            assert require_intact(path)


@pytest.mark.slow
def test_kills_at_random_moments_change_no_byte(undisturbed, tmp_path, record_property):
    tormentor, runs = Tormentor(tmp_path / "toy", random.Random(0)), 1
    while not tormentor.run_once() or tormentor.done < KILLS:
        runs += 1
        if len(episodes(tormentor.root)) == EPISODES:  # finished before all kills
            for path in episodes(tormentor.root)[::2]:
                path.unlink()
    for name, value in {**tormentor.kills, "runs": runs, "episodes": EPISODES}.items():
        record_property(name, value)
    print(f"{tormentor.kills}, {runs} runs, {EPISODES} episodes compared")
    assert min(tormentor.kills.values()) >= 5 and tormentor.done >= KILLS
    assert contents(tormentor.root) == contents(undisturbed)


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_named(undisturbed, tmp_path):
    root = tmp_path / "toy"
    with started(command(root, **OPTIONS), **{PAUSE: 0.01}) as process:
        wait_for_episodes(root, process, 2)
        workers_of(process)[0].kill()
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "A worker was killed; the workers are restarted. Episodes in progress: " in output
    assert contents(root) == contents(undisturbed)


@pytest.mark.slow
def test_an_episode_that_always_kills_its_worker_is_given_up_last(undisturbed, tmp_path):
    root, deadly = tmp_path / "toy", 3
    options = {**OPTIONS, "episodes": 8}
    code, output = finish(command(root, **options), **{DEADLY: episode_seed(0, deadly, 0)})
    assert code == 1
    assert f"killed {MAX_DEATHS} times while they made episode {deadly}, 3 times with no" in output
    assert "dmesg" in output and "Traceback" not in output
    assert {path.stem for path in episodes(root)} == {f"{i:06d}" for i in range(8) if i != deadly}
    # The cause is gone, for example after memory was freed: the command makes the missing episode.
    code, output = finish(command(root, **options))
    assert code == 0
    assert "7 of 8 episodes are on disk. Making the missing ones: 3." in output
    for path in episodes(root):
        assert path.read_bytes() == (undisturbed / "episodes" / path.name).read_bytes()


@pytest.fixture
def ctrl_c_is_handled():
    """Handle SIGINT, which a shell's background jobs such as `make test &` ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT to a group of processes")
@pytest.mark.usefixtures("ctrl_c_is_handled")
def test_ctrl_c_prints_a_hint_and_the_same_command_resumes(undisturbed, tmp_path):
    root = tmp_path / "toy"
    with started(command(root, **OPTIONS), **{PAUSE: 0.2}) as process:
        wait_for_episodes(root, process, 2)
        workers = workers_of(process)
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        psutil.wait_procs(workers, timeout=10)
        assert not any(worker.is_running() for worker in workers)
    assert process.returncode == 130, output
    kept = {path: path.stat().st_mtime_ns for path in episodes(root)}
    assert f"stopped. {root}: {len(kept)} of {EPISODES} episodes are on disk." in output
    assert "Run the same command again to resume." in output
    assert "Traceback" not in output
    assert finish(command(root, **OPTIONS))[0] == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert contents(root) == contents(undisturbed)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 400 kB in memory, and a function that enlarges it."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(options: str) -> subprocess.CompletedProcess:
        words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
        return subprocess.run(words, capture_output=True, text=True)

    try:
        done = mount("size=400k")
    except FileNotFoundError:
        pytest.skip("there is no `mount` here")
    if done.returncode:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
    yield disk, lambda: mount("remount,size=20m")
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_named_and_leaves_complete_episodes_only(undisturbed, small_disk, workers):
    disk, enlarge = small_disk
    root = disk / "toy"
    code, output = finish(command(root, workers, **OPTIONS))
    assert code == 1
    made = episodes(root)
    assert 0 < len(made) < EPISODES
    assert re.search(r"error: the disk is full.* \(No space left on device\)\. Free", output)
    assert f"{root}: {len(made)} of {EPISODES} episodes are on disk. Run the same" in output
    assert "Traceback" not in output
    assert all(require_intact(path) for path in made)
    assert enlarge().returncode == 0
    code, output = finish(command(root, workers, **OPTIONS))
    assert code == 0, output
    assert contents(root) == contents(undisturbed)


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage", [truncate, flip, lambda _: b"", lambda content: bytes(len(content))]
)
def test_a_damaged_episode_is_found_named_and_made_again(undisturbed, tmp_path, caplog, damage):
    root = tmp_path / "toy"
    shutil.copytree(undisturbed, root)
    path = root / "episodes" / "000005.hdf5"
    path.write_bytes(damage(path.read_bytes()))
    with caplog.at_level("INFO", "sims"):
        generate(GenerateConfig(**OPTIONS, workers=1, out=root))
    assert f"{path} is damaged" in caplog.text
    assert "It is removed and made again." in caplog.text
    assert contents(root) == contents(undisturbed)


@pytest.mark.slow
def test_a_truncated_episode_without_a_checksum_is_found_too(undisturbed, tmp_path, caplog):
    """Old files have no checksum."""
    root = tmp_path / "toy"
    shutil.copytree(undisturbed, root)
    for name in ("000005.hdf5", "000006.hdf5"):
        path = root / "episodes" / name
        # The checksum is in the first 512 bytes; HDF5's addresses start after them.
        path.write_bytes(path.read_bytes()[512:])
    path.write_bytes(truncate(path.read_bytes()))
    with caplog.at_level("INFO", "sims"):
        generate(GenerateConfig(**OPTIONS, workers=1, out=root))
    assert "000006.hdf5 cannot be read as HDF5" in caplog.text
    assert "000005" not in caplog.text
    assert len(EpisodeDataset(root)) == EPISODES


@pytest.mark.slow
def test_an_undamaged_episode_with_a_wrong_name_is_an_error_and_kept(undisturbed, tmp_path):
    root = tmp_path / "toy"
    shutil.copytree(undisturbed, root)
    wrong = shutil.copy(root / "episodes" / "000001.hdf5", root / "episodes" / "000002.hdf5")
    with pytest.raises(MismatchError, match=r"000002\.hdf5 .*episode 2 "):
        generate(GenerateConfig(**OPTIONS, workers=1, out=root))
    assert wrong.exists()


@pytest.mark.slow
def test_a_damaged_meta_is_named_and_its_remedy_works(undisturbed, tmp_path):
    root = tmp_path / "toy"
    shutil.copytree(undisturbed, root)
    (root / "meta.json").write_bytes(truncate((root / "meta.json").read_bytes()))
    config = GenerateConfig(**OPTIONS, workers=1, out=root)
    with pytest.raises(DamagedDataError, match=r"meta\.json"):
        generate(config)
    (root / "meta.json").unlink()
    with pytest.raises(MismatchError, match=r"ego .*\(32, 32, 3\)"):
        generate(GenerateConfig(**{**OPTIONS, "size": 48}, workers=1, out=root))
    (root / "meta.json").unlink()
    generate(config)
    assert contents(root) == contents(undisturbed)


@pytest.mark.slow
def test_the_unfinished_file_of_a_killed_writer_is_removed(undisturbed, tmp_path):
    root = tmp_path / "toy"
    with started(command(root, **OPTIONS), **{PAUSE: 0.02}) as process:
        deadline = time.monotonic() + 60
        while not (half := list(root.glob("episodes/.*.tmp"))):
            assert time.monotonic() < deadline
            time.sleep(0.0002)
        for each in [*workers_of(process), psutil.Process(process.pid)]:
            each.kill()
        process.wait()
    if not half[0].exists():
        half[0].write_bytes(b"half an episode")  # the file was finished before the kill
    assert finish(command(root, **OPTIONS))[0] == 0
    assert contents(root) == contents(undisturbed)


def test_a_data_set_grows_in_the_same_shares_only(tmp_path):
    options = OPTIONS | {"episodes": 4, "workers": 1, "out": tmp_path}
    generate(GenerateConfig(**options))
    before = contents(tmp_path)
    with pytest.raises(MismatchError, match="--split"):
        generate(GenerateConfig(**options | {"split": "1,1,2"}))
    with pytest.raises(MismatchError, match="--split"):
        generate(GenerateConfig(**options | {"split": "1,1,2", "episodes": 6}))
    assert contents(tmp_path) == before
    generate(GenerateConfig(**options | {"episodes": 6}))
    assert len(EpisodeDataset(tmp_path)) == 6
