"""What `align.evaluate` stores of a run: metrics, pairs of views, verdict on collapse, embeddings.

A run can be measured in several ways; each has a name: the split, then the protocol and the data
set where they are not the run's own (`test`, `test_unseen`, `test_on_can`). In the run's folder,
`evaluation/<name>.json` holds the numbers and `<name>_embeddings.safetensors` the embeddings.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from safetensors.torch import load_file, save_file
from torch import Tensor

from align.config import Protocol
from align.metrics.alignment import PairResult
from align.metrics.collapse import Collapse
from align.metrics.phases import PhaseResult
from datasets.errors import DataError
from datasets.storage.atomic import atomic_path


@dataclass(frozen=True)
class Evaluation:
    """Metrics and embeddings of one run on one split.

    Attributes:
        run: The run's folder.
        split: Of the data set.
        method: Of the run.
        data: The data set that it was measured on.
        seed: Of the run.
        metrics: Means, by the names that `align.metrics.names` explains.
        pairs: Every pair of views of every episode.
        protocol: Which views were tested on.
        name: Under which it is stored; the split's by default.
        world: The data set's environment.
        phases: From every view to every view, over all episodes.
        labelled_episodes: That the phase metrics learned from.
        collapse: Verdict on the embeddings; None where it was not looked at.
        parameters: Number of the model's parameters.
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

    @property
    def path(self) -> Path:
        """Where it is stored."""
        return evaluation_path(self.run, self.name or self.split)

    def embeddings(self) -> dict[str, dict[str, Tensor]]:
        """Episode to view to embeddings (time, dim)."""
        stored: dict[str, dict[str, Tensor]] = {}
        for name, value in load_file(_embeddings_path(self.path)).items():
            episode, view = name.split("/")
            stored.setdefault(episode, {})[view] = value
        return stored

    def save(self, embeddings: dict[str, dict[str, Tensor]]) -> None:
        """Writes the embeddings, then the metrics: a metrics file means that both are there."""
        flat = {
            f"{e}/{v}": z.contiguous() for e, views in embeddings.items() for v, z in views.items()
        }
        with atomic_path(_embeddings_path(self.path)) as temporary:
            save_file(flat, temporary)
        stored = asdict(self) | {"run": str(self.run), "data": str(self.data)}
        with atomic_path(self.path) as temporary:
            temporary.write_text(json.dumps(stored, indent=1) + "\n")


def evaluation_path(run: Path, name: str) -> Path:
    """Where the evaluation of that name is stored in a run."""
    return run / "evaluation" / f"{name}.json"


def _embeddings_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}_embeddings.safetensors")


def load_evaluation(run: Path, name: str = "test") -> Evaluation:
    """Reads a stored evaluation of a run.

    Raises:
        DataError: When the run has not been measured in that way, or by another version.
    """
    path = evaluation_path(run, name)
    split, _, rest = name.partition("_")
    measure = f"python -m align.evaluate {run} --split {split}"
    measure += " …, with the --protocol, --data or --checkpoint of the name" if rest else ""
    if not path.exists():
        raise DataError(f"{path} does not exist. Make it with `{measure}`.")
    # The folder may have been moved or copied since.
    stored = json.loads(path.read_text()) | {"run": str(run), "name": name}
    try:
        return TypeAdapter(Evaluation).validate_python(stored)
    except ValidationError as error:
        raise DataError(f"{path} cannot be read: {error}. Measure again: `{measure}`.") from None
