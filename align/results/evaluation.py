"""Stored evaluations: metrics, pairs of views, the verdict on collapse, and embeddings.

A run can be evaluated in several ways. The name of each is the split, followed by the protocol and
the data set where they are not the run's own, and by the checkpoint where it is not the best
(`test`, `test_unseen`, `test_on_can`, `test_last`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

from pydantic import TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from align.config import Protocol, Split, TrainConfig
from align.engine.run_folder import Checkpoint, RunFolder
from align.engine.tensor_files import as_system_errors, open_tensors
from align.metrics.alignment import PairResult
from align.metrics.collapse import Collapse
from align.metrics.phases import PhaseResult
from datasets.errors import (
    DamagedDataError,
    FormatError,
    MismatchError,
    MissingDataError,
    first_fault,
)
from datasets.storage.atomic import atomic_path


@dataclass(frozen=True)
class Evaluation:
    """Metrics and embeddings of one run on one split.

    Attributes:
        run: The run's folder.
        split: Split of the data set.
        method: The run's method.
        data: The data set that it was measured on.
        seed: The run's seed.
        metrics: Name to mean; `align.metrics.names` explains the names.
        pairs: Metrics of every pair of views of every episode.
        protocol: Which views were tested on.
        name: Name under which it is stored; by default the split.
        world: The data set's environment.
        phases: Phase metrics from every view to every view, over all episodes.
        labelled_episodes: Number of episodes whose labels the phase metrics used.
        collapse: Verdict on the embeddings; None where they were not checked.
        parameters: Number of the model's parameters.
        identity: Digest of the data set that it was measured on, see `datasets.storage.identity`;
            None for data without one, and in evaluations by earlier versions.
        processor: The processor and number format that embedded the frames; empty in evaluations
            by earlier versions.
        trained_on: Those that trained the run, several where it was resumed on another; empty in
            evaluations by earlier versions.
        core_seconds: Processor time of the training's steps in its main process, without processes
            that read data and without GPUs; 0 where not known.
    """

    run: Path
    split: str
    method: str
    data: Path
    seed: int
    metrics: dict[str, float]
    pairs: list[PairResult]
    protocol: Protocol = "seen"
    name: str = ""
    world: str = ""
    phases: list[PhaseResult] = field(default_factory=list)
    labelled_episodes: int = 0
    collapse: Collapse | None = None
    parameters: int = 0
    identity: str | None = None
    processor: str = ""
    trained_on: tuple[str, ...] = ()
    core_seconds: float = 0.0

    @property
    def path(self) -> Path:
        """The file that holds it."""
        return RunFolder(self.run).evaluation(self.name or self.split)

    @property
    def _embeddings_path(self) -> Path:
        return RunFolder(self.run).embeddings(self.name or self.split)

    def embeddings(self, only: str | None = None) -> dict[str, dict[str, Tensor]]:
        """Episode to view to embeddings (time, dim), of all episodes or of one.

        Raises:
            MissingDataError: When the file does not exist.
            DamagedDataError: When it is damaged.
        """
        stored: dict[str, dict[str, Tensor]] = {}
        with self._opened_embeddings() as file:
            for name in file.keys():  # noqa: SIM118
                episode, view = name.split("/")
                if only in (None, episode):
                    stored.setdefault(episode, {})[view] = file.get_tensor(name)
        return stored

    def require_embeddings(self) -> None:
        """Checks that the file of embeddings is whole, without reading them; errors as above."""
        # Opening compares the length of the file with what its header names.
        with self._opened_embeddings():
            return

    @contextmanager
    def _opened_embeddings(self) -> Iterator[Any]:
        path, again = self._embeddings_path, f"Measure again: `{_measuring(self.run, self.name)}`."
        try:
            with open_tensors(path) as file:
                yield file
        except FileNotFoundError:
            raise MissingDataError(f"{path} does not exist. {again}") from None
        except (SafetensorError, ValueError) as error:
            raise DamagedDataError(f"{path} is damaged ({error}). {again}") from None

    def save(self, embeddings: dict[str, dict[str, Tensor]]) -> None:
        """Writes the embeddings, then the metrics: a metrics file means that both are there."""
        flat = {
            f"{e}/{v}": z.contiguous() for e, views in embeddings.items() for v, z in views.items()
        }
        stored = asdict(self) | {"run": str(self.run), "data": str(self.data)}
        # Both are written before either gets its name: metrics and embeddings always agree.
        with atomic_path(self.path) as metrics, atomic_path(self._embeddings_path) as temporary:
            metrics.write_text(json.dumps(stored, indent=1) + "\n")
            with as_system_errors(temporary):
                save_file(flat, temporary)


def require_pairs(evaluation: Evaluation) -> None:
    """Checks that views of the same moments were measured.

    Raises:
        MismatchError: When the videos are unpaired, so that there is no alignment error.
    """
    if "alignment_error" not in evaluation.metrics:
        raise MismatchError(
            f"{evaluation.path} is of unpaired videos, which have no alignment error to compare. "
            f"Print its measures: `{_measuring(evaluation.run, evaluation.name)}`."
        )


def evaluation_name(
    config: TrainConfig,
    split: Split,
    data: Path | None = None,
    protocol: Protocol | None = None,
    checkpoint: Checkpoint = "best",
) -> str:
    """The name under which an evaluation of a run with these options is stored.

    Args:
        config: Options of the run.
        split: Split whose episodes are measured.
        data: The measured data set, where it is not the run's own.
        protocol: Which views are tested on.
        checkpoint: The weights that are measured.
    """
    name: str = split
    if protocol not in (None, config.protocol):
        name += f"_{protocol}"
    if data is not None:
        name += f"_on_{data.resolve().name}"
    return name if checkpoint == "best" else f"{name}_{checkpoint}"


def load_evaluation(run: Path, name: str = "test") -> Evaluation:
    """Reads a stored evaluation of a run.

    Raises:
        MissingDataError: When the run has not been measured in that way.
        FormatError: When the file is damaged, or was written by another version.
    """
    path, measure = RunFolder(run).evaluation(name), _measuring(run, name)
    if not path.exists():
        raise MissingDataError(f"{path} does not exist. Make it with `{measure}`.")
    try:
        # The folder may have been moved or copied since.
        stored = json.loads(path.read_bytes()) | {"run": str(run), "name": name}
        return TypeAdapter(Evaluation).validate_python(stored)
    except (TypeError, ValueError) as error:  # no JSON, no object, or invalid for pydantic
        raise FormatError(
            f"{path} cannot be read ({first_fault(error)}). Measure again: `{measure}`."
        ) from None


def _measuring(run: Path, name: str) -> str:
    """The command that makes an evaluation of this name."""
    split, _, rest = name.partition("_")
    more = " …, with the --protocol, --data or --checkpoint of the name" if rest else ""
    return f"python -m align.evaluate {quote(str(run))} --split {split}{more}"
