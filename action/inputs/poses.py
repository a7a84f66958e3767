"""Whether clips have the poses that a run needs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from action.config import ActionConfig, RgbModelName
from action.models.registry import architecture
from datasets.clips.base import ClipInfo
from datasets.clips.checks import SHOWN
from datasets.clips.pose_survey import survey_poses
from datasets.clips.sets import get_format
from datasets.errors import MissingDataError, counted, shortened

log = logging.getLogger(__name__)


def needs_poses(config: ActionConfig, learning: bool = False) -> bool:
    """Whether a run takes 2D keypoints, beyond those that frames are cut by.

    Args:
        config: The run's options.
        learning: Whether training is meant, where a run may see poses that it then does without.
    """
    known = architecture(config.model)
    if config.uses_paab or "2D" in known.recognises_with:
        return True
    return learning and (config.uses_paat or "2D" in known.trained_with)


def require_any_poses(
    clips: Sequence[ClipInfo], config: ActionConfig, learning: bool = False
) -> None:
    """Checks that some clip has a file of poses, where the run needs them.

    Raises:
        MissingDataError: When none has.
    """
    lacking = all(clip.skeleton is None for clip in clips)
    if not (clips and lacking and needs_poses(config, learning)):
        return
    poses = get_format(clips[0].format).skeleton_name(clips[0])
    rgb_alone = config.model in get_args(RgbModelName)
    other = "--method baseline" if rgb_alone else "--model timesformer --method baseline"
    raise MissingDataError(
        f"none of {counted(len(clips), 'clip')} has poses, such as {clips[0].video}, and --method "
        f"{config.method} with --model {config.model} needs them: put the data set's skeleton "
        f"files, named as {poses.name}, into its folder, or use {other}."
    )


def _folder_of(clips: Sequence[ClipInfo]) -> Path | None:
    return next((clip.skeleton.parent for clip in clips if clip.skeleton is not None), None)


def require_poses(clips: Sequence[ClipInfo], config: ActionConfig, learning: bool = False) -> None:
    """Checks that clips have files of poses, and names those that have none and what looks wrong.

    A clip without poses has empty pose maps, and the middle of its pictures is taken. So a run
    whose clips all lack them would be a baseline under another name.

    Raises:
        MissingDataError: When no clip has poses and the run needs them.
    """
    require_any_poses(clips, config, learning)
    if not needs_poses(config, learning) and not (config.batch.person and config.sees_clips):
        return
    survey = survey_poses(clips, config.trust_pickles) if learning else None
    for doubt in survey.doubts() if survey else ():
        log.warning("the poses of %s look wrong: %s.", _folder_of(clips), doubt)
    if lacking := [clip.name for clip in clips if clip.skeleton is None]:
        log.warning(
            "%d of %d clips have no poses, so that the middle of their pictures is taken: %s",
            len(lacking),
            len(clips),
            shortened(lacking, SHOWN),
        )
