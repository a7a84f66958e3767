"""The folder of a run: the names of its files, its configuration and its history.

    config.json                                options
    data.json                                  the data that it was made of
    metrics.csv                                one row for each epoch
    checkpoints/{last,best}.safetensors        weights
    evaluation/<name>.json                     metrics
    evaluation/<name>_embeddings.safetensors   embeddings of frames (alignment)
    evaluation/<name>.safetensors, .png        features of clips, confusion matrix (action)
    analysis/<name>.json                       distances and attention of tokens
    analysis/<name>_attention.json             attention maps (alignment)
    retrieval/<name>.json, .png                found clips (action)
    embeddings/<name>.npz                      embeddings of any videos (alignment)
    progress/<name>.npz, .json                 progress of any videos (alignment)
    stages/<name>/                             a run from which it learns (action)
    report.html                                the page about the run

TensorBoard's files lie in the folder as well. No other module spells these names.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from align.engine.checkpoint_header import read_state
from align.engine.csv_files import read_csv, write_csv
from align.engine.stored_config import read_config, write_config
from datasets.errors import FormatError, UserError, shortened
from datasets.storage.own_files import own_files

Checkpoint = Literal["best", "last"]
Config = TypeVar("Config")

CONFIG_NAME = "config.json"
REPORT_NAME = "report.html"
_ORIGIN_NAME = "data.json"
_HISTORY_NAME = "metrics.csv"
_CHECKPOINTS, _EVALUATION, _ANALYSIS, _RETRIEVAL, _EMBEDDINGS, _PROGRESS = (
    "checkpoints",
    "evaluation",
    "analysis",
    "retrieval",
    "embeddings",
    "progress",
)
_STAGES = "stages"
_TENSORS = ".safetensors"
# A message lists this many runs; more would hide what it says.
_NEWEST = 5


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run.

    Attributes:
        path: The folder, which need not exist yet.
    """

    path: Path

    @classmethod
    def all_in(cls, folder: Path) -> list[RunFolder]:
        """The runs whose folders lie directly in a folder, by name."""
        return [cls(path.parent) for path in sorted(folder.glob(f"*/{CONFIG_NAME}"))]

    @property
    def config(self) -> Path:
        """The options."""
        return self.path / CONFIG_NAME

    @property
    def origin(self) -> Path:
        """The data that it was made of."""
        return self.path / _ORIGIN_NAME

    @property
    def history(self) -> Path:
        """The metrics of each epoch."""
        return self.path / _HISTORY_NAME

    @property
    def report(self) -> Path:
        """The page about this run alone."""
        return self.path / REPORT_NAME

    @property
    def exists(self) -> bool:
        """Whether the folder holds a run."""
        return self.config.exists()

    @property
    def started(self) -> bool:
        """Whether the run has a checkpoint to resume from, which may be a broken link."""
        return os.path.lexists(self.checkpoint("last"))

    @property
    def finished(self) -> bool:
        """Whether the run has trained to its end, early stops included.

        Raises:
            CheckpointError: When the last checkpoint is truncated.
        """
        return self.started and read_state(self.checkpoint("last")).get("finished", False)

    @property
    def processors(self) -> tuple[str, ...]:
        """The processors that trained the run; none where it does not say."""
        last = self.checkpoint("last")
        return tuple(read_state(last).get("processors", ())) if last.exists() else ()

    def checkpoint(self, which: Checkpoint = "best") -> Path:
        """The weights with the lowest validation error, or those of the last epoch."""
        return self.path / _CHECKPOINTS / f"{which}{_TENSORS}"

    def stage(self, name: str) -> Path:
        """The folder of a run that comes before this one."""
        return self.path / _STAGES / name

    def evaluation(self, name: str) -> Path:
        """The metrics of an evaluation."""
        return self.path / _EVALUATION / f"{name}.json"

    def evaluations(self) -> list[str]:
        """Names of all evaluations, in alphabetical order."""
        return [path.stem for path in own_files((self.path / _EVALUATION).glob("*.json"))]

    def embeddings(self, name: str) -> Path:
        """The embeddings of all frames that an evaluation measured."""
        return self.path / _EVALUATION / f"{name}_embeddings{_TENSORS}"

    def features(self, name: str) -> Path:
        """The features of all clips that an evaluation measured."""
        return self.path / _EVALUATION / f"{name}{_TENSORS}"

    def confusion(self, name: str) -> Path:
        """The confusion matrix of an evaluation, a PNG."""
        return self.path / _EVALUATION / f"{name}.png"

    def analysis(self, name: str) -> Path:
        """The analysis of tokens on a split."""
        return self.path / _ANALYSIS / f"{name}.json"

    def attention(self, name: str) -> Path:
        """The attention maps on a split."""
        return self.path / _ANALYSIS / f"{name}_attention.json"

    def retrieval(self, name: str) -> Path:
        """The result of a search; its picture has the same name with .png."""
        return self.path / _RETRIEVAL / f"{name}.json"

    def retrievals(self) -> list[Path]:
        """The results of all searches, by name."""
        return own_files((self.path / _RETRIEVAL).glob("*.json"))

    def embedded(self, name: str) -> Path:
        """A table of the embeddings of videos or of a data set."""
        return self.path / _EMBEDDINGS / f"{name}.npz"

    def progress(self, name: str) -> Path:
        """A table of the progress of videos; its measures have the same name with .json."""
        return self.path / _PROGRESS / f"{name}.npz"

    def is_newer_than_checkpoint(self, result: Path, which: Checkpoint = "best") -> bool:
        """Whether a result exists that was written after the checkpoint it comes from.

        A result without its checkpoint counts: the weights of a measured run may be deleted.
        """
        weights = self.checkpoint(which)
        if not result.exists():
            return False
        return not weights.exists() or weights.stat().st_mtime <= result.stat().st_mtime

    def save_config(self, config: object) -> None:
        """Stores a dataclass of options."""
        write_config(config, self.config)

    def load_config(
        self,
        kind: type[Config],
        command: str,
        renamed: Mapping[str, Mapping[str, str]] | None = None,
    ) -> Config:
        """Reads the options; see `align.engine.stored_config.read_config`.

        Raises:
            DataError: When the folder holds no run, or the run has unknown options.
        """
        return read_config(kind, self.config, command, renamed)

    def save_history(self, rows: Iterable[Mapping[str, float]]) -> None:
        """Writes one row for each epoch."""
        write_history(self.history, rows)

    def load_history(self) -> list[dict[str, float]]:
        """Reads one row for each epoch."""
        return read_history(self.history)


