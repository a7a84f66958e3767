"""The origin of a run: the data that it was made of, stored in its folder as `data.json`.

A run of an earlier version has no such file. Its data cannot be distinguished from other
data at the same path, and what it learned from is not known.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from align.engine.config import RunConfig
from align.engine.run_folder import RunFolder
from datasets.errors import FormatError, MismatchError, MissingDataError, shortened
from datasets.storage.atomic import atomic_path
from datasets.storage.identity import short

log = logging.getLogger(__name__)

Config = TypeVar("Config", bound=RunConfig)
Identify = Callable[[Path], str | None]

_NAMED = 5  # a message names this many episodes


@dataclass(frozen=True)
class DataRecord:
    """A data set as a run found it.

    Attributes:
        path: Its absolute path.
        relative: Its path relative to the run's folder, for both folders moved together.
        digest: Its identity; None for data that have none, such as episodes without seals.
    """

    path: Path
    relative: str
    digest: str | None

    @classmethod
    def of(cls, data: Path, digest: str | None, run: Path) -> DataRecord:
        """The record of the data set at `data` in the folder of a run."""
        path = data.resolve()
        return cls(path, Path(os.path.relpath(path, run.resolve())).as_posix(), digest)


@dataclass(frozen=True)
class Origin:
    """The data that a run was made of.

    Attributes:
        data: Option that names a data set to its record.
        learned: Episode or clip that the run learns from to the digest of its file.
    """

    data: Mapping[str, DataRecord]
    learned: Mapping[str, str] = field(default_factory=dict)

    def save(self, run: Path) -> None:
        """Stores it in the folder of a run."""
        with atomic_path(RunFolder(run).origin) as temporary:
            temporary.write_bytes(TypeAdapter(Origin).dump_json(self, indent=1) + b"\n")

    @classmethod
    def load(cls, run: Path) -> Origin | None:
        """Reads what `save` wrote; None for a run of an earlier version.

        Raises:
            FormatError: When the file cannot be read.
        """
        path = RunFolder(run).origin
        if not path.exists():
            return None
        try:
            return TypeAdapter(Origin).validate_json(path.read_bytes())
        except ValidationError as error:
            wrong = error.errors()[0]
            raise FormatError(
                f"{path} cannot be read: {wrong['msg']}. Restore it, or move it elsewhere: the "
                "run is then one that stores no identity of its data."
            ) from None

    def require_same(
        self, other: Origin, run: Path, otherwise: str = "choose another --out"
    ) -> None:
        """Raises a MismatchError when a run that has this origin is given other data.

        Args:
            other: The origin that the run would have.
            run: The run's folder.
            otherwise: The remedy for those who want the other data.
        """
        for option, record in self.data.items():
            now = other.data.get(option)
            if now is not None and record.digest is not None and now.digest != record.digest:
                raise MismatchError(
                    f"{now.path} is not the data that {run} was trained with: its identity is "
                    f"{short(now.digest)}, not {short(record.digest)}. It was made again, has "
                    f"grown, or is another set. Name the run's own data with "
                    f"{_flag(option)} FOLDER, or {otherwise}."
                )

    def require_unseen(self, seals: Mapping[str, str], run: Path, data: Path) -> None:
        """Checks that a run has not learned from what it is measured on.

        Args:
            seals: Episode or clip that is measured to the digest of its file.
            run: The run's folder, for the message.
            data: The data set, for the message.

        Raises:
            MismatchError: When the run has learned from some; names them.
        """
        learned = set(self.learned.values())
        if seen := [name for name, seal in seals.items() if seal in learned]:
            raise MismatchError(
                f"{run} was trained on {len(seen)} of the {len(seals)} that it would be measured "
                f"on in {data}: {shortened(seen, _NAMED)}. Measure on data that it has not seen, "
                "or on the training split by name: --split train."
            )


def find_data(
    run: Path,
    option: str,
    named: Path,
    identify: Identify,
    is_there: Callable[[Path], bool],
    other: str = "",
) -> Path:
    """The data set of a run: at the path that its options name, or where it was moved with the run.

    Args:
        run: The run's folder.
        option: The option that names the data set, such as `data`.
        named: The path that the run's options give.
        identify: The identity of the data set at a path.
        is_there: Whether a path holds a data set.
        other: Remedy where the data set that is there is another one and shall be used.

    Raises:
        MissingDataError: When no data set is there.
        MismatchError: When a data set is there, but not the one that the run was made of.
    """
    record = _record(run, option)
    found = find_places(run, option, named, is_there)
    if record is None or record.digest is None:
        log.info("%s stores no identity of its data, so %s is taken to be it", run, found[0])
        return found[0]
    remedy = f"Name the folder where it lies now: {_flag(option)} FOLDER{other}"
    return find_same(found, record.digest, identify, f"{run} was made of", remedy)


def find_places(
    run: Path, option: str, named: Path, is_there: Callable[[Path], bool]
) -> list[Path]:
    """The places where a run's data set may lie now, of which at least one holds a data set.

    Raises:
        MissingDataError: When none does.
    """
    record = _record(run, option)
    places = [named, *((record.path, run / record.relative) if record else ())]
    if found := [place for place in _distinct(places) if is_there(place)]:
        return found
    raise MissingDataError(
        f"{named}, the data set of {run}, does not exist. Put it back, or name its new folder: "
        f"{_flag(option)} FOLDER, with --relocate to store it in the run."
    )


def find_same(
    places: Sequence[Path], digest: str, identify: Identify, whose: str, remedy: str
) -> Path:
    """The first place whose data set has an identity.

    Args:
        places: Data sets, at least one.
        digest: The identity.
        identify: The identity of the data set at a path.
        whose: End of `the data that …`, for the message.
        remedy: End of the message.

    Raises:
        MismatchError: When none has.
    """
    digests: dict[Path, str | None] = {}
    for place in places:
        digests[place] = identify(place)  # each takes a while: none after the one that is found
        if digests[place] == digest:
            if place != places[0]:
                log.info("the data that %s is in %s", whose, place)
            return place
    raise MismatchError(
        f"{places[0]} is not the data that {whose}: its identity is {short(digests[places[0]])}, "
        f"not {short(digest)}. It was made again, has grown, or is another set. {remedy}"
    )


def is_own(run: Path, option: str, named: Path | None, data: Path, identify: Identify) -> bool:
    """Whether a data set is the one that a run was made of, wherever it lies.

    Args:
        run: The run's folder.
        option: The option that names the run's data set.
        named: The path that the run's options give.
        data: The data set.
        identify: The identity of the data set at a path.
    """
    record = _record(run, option)
    if record is None or record.digest is None:
        return named is not None and named.resolve() == data.resolve()
    return identify(data) == record.digest


def relocate(run: Path, config: RunConfig, option: str, data: Path, identify: Identify) -> None:
    """Writes the new path of a run's data set into the run.

    Args:
        run: The run's folder.
        config: The run's options as stored.
        option: The option that names the data set.
        data: Its new path.
        identify: The identity of the data set at a path.

    Raises:
        MismatchError: When `data` is not the data set that the run was made of.
    """
    origin = Origin.load(run)
    if origin is not None and (record := origin.data.get(option)) is not None:
        now = DataRecord.of(data, identify(data), run)
        Origin({option: record}).require_same(
            Origin({option: now}), run, "leave out --relocate to measure on this one"
        )
        replace(origin, data={**origin.data, option: now}).save(run)
    changes: dict[str, Any] = {option: data}
    replace(config, **changes).save(run)  # type: ignore[type-var]
    log.info("%s: %s is now %s", run, _flag(option), data)


def _record(run: Path, option: str) -> DataRecord | None:
    origin = Origin.load(run)
    return origin.data.get(option) if origin else None


def _distinct(paths: Iterable[Path]) -> list[Path]:
    """The paths in order, without those that lead to the same place."""
    places: dict[Path, Path] = {}
    for path in paths:
        places.setdefault(path.resolve(), path)
    return list(places.values())


def _flag(option: str) -> str:
    return "--" + option.replace("_", "-")
