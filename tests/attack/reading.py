"""Faults of a file for a command that reads it, as rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.attack.faults import FILE_FAULTS, at
from tests.attack.rows import Row

# Commands that hold the data set of a run against the identity that the run stores.
MEASURES = ("evaluate", "analyze", "report", "view", "progress", "imitate")
A_FEW = ("truncated", "text instead", "links in a circle", "unreadable")


@dataclass(frozen=True)
class Read:
    """A file and a command that reads it.

    Attributes:
        place: The file, below the row's folder.
        command: The command.
        words: Its command line.
        needs: Parts of the material.
        without: Faults that are none here, such as a file that need not be there.
        named: What the error names; by default the file, or what it is a part of.
        around: What surrounds the command.
    """

    place: str
    command: str
    words: str
    needs: tuple[str, ...]
    without: tuple[str, ...] = ()
    named: str = ""
    around: Callable[[Path], AbstractContextManager[object]] = nullcontext


def rows_of(reads: Iterable[Read]) -> Iterator[Row]:
    """A row for every read and every fault of a file, or for a few where a second command reads
    the same file.
    """
    seen: set[str] = set()
    for read in reads:
        faults = [name for name in FILE_FAULTS if read.place not in seen or name in A_FEW]
        seen.add(read.place)
        name = read.place.rpartition("/")[2]
        for fault in faults:
            if fault not in read.without:
                yield Row(
                    read.command,
                    f"{name} {fault}",
                    read.words,
                    read.needs,
                    at(read.place, FILE_FAULTS[fault]),
                    (read.named,) if read.named else _named(read, fault),
                    around=read.around,
                )


def _named(read: Read, fault: str) -> tuple[str]:
    """The name that an error on a file must hold: the file, or what it is a part of."""
    folder, _, place = read.place.partition("/")
    name = place.rpartition("/")[2] or folder
    measures = read.command.endswith(MEASURES)
    if measures and folder in ("dots", "squares"):
        return (folder,)  # a changed file already shows in the identity of its data set
    if not name.endswith((".jpg", ".mp4", ".png")):
        return (name,)
    # Errors on one picture or video may name it by its number or view.
    return (place.split("/")[0] if fault == "missing" else name.partition(".")[0],)
