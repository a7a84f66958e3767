"""Aligns videos of one task by a trained run: a synchronised video, offsets, pairs of frames.

    python -m align.videos runs/lift_deit first.mp4 second.mp4
    python -m align.videos runs/lift_deit first.mp4 second.mp4 third.mp4 --out aligned.mp4

The videos may differ in length, size and rate, and their cameras need not have been started
together. Prints for each video its constant offset from the first one with a 95 % interval, or why
none fits. Writes the videos side by side, and beside this a CSV with a row for each frame of the
first video and each other video: the nearest frame, the nearest in motion, the one that dynamic
time warping pairs it with, and the one that is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from annotated_types import Interval

from datasets.command import command, optional, parse
from datasets.errors import OptionError

if TYPE_CHECKING:
    from align.videos.matching import EmbeddedVideo, VideoMatch
    from align.videos.side_by_side import Panel

COLUMNS = (
    *("frame", "seconds", "video", "nearest", "nearest_in_motion", "dtw"),
    *("shown", "shown_seconds", "recorded"),
)


def run(
    run: tyro.conf.Positional[Annotated[Path, optional("RUN")]],
    videos: tyro.conf.Positional[tuple[Path, ...]] = (),
    out: Path = Path("aligned.mp4"),
    pairs: Annotated[Path | None, optional("CSV")] = None,
    clock: Literal["auto", "offset", "dtw"] = "auto",
    height: Annotated[int, Interval(ge=16, le=2160)] = 240,
) -> None:
    """Aligns videos of one task.

    Args:
        run: A folder made by `python -m align.train`, of a method that needs no keypoints.
        videos: Two or more videos; the others follow the first one.
        out: The videos side by side, an MP4.
        pairs: The table of frame pairs; by default beside the video.
        clock: How frames of the others are chosen for the video. offset: by the constant offset;
            dtw: by dynamic time warping; auto: by the offset where one fits.
        height: Height of each picture, in pixels.
    """
    with command():
        from align.embedder import FrameEmbedder
        from align.videos.matching import VideoMatch, embed_videos, warn_of_strangeness
        from align.videos.side_by_side import panel_of, write_side_by_side

        table = out.with_suffix(".csv") if pairs is None else pairs
        _require(videos, out, table, height)
        embedder = FrameEmbedder.load(run)
        first, *rest = embed_videos(run, embedder, videos)
        matches = [VideoMatch.between(first, other) for other in rest]
        warn_of_strangeness(run, embedder, first, matches)
        panels = [panel_of(first, match, clock) for match in matches]
        _write_pairs(table, first, matches, panels)
        write_side_by_side(out, first, panels, height)
        for match in matches:
            print(describe(first, match, clock == "offset"))
        print(f"video: {out}\nframe pairs: {table}")


def _require(videos: Sequence[Path], out: Path, table: Path, height: int) -> None:
    """Checks the options before anything is read."""
    from datasets.storage.atomic import require_no_input, require_writable

    if len(videos) < 2:
        raise OptionError("name two or more videos to align, after the run.")
    if out.suffix.lower() not in {".mp4", ".mkv", ".mov"}:
        raise OptionError(f"--out {out} must end in .mp4, .mkv or .mov.")
    if height % 2:
        raise OptionError(f"--height {height} must be even, as the video's colours are halved.")
    if out.absolute() == table.absolute():
        raise OptionError(f"--pairs {table} is the video of --out, too: name another file.")
    for option, path in (("--out", out), ("--pairs", table)):
        require_no_input(option, path, videos)
        require_writable(path)


def describe(first: EmbeddedVideo, match: VideoMatch, by_offset: bool = False) -> str:
    """The offset found for a video's clock, in one line.

    Args:
        first: The video that the others follow.
        match: The other video's match to it.
        by_offset: Whether it is shown by its offset, whether that fits or not.
    """
    found, name = match.offset, match.other.name
    if not found.fits:
        said = f"{name}: no constant offset fits: {found.problem}."
        shown = f"{said} --clock offset takes {found.seconds:+.2f} s all the same."
        return shown if by_offset else said
    word, sign = ("later", -1) if found.seconds < 0 else ("earlier", 1)
    seconds, *ends = (sign * value for value in (found.seconds, found.low, found.high))
    agree = round(found.agreeing * found.pairs)
    return (
        f"{name} was started {seconds:.2f} s {word} than {first.name} "
        f"(95 %: {min(ends):.2f} to {max(ends):.2f} s; {agree} of {found.pairs} frame pairs agree)"
    )


def _write_pairs(
    table: Path, first: EmbeddedVideo, matches: Sequence[VideoMatch], panels: Sequence[Panel]
) -> None:
    from align.engine.csv_files import write_csv

    # A microsecond is the finest unit of time of usual containers.
    rows = (
        (
            *(step, round(float(time), 6), match.other.name),
            *(match.nearest[step], match.motion[step], match.dtw[step]),
            *(panel.frames[step], round(float(panel.times[step]), 6), int(not panel.missing[step])),
        )
        for step, time in enumerate(first.times)
        for match, panel in zip(matches, panels, strict=True)
    )
    write_csv(table, COLUMNS, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parse(run, "python -m align.videos", arguments)


if __name__ == "__main__":
    main()
