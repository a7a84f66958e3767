"""Checks of all clips before training, so that no bad clip stops it or has to be replaced."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from joblib import Parallel, delayed

from datasets.clips.base import ClipInfo
from datasets.clips.checked import known_to_be_whole, known_to_break, remember
from datasets.clips.joints import read_joints, require_beside_video
from datasets.clips.sets import read_keypoints
from datasets.errors import (
    DamagedDataError,
    DataError,
    FormatError,
    MissingDataError,
    shortened,
)
from datasets.progress import ProgressBar
from datasets.video import check_video, iterate_frames, video_shape

logger = logging.getLogger(__name__)

# Number of bad clips that the warning names.
SHOWN = 10


def find_problem(
    clip: ClipInfo,
    trust_pickles: bool = False,
    joints: bool = False,
    all_frames: bool = False,
    beside: bool = False,
) -> DataError | None:
    """The problem with a clip's video, skeleton or joints, None without one.

    A skeleton may be missing; joints in space may not where they are asked for, and those `beside`
    pixels must be as long as these. Of the video, one frame is decoded, or all of them.
    """
    try:
        check_video(clip.video)
        _require_motion(clip.video)
        if all_frames:
            deque(iterate_frames(clip.video), maxlen=0)
        read_keypoints(clip, trust_pickles)
        if joints:
            found = read_joints(clip, trust_pickles)
            if beside:
                require_beside_video(clip, found)
    except DataError as error:
        return error
    return None


def _require_motion(video: Path) -> None:
    if video_shape(video).frames == 1:
        raise FormatError(
            f"{video} has one frame, and a clip has several; copy it again, or leave its clip out."
        )


def find_problems(
    clips: Sequence[ClipInfo],
    workers: int = 1,
    trust_pickles: bool = False,
    again: bool = False,
    joints: bool = False,
    beside: bool = False,
) -> dict[ClipInfo, DataError]:
    """Reads every clip's skeleton and its video, of which it decodes one frame.

    Of a video that broke in a training, it decodes all, see `datasets.clips.checked`.

    Args:
        clips: The clips to check.
        workers: Number of processes that read.
        trust_pickles: Whether NTU's `.skeleton.npy` files may be loaded.
        again: Whether to read clips too that were found whole before and whose files have the same
            sizes and times of change.
        joints: Whether to read joints in space, too.
        beside: Whether these are seen beside pixels.

    Returns:
        The clips that cannot be used, with the reason.
    """
    known = set() if again else known_to_be_whole(clips, trust_pickles, joints, beside)
    broken = known_to_break(clips)
    unknown = [clip for clip in clips if clip not in known or clip in broken]
    if not unknown:
        return {}
    found = Parallel(n_jobs=workers, batch_size=8, return_as="generator")(
        delayed(find_problem)(
            clip, trust_pickles, joints=joints, all_frames=clip in broken, beside=beside
        )
        for clip in unknown
    )
    progress = ProgressBar(
        zip(unknown, found, strict=True), "check clips", len(unknown), disable=None, leave=False
    )
    problems = {clip: problem for clip, problem in progress if problem is not None}
    remember((clip for clip in unknown if clip not in problems), trust_pickles, joints, beside)
    return problems


def check_clips(
    clips: Sequence[ClipInfo],
    max_bad_share: float = 0.01,
    workers: int = 1,
    trust_pickles: bool = False,
    joints: bool = False,
    beside: bool = False,
) -> tuple[ClipInfo, ...]:
    """Returns the usable clips; a few bad ones are left out with a warning that names them.

    Args:
        clips: The clips of a split.
        max_bad_share: Largest tolerated share of bad clips.
        workers: Number of processes that read.
        trust_pickles: Whether NTU's `.skeleton.npy` files may be loaded.
        joints: Whether joints in space are needed.
        beside: Whether these are seen beside pixels.

    Raises:
        DataError: When a larger share is bad, or there is no clip.
    """
    if not clips:
        raise MissingDataError(
            "there are no clips to check; is it a split that the protocol leaves empty?"
        )
    problems = find_problems(clips, workers, trust_pickles, joints=joints, beside=beside)
    if not problems:
        return tuple(clips)
    reasons = [str(problem) for problem in problems.values()]
    share = len(problems) / len(clips)
    if share > max_bad_share:
        missing = all(isinstance(problem, MissingDataError) for problem in problems.values())
        raise (MissingDataError if missing else DamagedDataError)(
            f"{len(problems)} of {len(clips)} clips cannot be used, {share:.1%} where "
            f"{max_bad_share:.1%} are allowed. The first: {reasons[0]}"
        )
    logger.warning(
        "%d of %d clips are left out: %s",
        len(problems),
        len(clips),
        shortened(reasons, SHOWN, "; "),
    )
    return tuple(clip for clip in clips if clip not in problems)
