"""Stored evaluations: metrics, pairs of views, the verdict on collapse, and embeddings.

A run can be evaluated in several ways. The name of each is the split, followed by the protocol and
the data set where they are not the run's own, and by the checkpoint where it is not the best
(`test`, `test_unseen`, `test_on_can`, `test_last`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from align.config import Protocol, Split, TrainConfig
from align.engine.run_folder import Checkpoint, RunFolder
from align.metrics.alignment import PairResult
from align.metrics.collapse import Collapse
from align.metrics.phases import PhaseResult
from datasets.errors import DamagedDataError, FormatError, MissingDataError
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
        processor: The processor and number format that embedded the frames, such as `cpu, fp32`;
            empty in evaluations by earlier versions.
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

    @property
    def path(self) -> Path:
        """The file that holds it."""
        return RunFolder(self.run).evaluation(self.name or self.split)

    @property
    def _embeddings_path(self) -> Path:
        return RunFolder(self.run).embeddings(self.name or self.split)

    def embeddings(self) -> dict[str, dict[str, Tensor]]:
        """Episode to view to embeddings (time, dim).

        Raises:
            MissingDataError: When the file does not exist.
            DamagedDataError: When it is truncated.
        """
        self.require_embeddings()
        stored: dict[str, dict[str, Tensor]] = {}
        for name, value in load_file(self._embeddings_path).items():
            episode, view = name.split("/")
            stored.setdefault(episode, {})[view] = value
        return stored

    def require_embeddings(self) -> None:
        """Checks that the file of embeddings is whole, without reading them; errors as above."""
        path = self._embeddings_path
        measure = f"Measure again: `python -m align.evaluate {self.run}`."
        try:
            # Opening compares the length of the file with what its header names.
            with safe_open(path, framework="pt"):
                return
        except FileNotFoundError:
            raise MissingDataError(f"{path} does not exist. {measure}") from None
        except SafetensorError as error:
            raise DamagedDataError(f"{path} is damaged ({error}). {measure}") from None

    def save(self, embeddings: dict[str, dict[str, Tensor]]) -> None:
        """Writes the embeddings, then the metrics: a metrics file means that both are there."""
        flat = {
            f"{e}/{v}": z.contiguous() for e, views in embeddings.items() for v, z in views.items()
        }
        with atomic_path(self._embeddings_path) as temporary:
            save_file(flat, temporary)
        stored = asdict(self) | {"run": str(self.run), "data": str(self.data)}
        with atomic_path(self.path) as temporary:
            temporary.write_text(json.dumps(stored, indent=1) + "\n")


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
    path = RunFolder(run).evaluation(name)
    split, _, rest = name.partition("_")
    measure = f"python -m align.evaluate {run} --split {split}"
    measure += " …, with the --protocol, --data or --checkpoint of the name" if rest else ""
    if not path.exists():
        raise MissingDataError(f"{path} does not exist. Make it with `{measure}`.")
    try:
        # The folder may have been moved or copied since.
        stored = json.loads(path.read_bytes()) | {"run": str(run), "name": name}
        return TypeAdapter(Evaluation).validate_python(stored)
    except (TypeError, ValueError) as error:  # no JSON, no object, or invalid for pydantic
        reason = " ".join(str(error).split())
        raise FormatError(f"{path} cannot be read: {reason}. Measure again: `{measure}`.") from None
