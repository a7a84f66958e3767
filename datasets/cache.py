"""Copy an action data set as small videos cropped to the person, which training reads faster.

Reading a 1920x1080 clip spends most of its time on pixels that the crop discards. The copy has the
same file names and layout as the data set, with its poses shifted, so the same readers open it.

Examples:
    python -m datasets.cache NTU NTU_320 --format ntu
    python -m datasets.cache Smarthome Smarthome_256 --format smarthome --size 256 --workers 16

It can be stopped at any time; the same command resumes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro
from joblib import Parallel, delayed

from datasets.bounds import Crf, Pixels, PositiveInt
from datasets.clips.base import ClipInfo
from datasets.clips.joints import joints_to_copy
from datasets.clips.mocap import MOCAP_NAME, MocapMeta
from datasets.clips.samples import cut, move_keypoints, person_crop
from datasets.clips.sets import PERSONS, get_format, open_clip_set, read_persons
from datasets.command import command, command_line, parse
from datasets.console.streams import print_error
from datasets.errors import DamagedDataError, DataError, MismatchError, OptionError, counted
from datasets.progress import ProgressBar
from datasets.storage.atomic import atomic_path, remove_leftovers
from datasets.video import check_video, iterate_frames, video_shape, write_video

SETTINGS_NAME = "cache.json"
SHOWN_PROBLEMS = 10


@dataclass(frozen=True)
class CacheConfig:
    """Copy an action data set as small videos cropped to the person.

    Attributes:
        folder: Folder of the data set.
        out: Folder of the copy.
        format: File format of the data set.
        size: Height and width of the videos in pixels, an even number; training at 224 never uses
            more than 320.
        crf: H.264 quality of the videos: 0 is lossless, 18 looks the same, 28 is visibly worse.
        workers: Number of processes; by default one per core.
        trust_pickles: Load NTU's .skeleton.npy files, which are pickles and can run any code.
    """

    folder: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="FOLDER")]]
    out: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="OUT")]]
    format: Literal["ntu", "smarthome", "nucla"]
    size: Pixels = 320
    crf: Crf = 18
    workers: PositiveInt = os.cpu_count() or 1
    trust_pickles: bool = False


def cache_clip(
    clip: ClipInfo, out: Path, size: int, crf: int = 18, trust_pickles: bool = False
) -> DataError | None:
    """Write the skeleton and video of a clip under `out`, unless its video exists.

    The video is written last, so that a clip with a video is complete.

    Returns:
        The error of a clip that cannot be read, else None.
    """
    fmt = get_format(clip.format)
    video = out / fmt.video_name(clip)
    if video.exists():
        return None
    try:
        # A truncated video decodes up to its end, and its copy would look complete.
        check_video(clip.video)
        shape = video_shape(clip.video)
        keypoints = read_persons(clip, trust_pickles)
        crop = person_crop(keypoints, shape.height, shape.width, inside=True)
        if clip.skeleton is not None:
            moved = move_keypoints(keypoints, crop, size)
            joints = joints_to_copy(clip, trust_pickles)
            fmt.write_keypoints(out / fmt.skeleton_name(clip), moved, size, joints)
        videos = iterate_frames(clip.video)
        frames = (cut(frame[None], crop, size, "edge")[0] for frame in videos)
        write_video(video, frames, shape.fps, crf=crf)
    except DataError as error:
        return error
    return None


def cache(config: CacheConfig) -> list[DataError]:
    """Make the copy, or resume it.

    Returns:
        One error for each clip that could not be read; these clips are not in the copy.

    Raises:
        DataError: When the data set cannot be opened, or `out` holds a copy with other settings.
        OptionError: When `size` is odd, or `out` lies in the folder of the data set.
    """
    if config.size < 2 or config.size % 2:
        raise OptionError(f"--size must be even and at least 2, got {config.size}.")
    if config.out.resolve().is_relative_to(config.folder.resolve()):
        raise OptionError(
            f"OUT {config.out} lies in the data set itself, whose clips would then be found twice: "
            "name a folder elsewhere."
        )
    clips = open_clip_set(config.folder, config.format).clips
    _claim(config)
    if (config.folder / MOCAP_NAME).exists():
        # The readers recognize a rendered data set by this file.
        replace(MocapMeta.load(config.folder), size=config.size).save(config.out)
    for folder in _folders(clips, config.out):
        remove_leftovers(folder)
    results = Parallel(n_jobs=config.workers, return_as="generator_unordered")(
        delayed(cache_clip)(clip, config.out, config.size, config.crf, config.trust_pickles)
        for clip in clips
    )
    progress = ProgressBar(results, "cache clips", len(clips), unit="clip", disable=None)
    return [problem for problem in progress if problem is not None]


def _folders(clips: Sequence[ClipInfo], out: Path) -> set[Path]:
    names = (get_format(clip.format) for clip in clips)
    return {
        (out / place(clip)).parent
        for clip, fmt in zip(clips, names, strict=True)
        for place in (fmt.video_name, fmt.skeleton_name)
    }


def _claim(config: CacheConfig) -> None:
    """Store the settings in `out`, or check that they equal the stored ones."""
    settings = {
        "source": str(config.folder.resolve()),
        "format": config.format,
        "size": config.size,
        "crf": config.crf,
        # Copies by earlier versions have black beyond the picture and one person, and are not
        # continued.
        "inside": True,
        "persons": PERSONS,
    }
    path = config.out / SETTINGS_NAME
    if path.exists():
        try:
            noted = json.loads(path.read_text())
        except ValueError as error:
            raise DamagedDataError(
                f"{path} is not valid JSON; delete it with its folder."
            ) from error
        if noted != settings:
            raise MismatchError(f"{path} has other settings, {noted}; choose another folder.")
        return
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(settings, indent=2) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    config = parse(
        CacheConfig, prog="python -m datasets.cache", arguments=arguments, description=__doc__
    )
    with command(resume="Run the same command again to resume."):
        problems = cache(config)
        for problem in problems[:SHOWN_PROBLEMS]:
            print_error(problem)
        look = command_line("datasets.info", [str(config.out), "--format", config.format])
        print(f"{config.out} holds the clips; see `{look}`")
        if problems:
            sys.exit(f"{counted(len(problems), 'clip')} cannot be read; the copy has the others.")


if __name__ == "__main__":
    main()
