"""The plan of a recogniser: its options, and the facts about the clips that it learns from.

A checkpoint holds both, so that it can be used without the data set that trained it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from action.config import RENAMED, ActionConfig
from action.inputs.clips import ActionData, sample_config
from action.models.normalisation import TIMESFORMER, Normalisation
from action.models.registry import architecture
from align.engine.checkpoint import OtherModelError, require_described
from align.engine.stored_config import parse_config
from align.results.labels import each_option
from datasets.clips.base import ClipFormat
from datasets.clips.samples import SampleConfig
from datasets.clips.sets import FORMATS, get_format
from datasets.errors import FormatError, first_fault, require_known
from datasets.skeletons import Skeleton

# Options on which what a model sees or computes depends, beside its weights.
_OF_MODEL = ("model", "method", "whiten", "backbone.", "paab.", "pose_map.", "batch.", "joints.")


@dataclass(frozen=True)
class LearnedClips:
    """Facts about the clips that a run learns from, which its model depends on.

    Attributes:
        format: Their format: `ntu`, `smarthome` or `nucla`.
        protocol: The protocol that splits them.
        classes: Name of each class that the model tells apart.
        skeleton: The keypoints of their poses.
    """

    format: str
    protocol: str
    classes: tuple[str, ...]
    skeleton: Skeleton

    @classmethod
    def of(cls, data: ActionData) -> LearnedClips:
        """The facts about a data set under one protocol."""
        return cls(data.clip_set.name, data.protocol, data.classes, data.clip_set.skeleton)


@dataclass(frozen=True)
class RecognizerPlan:
    """A recogniser as it is built.

    Attributes:
        config: Options of the run.
        learned: The clips that it learns from.
        normalisation: How pixels are normalised.
    """

    config: ActionConfig
    learned: LearnedClips
    normalisation: Normalisation = TIMESFORMER

    @classmethod
    def new(cls, config: ActionConfig, learned: LearnedClips) -> RecognizerPlan:
        """The plan of a run that begins: pixels are normalised as its model was published."""
        return cls(config, learned, architecture(config.model).normalisation)

    @property
    def sample(self) -> SampleConfig:
        """How the run's own clips are sampled."""
        return sample_config(self.config, get_format(self.learned.format))

    def sample_as(self, fmt: ClipFormat) -> SampleConfig:
        """How clips of a format are sampled: the stride is theirs, the model fixes the frames."""
        return replace(sample_config(self.config, fmt), frames=self.sample.frames)

    @classmethod
    def stored(cls, about: Mapping[str, Any], path: Path) -> RecognizerPlan:
        """The plan that `about` describes, read from a checkpoint.

        Args:
            about: What `about` returned.
            path: The checkpoint, for messages.

        Raises:
            FormatError: When the description is not whole.
            DataError: When it has unknown options.
        """
        require_described(about, path)
        config = parse_config(ActionConfig, about["config"], path, RENAMED)
        try:
            learned = TypeAdapter(LearnedClips).validate_python(about["data"])
            normalisation = TypeAdapter(Normalisation).validate_python(about["normalisation"])
        except (KeyError, TypeError, ValidationError) as error:
            raise FormatError(
                f"{path}: its description of the model cannot be read ({first_fault(error)}). Use "
                "another checkpoint of the run, or train again."
            ) from None
        require_known(f"format of clips in {path}", learned.format, FORMATS)
        return cls(config, learned, normalisation)

    def require_of(self, config: ActionConfig, path: Path) -> None:
        """Checks that a checkpoint with this plan is of the run that has these options.

        Others of the same shape would fit, and see frames of another stride or cut.

        Args:
            config: Options of the run.
            path: The checkpoint, for the message.

        Raises:
            OtherModelError: When an option that changes what the model sees or computes differs.
        """
        ours = dict(each_option(replace(self, config=config)._described()))
        for name, value in each_option(self.config):
            # Earlier versions left frames and stride open.
            if name.startswith(_OF_MODEL) and value is not None and ours[name] != value:
                raise OtherModelError(
                    f"{path} is of another run: its {name} is {value}, and that of config.json "
                    f"{ours[name]}. Put the run's own checkpoint back."
                )

    def about(self) -> dict[str, Any]:
        """Facts that JSON can hold, from which the plan can be made again without the data set.

        Paths, and what does not change the model, are left out: a checkpoint is the same wherever
        it was trained. It does not ask for pickles to be trusted either.
        """
        return {
            "config": TypeAdapter(ActionConfig).dump_python(self._described(), mode="json"),
            "data": asdict(self.learned),
            "normalisation": self.normalisation._asdict(),
        }

    def _described(self) -> ActionConfig:
        """The options that a checkpoint holds, with the frames and stride of the samples."""
        sample, usual = self.sample, ActionConfig()
        return replace(
            self.config,
            root=None,
            lists=None,
            out=None,
            init=None,
            epochs=usual.epochs,
            workers=None,
            stages=usual.stages,
            trust_pickles=False,
            backbone=replace(
                self.config.backbone, frames=sample.frames, stride=sample.stride, weights=None
            ),
        )
