"""Whether clips have the poses that a run needs."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from action.config import ActionConfig
from action.models.registry import architecture
from datasets.clips.base import ClipInfo
from datasets.clips.checks import SHOWN
from datasets.errors import MissingDataError, shortened

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


def require_poses(clips: Sequence[ClipInfo], config: ActionConfig, learning: bool = False) -> None:
    """Checks that clips have files of poses, and names those that have none.

    A clip without poses has empty pose maps, and the middle of its pictures is taken. So a run
    whose clips all lack them would be a baseline under another name.

    Raises:
        MissingDataError: When no clip has poses and the run needs them.
    """
    needed = needs_poses(config, learning)
    if not needed and not (config.batch.person and config.sees_clips):
        return
    lacking = [clip.name for clip in clips if clip.skeleton is None]
    if needed and len(lacking) == len(clips):
        raise MissingDataError(
            f"none of {len(clips)} clips has poses, such as {clips[0].video}, and --method "
            f"{config.method} with --model {config.model} needs them: put the data set's skeleton "
            "files into its folder, or use --method baseline."
        )
    if lacking:
        log.warning(
            "%d of %d clips have no poses, so that the middle of their pictures is taken: %s",
            len(lacking),
            len(clips),
            shortened(lacking, SHOWN),
        )
