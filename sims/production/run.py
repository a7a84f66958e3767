"""Make the episodes of a data set that are not on disk yet."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from datasets.clips.mocap import MOCAP_NAME
from datasets.episodes import EPISODE_FOLDER, EpisodeWriter
from datasets.errors import DataError, MismatchError, shortened
from datasets.progress import ProgressBar
from datasets.storage.checks import GENERATE_AGAIN, MAKE_ELSEWHERE, check_episode, open_episode
from datasets.storage.episode_file import FAILURE
from datasets.storage.index import demo_number, read_splits, require_disjoint
from datasets.storage.meta import DatasetMeta, short_name
from datasets.storage.seal import require_intact
from sims.config import Cluster
from sims.production.pool import make_episodes
from sims.production.worker import EpisodeJob

PACKAGES = ("posealign", "robosuite", "mujoco", "pybullet", "numpy", "h5py")
# Separates the versions of a package, for a data set that was made under several of them.
JOINED = ", "
RESUME = "Run the same command again to resume."

log = logging.getLogger(__name__)


def whole_episodes(writer: EpisodeWriter, indices: Iterable[int], job: EpisodeJob) -> set[int]:
    """Return the episodes that are on disk and undamaged; remove and log the damaged ones.

    Raises:
        DataError: When an undamaged file is not the episode of its name, or was made with other
            options.
    """
    present = sorted(writer.done() & set(indices))
    whole = set()
    for index in ProgressBar(present, desc="checking", unit="episode", leave=False, delay=3):
        path = writer.path(index)
        try:
            sealed = require_intact(path)
            if not sealed:  # without a checksum, only its structure can be checked
                _require_fit(writer, path)
        except DataError as error:
            reason = str(error).removesuffix(GENERATE_AGAIN).removesuffix(MAKE_ELSEWHERE).rstrip()
            log.warning("%s It is removed and made again.", reason)
            path.unlink()
            continue
        if sealed:
            _require_fit(writer, path)
        _require_member(path, index, job)
        whole.add(index)
    return whole


def _require_fit(writer: EpisodeWriter, path: Path) -> None:
    check_episode(path, writer.meta, writer.meta.views, need_keypoints=True)


def _require_member(path: Path, index: int, job: EpisodeJob) -> None:
    with open_episode(path) as file:
        reason = job.stranger(index, file)
    if reason is not None:
        raise MismatchError(
            f"{path} is undamaged, but is not episode {index} of this data set: {reason}. "
            "Move it elsewhere, and run the same command again."
        )


def require_same_split(
    root: Path, meta: DatasetMeta, deal: Callable[[Sequence[int]], Mapping[str, Sequence[int]]]
) -> None:
    """Refuse a folder of clips, and one whose episodes would have been split otherwise.

    Args:
        root: Folder of the data set, finished or not.
        meta: Description of the data set.
        deal: Splits episodes with these numbers as the options ask.

    Raises:
        MismatchError: When the folder holds clips, or the index has other splits than the options
            give its episodes.
    """
    if (root / MOCAP_NAME).exists():
        raise MismatchError(
            f"{root} holds people as clips, for recognition. Choose another folder with --out."
        )
    try:
        stored = read_splits(root / meta.index_name)
        require_disjoint(stored, root / meta.index_name, RESUME)
    except DataError:
        return  # there is no whole index yet, so nothing was trained on its splits
    stored.pop(FAILURE, None)
    parts = {name: sorted(demo_number(each)[0] for each in part) for name, part in stored.items()}
    asked = deal(sorted(number for part in parts.values() for number in part))
    if parts != {name: sorted(part) for name, part in asked.items()}:
        counts = ", ".join(f"{name} {len(part)}" for name, part in parts.items())
        raise MismatchError(
            f"{root} is split otherwise ({counts}) than these options ask for, and its splits are "
            "part of it: runs would be tested on what they were trained on. Use the same --split, "
            "or another --out."
        )


def versions() -> dict[str, str]:
    """Return the versions of the installed packages that a data set depends on."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # a simulator that is not installed made none of the episodes
    return found


def make_missing(
    job: EpisodeJob, indices: Sequence[int], workers: int | None, cluster: Cluster = "local"
) -> EpisodeWriter:
    """Make the episodes that are not on disk yet, in parallel, with a progress bar.

    Returns:
        The writer of the data set, whose index is not written yet.

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
            "%d of %d episodes are on disk. Making the missing ones: %s.",
            len(done),
            len(indices),
            as_ranges(todo),
        )
    if todo:
        _note_versions(job)
    with ProgressBar(
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
    """Warn when a data set is continued under other versions of packages, and store both."""
    stored = DatasetMeta.load(job.root)
    other = {
        package: (stored.versions[package], present)
        for package, present in job.meta.versions.items()
        if present not in stored.versions.get(package, present).split(JOINED)
    }
    if not other:
        return
    log.warning(
        "%s holds episodes made under %s. New episodes may look or move differently; for identical "
        "ones, install those versions, or choose another --out.",
        job.root,
        ", ".join(f"{name} {old} ({now} is installed)" for name, (old, now) in other.items()),
    )
    joined = {name: JOINED.join(both) for name, both in other.items()}
    replace(stored, versions=stored.versions | joined).save(job.root)


def as_ranges(numbers: Sequence[int], most: int = 8) -> str:
    """Write sorted numbers as ranges, such as `0, 4-7, 9`; of many ranges, the first ones."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1][1:] = [number]
        else:
            ranges.append([number])
    return shortened(["-".join(map(str, ends)) for ends in ranges], most)


def progress(root: Path, indices: Sequence[int]) -> str:
    """Say in a sentence how many of the episodes are on disk."""
    names = {f"{index:06d}" for index in indices}
    found = names & {path.stem for path in (root / EPISODE_FOLDER).glob("*.hdf5")}
    return f"{len(found)} of {len(names)} episodes are on disk."
