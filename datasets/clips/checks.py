"""Checks of clips before training starts: nothing bad is met on the way, nothing is replaced."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from joblib import Parallel, delayed
from tqdm import tqdm

from datasets.clips.base import ClipInfo
from datasets.clips.sets import read_keypoints
from datasets.errors import DataError, shortened
from datasets.video import check_video

logger = logging.getLogger(__name__)

SHOWN = 10


def find_problem(clip: ClipInfo, trust_pickles: bool = False) -> DataError | None:
    """What is wrong with a clip's video or skeleton; a clip without a skeleton is fine."""
    try:
        check_video(clip.video)
        read_keypoints(clip, trust_pickles)
    except DataError as error:
        return error
    return None


def find_problems(
    clips: Sequence[ClipInfo], workers: int = 1, trust_pickles: bool = False
) -> dict[ClipInfo, DataError]:
    """Reads every clip's video, without decoding more than a frame, and skeleton.

    Args:
        clips: The clips.
        workers: Processes that read.
        trust_pickles: Whether NTU's `.skeleton.npy` files may be loaded.

    Returns:
        The clips that cannot be used, with the reason.
    """
    found = Parallel(n_jobs=workers, batch_size=8, return_as="generator")(
        delayed(find_problem)(clip, trust_pickles) for clip in clips
    )
    progress = tqdm(
        zip(clips, found, strict=True), "check clips", len(clips), disable=None, leave=False
    )
    return {clip: problem for clip, problem in progress if problem is not None}


def check_clips(
    clips: Sequence[ClipInfo],
    max_bad_share: float = 0.01,
    workers: int = 1,
    trust_pickles: bool = False,
) -> tuple[ClipInfo, ...]:
    """The clips that can be used; a few bad ones are left out with a warning that names them.

    Args:
        clips: The clips of a split.
        max_bad_share: Largest share of bad clips to go on with.
        workers: Processes that read.
        trust_pickles: Whether NTU's `.skeleton.npy` files may be loaded.

    Raises:
        DataError: When more than that share is bad, or there is no clip.
    """
    if not clips:
        raise DataError(
            "there are no clips to check; is it a split that the protocol leaves empty?"
        )
    problems = find_problems(clips, workers, trust_pickles)
    if not problems:
        return tuple(clips)
    told = [str(problem) for problem in problems.values()]
    share = len(problems) / len(clips)
    if share > max_bad_share:
        raise DataError(
            f"{len(problems)} of {len(clips)} clips cannot be used, {share:.1%} where "
            f"{max_bad_share:.1%} are allowed. The first: {told[0]}"
        )
    logger.warning(
        "%d of %d clips are left out: %s",
        len(problems),
        len(clips),
        shortened(told, SHOWN, "; "),
    )
    return tuple(clip for clip in clips if clip not in problems)
