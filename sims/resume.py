"""Finds what an earlier run has left, so that the next one makes only what is missing."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from datasets.checks import GENERATE_AGAIN, check_episode, open_episode
from datasets.episodes import EpisodeWriter
from datasets.errors import DataError
from datasets.seal import require_intact
from sims.worker import EpisodeJob

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
