"""Tells what a data set holds, checks it, and draws a contact sheet of one of its episodes.

Examples:
    python -m datasets.info
    python -m datasets.info data/lift --episode 3 --contact-sheet lift.png
    python -m datasets.info ftpv/can_mh
    python -m datasets.info NTU --format ntu

Besides data sets of ours it knows FTPV folders, robomimic's HDF5 files, LeRobot v3, and folders of
videos; python -m datasets.convert turns one into another.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from PIL.Image import Image

from datasets.clips.info import clip_info
from datasets.clips.mocap import MOCAP_NAME, MocapMeta
from datasets.clips.sheet import clip_sheet
from datasets.draw import contact_sheet
from datasets.episodes import EpisodeDataset
from datasets.errors import DataError
from datasets.formats.detect import EpisodesSource, format_of, open_source
from datasets.source import Source
from datasets.storage.atomic import atomic_path
from datasets.storage.checks import check_episode
from datasets.storage.meta import newest_data_set
from datasets.summary import describe, describe_source, summarize

SHOWN_PROBLEMS = 10


def _optional(metavar: str) -> Any:
    # An option whose help says what happens without it, so that "(default: None)" adds nothing.
    return tyro.conf.arg(metavar=metavar, help_behavior_hint="")


@dataclass(frozen=True)
class InfoConfig:
    """Tell what a data set holds, check it, and draw a contact sheet of one of its episodes.

    Attributes:
        data: The data set; the newest under data/ by default.
        episode: Number of the episode on the contact sheet, as in the name of its file; the first
            whole one by default.
        contact_sheet: Where to write the contact sheet; contact_sheet.png in the data set's folder
            by default, beside it for other formats.
        columns: Moments of the episode on the contact sheet.
        format: How an action data set names its files, where the folder holds one; its contact
            sheet, a row a clip, is drawn where --contact-sheet names a file.
        lists: Folder of train.csv, val.csv and test.csv to read an action data set's clips from.
        workers: Processes that check an action data set's clips.
        trust_pickles: Load NTU's .skeleton.npy files, which are pickles.
    """

    data: tyro.conf.Positional[Annotated[Path | None, _optional("[FOLDER]")]] = None
    episode: Annotated[int | None, _optional("NUMBER")] = None
    contact_sheet: Annotated[Path | None, _optional("FILE")] = None
    columns: int = 6
    format: Annotated[Literal["ntu", "smarthome", "nucla"] | None, _optional("NAME")] = None
    lists: Annotated[Path | None, _optional("FOLDER")] = None
    workers: int = 1
    trust_pickles: bool = False


def info(config: InfoConfig) -> list[DataError]:
    """Prints what a data set holds and what is wrong with it, and writes its contact sheet.

    Returns:
        What is wrong with its episodes, one error each.

    Raises:
        DataError: When the data set cannot be opened, or lacks the episode asked for.
    """
    root = newest_data_set() if config.data is None else config.data
    if format_of(root) is not EpisodesSource:
        info_of_source(open_source(root), config)
        return []
    dataset = EpisodeDataset(root)
    problems = find_problems(dataset, need_keypoints=False)
    whole = [i for i in range(len(dataset)) if i not in problems]
    with_keypoints = any(dataset.has_keypoints(i) for i in whole)
    if with_keypoints:
        problems = find_problems(dataset, need_keypoints=True)
        whole = [i for i in whole if i not in problems]
    if not whole:
        first = next(iter(problems.values()), "its index is empty")
        raise DataError(f"{dataset.root} has no episode that can be trained on: {first}")
    shown = whole[0] if config.episode is None else _position(dataset, config.episode)
    print(describe(dataset, summarize(dataset, whole, with_keypoints)))
    if not with_keypoints:
        print("\n  no keypoints: PAAB and PAAT need them, `--method deit` does not")
    _print_problems(problems.values())
    if shown in whole:
        path = config.contact_sheet or dataset.root / "contact_sheet.png"
        _write_sheet(path, contact_sheet(dataset, shown, config.columns))
        print(f"\n{path} shows {dataset.paths[shown].name}")
    if not problems:
        print("every episode is whole")
    return list(problems.values())


def info_of_source(source: Source, config: InfoConfig) -> None:
    """Prints what data in another format hold and writes the contact sheet of an episode.

    Raises:
        DataError: When the episode asked for is not there or cannot be read.
    """
    shown = config.episode or 0
    if not 0 <= shown < len(source):
        raise DataError(
            f"{source.root} has no episode {shown}; --episode takes 0 to {len(source) - 1}."
        )
    print(describe_source(source))
    beside = source.root.absolute()
    path = config.contact_sheet or beside.with_name(f"{beside.name}_contact_sheet.png")
    _write_sheet(path, contact_sheet(source, shown, config.columns))
    print(f"{path} shows {source.names[shown]}")


def _write_sheet(path: Path, sheet: Image) -> None:
    try:
        with atomic_path(path) as temporary:
            sheet.save(temporary, format="PNG")
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}); name another --contact-sheet."
        ) from error


def find_problems(dataset: EpisodeDataset, need_keypoints: bool) -> dict[int, DataError]:
    """Checks every episode; returns the position of each bad one with what is wrong with it."""
    count = len(dataset.skeleton) if need_keypoints else None
    problems = {}
    for i, path in enumerate(dataset.paths):
        try:
            check_episode(path, dataset.views, dataset.meta.image_size, count)
        except DataError as error:
            problems[i] = error
    return problems


def _position(dataset: EpisodeDataset, number: int) -> int:
    name = f"demo_{number}"
    if name not in dataset.names:
        known = [int(name.removeprefix("demo_")) for name in dataset.names]
        raise DataError(
            f"{dataset.root} has no episode {number}; --episode takes {known[0]} to {known[-1]}."
        )
    return dataset.names.index(name)


def _clip_info(config: InfoConfig, format: str) -> list[DataError]:
    if config.data is None:
        raise DataError(f"name the folder that holds the {format} data set.")
    clips, problems = clip_info(
        config.data, format, config.lists, config.workers, config.trust_pickles
    )
    if not problems:
        print("every clip is whole")
    _print_problems(problems.values())
    if config.contact_sheet is not None:
        whole = [clip for clip in clips.clips if clip not in problems]
        if (config.data / MOCAP_NAME).exists():
            motions = MocapMeta.load(config.data).motions
            whole = [replace(clip, action=motions.get(clip.action, clip.action)) for clip in whole]
        sheet = clip_sheet(whole, columns=config.columns, trust_pickles=config.trust_pickles)
        _write_sheet(config.contact_sheet, sheet)
        print(f"{config.contact_sheet} shows some of them")
    return list(problems.values())


def _print_problems(problems: Iterable[DataError]) -> None:
    # Before a contact sheet is drawn, so that one that cannot be does not hide them.
    for problem in islice(problems, SHOWN_PROBLEMS):
        print(f"error: {problem}", file=sys.stderr)


def main() -> None:
    """Runs the command line."""
    config = tyro.cli(InfoConfig, prog="python -m datasets.info", description=__doc__)
    if config.columns < 1:
        sys.exit(f"error: --columns must be at least 1, got {config.columns}.")
    try:
        problems = info(config) if config.format is None else _clip_info(config, config.format)
    except DataError as error:
        sys.exit(f"error: {error}")
    if problems:
        what = "episodes" if config.format is None else "clips"
        sys.exit(f"{len(problems)} of the {what} cannot be trained on.")


if __name__ == "__main__":
    main()
