"""Makes what is missing of a data set, and ends well when it is stopped or the disk is full."""

from __future__ import annotations

import errno
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from datasets.episodes import EPISODE_FOLDER, EpisodeWriter
from datasets.errors import DataError, UnknownNameError
from datasets.storage.checks import GENERATE_AGAIN, check_episode, open_episode
from datasets.storage.meta import DatasetMeta, short_name
from datasets.storage.seal import require_intact
from sims.config import Cluster
from sims.errors import OptionError, SimulatorError
from sims.production.pool import make_episodes
from sims.production.worker import EpisodeJob

PACKAGES = ("posealign", "robosuite", "mujoco", "pybullet", "numpy", "h5py")
# Between the versions of a package under which a data set was made one after the other.
JOINED = ", "

log = logging.getLogger(__name__)


def whole_episodes(writer: EpisodeWriter, indices: Iterable[int], job: EpisodeJob) -> set[int]:
    """Those of the episodes that are on disk and whole; what is damaged is named and removed.

    Raises:
        DataError: When a whole file holds another episode than its name says, or one that was made
            with other options.
    """
    present = sorted(writer.done() & set(indices))
    whole = set()
    for index in tqdm(present, desc="checking", unit="episode", leave=False, delay=3):
        path = writer.path(index)
        try:
            sealed = require_intact(path)
            if not sealed:  # all that can be told is whether its parts are there
                _require_fit(writer, path)
        except DataError as error:
            reason = str(error).removesuffix(GENERATE_AGAIN).rstrip()
            log.warning("%s It is removed and made again.", reason)
            path.unlink()
            continue
        if sealed:
            _require_fit(writer, path)
        _require_member(path, index, job)
        whole.add(index)
    return whole


def _require_fit(writer: EpisodeWriter, path: Path) -> None:
    meta = writer.meta
    check_episode(path, meta.views, meta.image_size, len(meta.get_skeleton()))


def _require_member(path: Path, index: int, job: EpisodeJob) -> None:
    with open_episode(path) as file:
        reason = job.stranger(index, file)
    if reason is not None:
        raise DataError(
            f"{path} is whole, but no episode {index} of this data set: {reason}. "
            "Move it elsewhere, and run the same command again."
        )


def versions() -> dict[str, str]:
    """Versions of the installed packages that a data set depends on."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # not part of this environment's simulator
    return found


def make_missing(
    job: EpisodeJob, indices: Sequence[int], workers: int | None, cluster: Cluster = "local"
) -> EpisodeWriter:
    """Makes those of some episodes that are not on disk yet, side by side, with a progress bar.

    Returns:
        The data set's writer; the index is still to be written.

    Raises:
        DataError: When the folder holds episodes of another data set or made with other options.
        SimulatorError: When the simulator or the graphics driver is missing, or workers are killed
            again and again.
        OSError: When the disk is full or cannot be written.
    """
    writer = EpisodeWriter.begin(job.root, job.meta)
    writer.remove_leftovers()
    done = whole_episodes(writer, indices, job)
    todo = sorted(set(indices) - done)
    if done and todo:
        log.info(
            "%d of %d episodes are on disk. Making those that are missing: %s.",
            len(done),
            len(indices),
            in_words(todo),
        )
    if todo:
        _note_versions(job)
    with tqdm(
        total=len(indices),
        initial=len(done),
        unit="episode",
        desc=short_name(job.meta.env),
        smoothing=0.05,
    ) as bar:
        make_episodes(job, todo, workers, cluster, bar)
    writer.remove_leftovers()
    return writer


def _note_versions(job: EpisodeJob) -> None:
    """Says when a data set goes on under other versions of its packages, and keeps both."""
    stored = DatasetMeta.load(job.root)
    other = {
        package: (stored.versions[package], present)
        for package, present in job.meta.versions.items()
        if present not in stored.versions.get(package, present).split(JOINED)
    }
    if not other:
        return
    log.warning(
        "%s holds episodes made under %s. Those made now may look or move differently; for more "
        "of the same, install those versions, or name another --out.",
        job.root,
        ", ".join(f"{name} {old} ({now} is installed)" for name, (old, now) in other.items()),
    )
    joined = {name: JOINED.join(both) for name, both in other.items()}
    replace(stored, versions=stored.versions | joined).save(job.root)


def in_words(numbers: Sequence[int], most: int = 8) -> str:
    """Sorted numbers as runs, such as `0, 4-7, 9`; of many runs, the first ones."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    rest = f" and {len(runs) - most} runs more" if len(runs) > most else ""
    return ", ".join("-".join(map(str, run)) for run in runs[:most]) + rest


def progress(root: Path, indices: Sequence[int]) -> str:
    """How many of some episodes are on disk, in a sentence."""
    names = {f"{index:06d}" for index in indices}
    found = names & {path.stem for path in (root / EPISODE_FOLDER).glob("*.hdf5")}
    return f"{len(found)} of {len(names)} episodes are on disk."


def talk() -> None:
    """Lets a command's messages be seen, on stderr."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("sims").setLevel(logging.INFO)


@contextmanager
def ending_in_words(root: Path, how_far: Callable[[], str]) -> Iterator[None]:
    """Ends the process with a message instead of a traceback where the user can act on it.

    Other errors are faults, perhaps of a simulator of the user's own, and keep their traceback.

    Args:
        root: Folder of the data set.
        how_far: Says how much of it is on disk; see `progress`.
    """
    try:
        with logging_redirect_tqdm():
            yield
    except KeyboardInterrupt:
        sys.exit(f"\nStopped. {how_far()} The same command goes on where it stopped.")
    except (DataError, SimulatorError, OptionError, UnknownNameError) as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.exit(
            f"error: the disk of {root} is full ({error.strerror}). {how_far()} "
            "Free space, then the same command goes on where it stopped."
        )
