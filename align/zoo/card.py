"""The card of a model: what it was trained on, by which command, and how well it aligns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from align.engine.checkpoint import read_state
from align.results.text import markdown
from datasets.errors import FormatError, first_fault

CARD = "card"


@dataclass(frozen=True)
class Score:
    """The errors that one evaluation of the run measured.

    Attributes:
        alignment_error: Mean over all pairs of views of the test episodes, in 0 to 1.
        episodes: Number of test episodes.
        views: Views that were measured.
        world: The world of the data that it was measured on.
    """

    alignment_error: float
    episodes: int
    views: tuple[str, ...]
    world: str

    def cells(self) -> list[str]:
        """World, test episodes, views and error as text."""
        error = f"{self.alignment_error:.4f}"
        return [self.world, str(self.episodes), str(len(self.views)), error]


@dataclass(frozen=True)
class Card:
    """Facts about a model of the zoo.

    Attributes:
        name: Its name, which is that of its file.
        method: Its method, such as `late-predicted`.
        world: The world that it was trained in.
        command: The command that trained it.
        seed: The seed of the training.
        parameters: Number of its parameters.
        image_size: Side of the frames that it sees, in pixels.
        needs_keypoints: Whether it needs keypoints beside the frames.
        scores: Name of each evaluation to its result, measured in single precision.
        needs_cameras: Whether it needs the camera of every frame.
    """

    name: str
    method: str
    world: str
    command: str
    seed: int
    parameters: int
    image_size: int
    needs_keypoints: bool
    scores: Mapping[str, Score] = field(default_factory=dict)
    needs_cameras: bool = False

    @classmethod
    def of(cls, path: Path) -> Card:
        """Reads the card of a model's file.

        Raises:
            CheckpointError: When the file is missing or truncated.
            FormatError: When it has no card, as an ordinary checkpoint.
        """
        stored = read_state(path).get(CARD)
        try:
            card = TypeAdapter(cls).validate_python(stored)
        except ValidationError as error:
            raise FormatError(
                f"{path} has no card that can be read ({first_fault(error)}). Make a model of the "
                "zoo from a run with `python -m align.zoo NAME --export RUN`."
            ) from None
        # The name of the file is what finds the model, also after it was renamed.
        return replace(card, name=path.stem)

    def facts(self) -> dict[str, Any]:
        """The card as JSON can hold it."""
        return asdict(self)

    def markdown(self) -> str:
        """The card as Markdown."""
        needed = {"keypoints": self.needs_keypoints, "cameras": self.needs_cameras}
        needs = " and ".join(name for name, is_so in needed.items() if is_so) or "frames alone"
        rows = [[name, *score.cells()] for name, score in self.scores.items()]
        lines = [
            f"## {self.name}",
            "",
            f"`{self.method}`, trained in the world `{self.world}` with seed {self.seed}. "
            f"{self.parameters / 1e6:.1f} M parameters, frames of {self.image_size} x "
            f"{self.image_size} pixels; it needs {needs}.",
            "",
            f"```\n{self.command}\n```",
            "",
            markdown(["measured on", "world", "test episodes", "views", "alignment error"], rows),
        ]
        return "\n".join(lines) + "\n"
