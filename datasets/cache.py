"""Turns an action data set into small videos of the person, once, so that training can keep up.

Most of the time of reading a 1920x1080 clip goes into pixels that the crop throws away. The copy
has the same names and layout, its poses moved along, so that it is read as the data set itself.

Examples:
    python -m datasets.cache NTU NTU_320 --format ntu
    python -m datasets.cache Smarthome Smarthome_256 --format smarthome --size 256 --workers 16

It can be stopped at any time; the same command goes on where it stopped.
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
from tqdm import tqdm

from datasets.clips.base import ClipInfo
from datasets.clips.mocap import MOCAP_NAME, MocapMeta
from datasets.clips.samples import cut, move_keypoints, person_crop
from datasets.clips.sets import get_format, open_clip_set, read_keypoints
from datasets.errors import DataError
from datasets.storage.atomic import atomic_path, remove_leftovers
from datasets.video import check_video, iterate_frames, video_shape, write_video

SETTINGS_NAME = "cache.json"
SHOWN_PROBLEMS = 10


@dataclass(frozen=True)
class CacheConfig:
    """Turn an action data set into small videos of the person.

    Attributes:
        folder: Folder of the data set.
        out: Folder of the copy.
        format: How the data set names its files.
        size: Height and width of the copy in pixels, even; 320 is the most that training at 224
            looks at.
        crf: Quality of the copy: 0 is lossless, 18 hard to tell from it, 28 visibly worse.
        workers: Processes; as many as the machine has cores by default.
        trust_pickles: Load NTU's .skeleton.npy files, which are pickles.
    """

    folder: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="FOLDER")]]
    out: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="OUT")]]
    format: Literal["ntu", "smarthome", "nucla"]
    size: int = 320
    crf: int = 18
    workers: int = os.cpu_count() or 1
    trust_pickles: bool = False


def cache_clip(
    clip: ClipInfo, out: Path, size: int, crf: int = 18, trust_pickles: bool = False
) -> DataError | None:
    """Writes one clip's skeleton and video under `out`, unless its video is there.

    The video comes last, so that a clip with a video is whole.

    Returns:
        What is wrong with the clip, if it cannot be read.
    """
    fmt = get_format(clip.format)
    video = out / fmt.video_name(clip)
    if video.exists():
        return None
    try:
        # A copy of half a video would pass for a whole one.
        check_video(clip.video)
        shape = video_shape(clip.video)
        keypoints = read_keypoints(clip, trust_pickles)
        crop = person_crop(keypoints, shape.height, shape.width)
        if clip.skeleton is not None:
            moved = move_keypoints(keypoints, crop, size)
            fmt.write_keypoints(out / fmt.skeleton_name(clip), moved, video_width=size)
        frames = (cut(frame[None], crop, size)[0] for frame in iterate_frames(clip.video))
        write_video(video, frames, shape.fps, crf=crf)
    except DataError as error:
        return error
    return None


def cache(config: CacheConfig) -> list[DataError]:
    """Makes or completes the copy.

    Returns:
        What is wrong with clips that could not be read; they are not in the copy.

    Raises:
        DataError: When the data set cannot be opened, or `out` holds a copy with other settings.
    """
    if config.size < 2 or config.size % 2:
        raise DataError(f"--size must be even and at least 2, got {config.size}.")
    if config.out.resolve() == config.folder.resolve():
        raise DataError("--out must be another folder than the data set's.")
    clips = open_clip_set(config.folder, config.format).clips
    _claim(config)
    if (config.folder / MOCAP_NAME).exists():
        # Without it the copy of a rendered set is not read as one.
        replace(MocapMeta.load(config.folder), size=config.size).save(config.out)
    for folder in _folders(clips, config.out):
        remove_leftovers(folder)
    results = Parallel(n_jobs=config.workers, return_as="generator_unordered")(
        delayed(cache_clip)(clip, config.out, config.size, config.crf, config.trust_pickles)
        for clip in clips
    )
    progress = tqdm(results, "cache clips", len(clips), unit="clip", disable=None)
    return [problem for problem in progress if problem is not None]


def _folders(clips: Sequence[ClipInfo], out: Path) -> set[Path]:
    names = (get_format(clip.format) for clip in clips)
    return {
        (out / place(clip)).parent
        for clip, fmt in zip(clips, names, strict=True)
        for place in (fmt.video_name, fmt.skeleton_name)
    }


def _claim(config: CacheConfig) -> None:
    """Notes the settings in `out`, or makes sure that they are the ones noted there."""
    settings = {
        "source": str(config.folder.resolve()),
        "format": config.format,
        "size": config.size,
        "crf": config.crf,
    }
    path = config.out / SETTINGS_NAME
    if path.exists():
        try:
            noted = json.loads(path.read_text())
        except ValueError as error:
            raise DataError(f"{path} is no whole JSON file; delete it with its folder.") from error
        if noted != settings:
            raise DataError(f"{path} notes other settings, {noted}; name another folder.")
        return
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(settings, indent=2) + "\n")


def main() -> None:
    """Runs the command line."""
    config = tyro.cli(CacheConfig, prog="python -m datasets.cache", description=__doc__)
    try:
        problems = cache(config)
    except DataError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from here.")
    for problem in problems[:SHOWN_PROBLEMS]:
        print(f"error: {problem}", file=sys.stderr)
    print(
        f"{config.out} holds the clips; see `python -m datasets.info {config.out} "
        f"--format {config.format}`"
    )
    if problems:
        sys.exit(f"{len(problems)} clips cannot be read and are not in it.")


if __name__ == "__main__":
    main()
