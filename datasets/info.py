"""Describe a data set, check it, and draw a contact sheet of one of its episodes.

Examples:
    python -m datasets.info
    python -m datasets.info data/lift --episode 3 --contact-sheet lift.png
    python -m datasets.info ftpv/can_mh
    python -m datasets.info NTU --format ntu

It reads data sets of this project, FTPV folders, robomimic's HDF5 files, LeRobot v3 and folders of
videos; `python -m datasets.convert` converts between them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal, cast

import tyro
from PIL.Image import Image

from datasets.bounds import Columns, NaturalInt, PositiveInt
from datasets.clips.info import clip_info
from datasets.clips.mocap import MOCAP_NAME, MocapMeta
from datasets.clips.sets import recognize_format
from datasets.clips.sheet import clip_sheet
from datasets.command import command, optional, parse
from datasets.console.streams import print_error
from datasets.draw import contact_sheet
from datasets.episodes import EpisodeDataset
from datasets.errors import DamagedDataError, DataError, MismatchError, OptionError
from datasets.formats.detect import EpisodesSource, format_of, open_source
from datasets.source import Source
from datasets.stillness import find_still
from datasets.storage.atomic import atomic_path
from datasets.storage.checks import check_episode, check_values
from datasets.storage.index import find_repeated
from datasets.storage.meta import newest_data_set
from datasets.summary import describe, describe_source, summarize

SHOWN_PROBLEMS = 10
ClipSetName = Literal["ntu", "smarthome", "nucla"]


@dataclass(frozen=True)
class InfoConfig:
    """Describe a data set, check it, and draw a contact sheet of one of its episodes.

    Attributes:
        data: Folder of the data set; by default the newest one under data/.
        episode: Number of the episode on the contact sheet, as in the name of its file; by default
            the first episode without errors.
        contact_sheet: File of the contact sheet, a PNG; by default contact_sheet.png in the folder
            of the data set, or beside that folder for other formats.
        columns: Number of moments of the episode on the contact sheet.
        format: File format of an action data set; by default known by the names of its videos. Its
            contact sheet has one row per clip and is drawn only when --contact-sheet names a file.
        lists: Folder of train.csv, val.csv and test.csv that list the clips of an action data set.
        workers: Number of processes that check the clips of an action data set.
        trust_pickles: Load NTU's .skeleton.npy files, which are pickles and can run any code.
    """

    data: tyro.conf.Positional[Annotated[Path | None, optional("[FOLDER]")]] = None
    episode: Annotated[NaturalInt | None, optional("NUMBER")] = None
    contact_sheet: Annotated[Path | None, optional("FILE")] = None
    columns: Columns = 6
    format: Annotated[ClipSetName | None, optional("{ntu,smarthome,nucla}")] = None
    lists: Annotated[Path | None, optional("FOLDER")] = None
    workers: PositiveInt = 1
    trust_pickles: bool = False


def info(config: InfoConfig) -> list[DataError]:
    """Print a description of a data set and its errors, and write its contact sheet.

    Returns:
        One error for each episode that cannot be used.

    Raises:
        DataError: When the data set cannot be opened.
        OptionError: When it lacks the requested episode.
    """
    root = newest_data_set() if config.data is None else config.data
    if format_of(root) is not EpisodesSource:
        info_of_source(open_source(root), config)
        return []
    dataset = EpisodeDataset(root)
    problems = _find_wrong(dataset) | _find_repeated(dataset)
    whole = [i for i in range(len(dataset)) if i not in problems]
    with_keypoints = any(dataset.has_keypoints(i) for i in whole)
    if with_keypoints:
        problems |= _find_without_keypoints(dataset, whole)
        whole = [i for i in whole if i not in problems]
    if not whole:
        first = next(iter(problems.values()), "its index is empty")
        raise DamagedDataError(f"{dataset.root} has no episode that can be trained on: {first}")
    shown = whole[0] if config.episode is None else _position(dataset, config.episode)
    summary = summarize(dataset, whole, with_keypoints)
    print(describe(dataset, summary))
    if not with_keypoints:
        print(
            "\n  no keypoints: PAAB and PAAT need them; `--method deit` does not. `python -m "
            "datasets.keypoints` computes those of a robot from its joints."
        )
    _print_problems(problems.values())
    for doubt in find_still(dataset, dict(zip(whole, summary.lengths, strict=True))):
        print(f"\n  {doubt}")
    if shown in whole:
        path = config.contact_sheet or dataset.root / "contact_sheet.png"
        _write_sheet(path, contact_sheet(dataset, shown, config.columns))
        print(f"\n{path} shows {dataset.paths[shown].name}")
    if not problems:
        print("every episode is whole")
    return list(problems.values())


def info_of_source(source: Source, config: InfoConfig) -> None:
    """Print a description of data in another format and write a contact sheet of an episode.

    Raises:
        DataError: When the requested episode cannot be read.
        OptionError: When the requested episode does not exist.
    """
    shown = config.episode or 0
    if not 0 <= shown < len(source):
        raise OptionError(
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
        raise OptionError(
            f"{path} cannot be written ({error.strerror}); choose another --contact-sheet."
        ) from error


def _find_wrong(dataset: EpisodeDataset) -> dict[int, DataError]:
    """Check the structure and values of every episode; return each bad position with its error."""

    def check(path: Path) -> None:
        check_episode(path, dataset.meta, dataset.views, need_keypoints=False)
        check_values(path, dataset.meta)

    return _find(dataset, range(len(dataset)), check)


def _find_without_keypoints(
    dataset: EpisodeDataset, positions: Iterable[int]
) -> dict[int, DataError]:
    def check(path: Path) -> None:
        check_episode(path, dataset.meta, dataset.views, need_keypoints=True)

    return _find(dataset, positions, check)


def _find(
    dataset: EpisodeDataset, positions: Iterable[int], check: Callable[[Path], None]
) -> dict[int, DataError]:
    problems = {}
    for i in positions:
        try:
            check(dataset.paths[i])
        except DataError as error:
            problems[i] = error
    return problems


def _find_repeated(dataset: EpisodeDataset) -> dict[int, DataError]:
    faults = find_repeated(dataset.index_path)
    return {
        i: MismatchError(f"{dataset.index_path}: {faults[name]}")
        for i, name in enumerate(dataset.names)
        if name in faults
    }


def _position(dataset: EpisodeDataset, number: int) -> int:
    name = f"demo_{number}"
    if name not in dataset.names:
        known = [int(name.removeprefix("demo_")) for name in dataset.names]
        raise OptionError(
            f"{dataset.root} has no episode {number}; --episode takes {known[0]} to {known[-1]}."
        )
    return dataset.names.index(name)


def _clip_info(config: InfoConfig, format: str) -> list[DataError]:
    if config.data is None:
        raise OptionError(f"--format {format} needs the folder of the data set.")
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
        print(f"{config.contact_sheet} shows some of the clips")
    return list(problems.values())


def _print_problems(problems: Iterable[DataError]) -> None:
    # Printed before the contact sheet is drawn, so that an error in drawing does not hide them.
    for problem in islice(problems, SHOWN_PROBLEMS):
        print_error(problem)


def _recognized(data: Path | None) -> ClipSetName | None:
    """Return the action data set in a folder, which would else be taken for views of episodes."""
    if data is None or not data.is_dir() or EpisodesSource.recognizes(data):
        return None
    found = recognize_format(data)
    if found is not None:
        print(f"the names of the videos are those of --format {found}\n")
    return cast("ClipSetName | None", found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    config = parse(
        InfoConfig, prog="python -m datasets.info", arguments=arguments, description=__doc__
    )
    with command():
        if config.columns < 1:
            raise OptionError(f"--columns must be at least 1, got {config.columns}.")
        fmt = config.format or _recognized(config.data)
        problems = info(config) if fmt is None else _clip_info(config, fmt)
        if problems:
            what = "episodes" if fmt is None else "clips"
            sys.exit(f"{len(problems)} of the {what} cannot be trained on.")


if __name__ == "__main__":
    main()