def write_history(path: Path, rows: Iterable[Mapping[str, float]]) -> None:
    """Writes one row for each epoch as CSV; a metric that an epoch did not measure is empty."""
    rows = list(rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    # As text, because a measured NaN must not become empty.
    write_csv(path, columns, [[str(row[c]) if c in row else None for c in columns] for row in rows])


def read_history(path: Path) -> list[dict[str, float]]:
    """Reads what `write_history` wrote.

    Raises:
        FormatError: When a row is not whole, or holds no number.
    """
    try:
        rows = [{name: float(text) for name, text in row.items() if text} for row in read_csv(path)]
        if not all("epoch" in row for row in rows or [{}]):
            raise ValueError("an epoch has no number")
    except (ValueError, csv.Error) as error:  # of rows, cells and bytes
        raise FormatError(
            f"{path} is no table of numbers ({error}). Restore it, or train the run again."
        ) from None
    return rows


def run_name(name: str, seed: int) -> str:
    """The name of a run's folder in a grid.

    Args:
        name: The method, or the method and its variant with `_` between them.
        seed: Seed of the run.
    """
    return f"{name.replace('+', '_')}_seed{seed}"


class NoRunError(UserError, ValueError):
    """Raised when a command is given no run; names the newest ones."""


def require_runs(runs: Iterable[Path], kind: type[Any], under: Path = Path("runs")) -> None:
    """Checks that a command line names a run, before anything heavy is imported.

    Args:
        runs: The folders that it names; one without a run may stand beside one with.
        kind: The dataclass of the options of such runs.
        under: Folder of runs, in which the message looks for the newest ones.

    Raises:
        NoRunError: When it names none, or there is no run in any of the folders.
    """
    named = list(runs)
    # A broken link is not followed: its own error says more.
    if any(os.path.lexists(RunFolder(run).config) for run in named):
        return
    newest = newest_runs(kind, under)
    found = f"the newest are {', '.join(map(str, newest))}" if newest else f"{under}/ has none"
    lacking = shortened([str(RunFolder(run).config) for run in named], 3)
    no_run = f"there is no {lacking}: " if named else ""
    raise NoRunError(f"{no_run}name one or more folders of runs; {found}.")


def newest_runs(kind: type[Any], under: Path) -> list[Path]:
    """The newest runs below a folder, newest first; the stages of others are left out.

    Args:
        kind: The dataclass of the options of such runs.
        under: Folder of runs, or of grids of runs.
    """
    names = {field.name for field in fields(kind)}
    # A grid keeps its runs one or two folders further down.
    places = (path for depth in range(1, 4) for path in under.glob("*/" * depth + CONFIG_NAME))
    own = (path for path in places if path.parent.parent.name != _STAGES)
    paths = [path for path in own if _options_in(path) <= names]
    paths.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [path.parent for path in paths[:_NEWEST]]


def _options_in(path: Path) -> set[str]:
    try:
        return set(json.loads(path.read_bytes()))
    except ValueError:
        return {""}  # no JSON, so no run: no option has this name
