"""Names the actions in videos of your own.

    python -m action.predict runs/paab_ntu_CVS3_20260101-120000 first.mp4 second.mp4
    python -m action.predict runs/paab videos/*.mp4 --poses videos/poses --top 3
    python -m action.predict runs/baseline videos/*.mp4 --json > classes.json

Prints the most probable classes of each video. A run whose frames are cut to the person, or whose
method has PAAB, uses keypoints: those of the folder `poses` beside a video, where
`datasets.extract_poses` writes them, or of --poses. Where a video has none, they are extracted for
this prediction (extra `poses`). A run that sees joints in space needs a file of them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from align.engine.run_folder import Checkpoint
from datasets.bounds import PositiveInt
from datasets.command import command, optional, parse
from datasets.errors import MissingDataError, OptionError, counted

if TYPE_CHECKING:
    from action.predicting import Prediction

log = logging.getLogger(__name__)


def run(
    run: tyro.conf.Positional[Path],
    videos: tyro.conf.Positional[tuple[Path, ...]],
    /,
    top: PositiveInt = 5,
    poses: Annotated[Path | None, optional("PATH")] = None,
    num_clips: PositiveInt = 1,
    short: bool = False,
    checkpoint: Checkpoint = "best",
    json: bool = False,
) -> None:
    """Names the actions in videos of your own, each with its probability.

    Args:
        run: A folder made by `python -m action.train`, or one of its checkpoints.
        videos: Video files.
        top: Classes to name for each video.
        poses: Folder of the videos' poses, or the file of one video's; by default the folder
            `poses` beside each video.
        num_clips: Samples of each video, spread over its time, whose probabilities are averaged.
        short: Take videos that are shorter than a clip, too, sampled as --batch.short of the run.
        checkpoint: Checkpoint of a folder of a run; best: lowest validation error; last: the end of
            training.
        json: Write JSON.
    """
    with command():
        _require_videos(videos, poses)
        from action.predicting import Predictor
        from align.engine.command import for_each
        from datasets.progress import ProgressBar

        predictor = Predictor.load(run, checkpoint)
        found: list[Prediction] = []
        bar = ProgressBar(videos, run.name, unit="video", disable=None if len(videos) > 1 else True)
        try:
            for_each(bar, lambda v: found.append(predictor.predict(v, poses, num_clips, short)))
        finally:  # what is found counts also where a video cannot be used, or after Ctrl-C
            bar.close()
            print(_as_json(run, found, top) if json else _as_text(found, top))
        if predictor.crops:
            _name_uncropped([each for each in found if not each.poses])


def _require_videos(videos: Sequence[Path], poses: Path | None) -> None:
    if not videos:
        raise MissingDataError("name one or more videos.")
    if poses is not None and poses.is_file() and len(videos) > 1:
        raise OptionError(
            f"--poses {poses} is the file of one video, and there are {len(videos)}: name a folder."
        )


def _as_text(found: Sequence[Prediction], top: int) -> str:
    return "\n\n".join(each.describe(top) for each in found)


def _as_json(run: Path, found: Sequence[Prediction], top: int) -> str:
    return json.dumps({"run": str(run), "videos": [each.to_json(top) for each in found]}, indent=1)


def _name_uncropped(found: Sequence[Prediction]) -> None:
    """Names the videos of which the middle was taken, since nothing says where the person is."""
    if found:
        log.warning(
            "%s without keypoints, such as %s: the middle of the picture is taken, where training "
            "cut frames to the person. Name poses with --poses, or install "
            "'posealign[poses]', which finds them.",
            counted(len(found), "video"),
            found[0].video,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parse(run, "python -m action.predict", arguments)


if __name__ == "__main__":
    main()
