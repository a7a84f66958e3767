"""The classes that a trained run sees in a video, with the video's poses where they are used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from action.measuring import ensembled
from action.models.registry import architecture
from action.recognizer import ClipRecognizer, require_finite
from align.engine.run_folder import Checkpoint
from datasets.bounds import PositiveInt, require_values_in_bounds
from datasets.clips.own import (
    POSE_FORMATS,
    POSE_SUFFIX,
    find_poses,
    own_clip,
    require_own_video,
)
from datasets.clips.pose_json import read_pose_json
from datasets.clips.sets import get_format
from datasets.errors import MissingDataError, MissingLibraryError
from datasets.extract_poses import extract, load_mediapipe
from datasets.skeletons import COCO18

# In place of a file, for poses that were extracted for one prediction.
EXTRACTED = "extracted"


@dataclass(frozen=True)
class Prediction:
    """The classes of one video.

    Attributes:
        video: The video.
        poses: File of the poses that were used, or `EXTRACTED`; empty where none were.
        probabilities: Class to its probability, the most probable class first.
    """

    video: Path
    poses: str
    probabilities: dict[str, float]

    def top(self, count: int) -> dict[str, float]:
        """The most probable classes."""
        return dict(list(self.probabilities.items())[:count])

    def to_json(self, count: int) -> dict[str, Any]:
        """The video, its poses (null without), and its most probable classes in order."""
        classes = [{"class": n, "probability": p} for n, p in self.top(count).items()]
        return {"video": str(self.video), "poses": self.poses or None, "classes": classes}

    def describe(self, count: int) -> str:
        """The video, and a line for each of its most probable classes."""
        head = f"{self.video}, poses: {self.poses}" if self.poses else str(self.video)
        return "\n".join([head, *(f"  {p:.3f}  {name}" for name, p in self.top(count).items())])


class Predictor:
    """A trained run as a function from videos to the probabilities of its classes."""

    def __init__(self, recognizer: ClipRecognizer, run: Path) -> None:
        """Takes a recogniser in evaluation mode, and its run for messages."""
        self.recognizer, self.run = recognizer, run

    @classmethod
    def load(cls, run: Path | str, checkpoint: Checkpoint = "best") -> Predictor:
        """The predictor of a run's folder, or of one of its checkpoints.

        Raises:
            DataError: When the folder is no run.
            CheckpointError: When the checkpoint is missing, truncated or of another model.
        """
        return cls(ClipRecognizer.load(run, checkpoint), Path(run))

    @property
    def needs_poses(self) -> bool:
        """Whether the model takes keypoints at inference, as PAAB and MMNet do."""
        config = self.recognizer.config
        return config.uses_paab or "2D" in architecture(config.model).recognises_with

    @property
    def needs_joints(self) -> bool:
        """Whether the model takes joints in space, which no plain video has."""
        return self.recognizer.joints is not None

    @property
    def crops(self) -> bool:
        """Whether frames are cut to the person, for which keypoints are used where there are any.

        Without them, the middle of the picture is taken, as in training and evaluation.
        """
        config = self.recognizer.config
        return config.batch.person and config.sees_clips

    def predict(
        self,
        video: Path | str,
        poses: Path | str | None = None,
        num_clips: int = 1,
        short: bool = False,
    ) -> Prediction:
        """Classifies a video, in samples as `action.evaluate` takes them.

        Args:
            video: The video.
            poses: File or folder of its poses, see `datasets.clips.own.find_poses`. Poses that
                are found nowhere are extracted where they are used.
            num_clips: Samples of the video, spread over its time, whose probabilities are averaged.
            short: Whether videos shorter than a sample are taken, sampled as `batch.short` says.

        Raises:
            DataError: When the video or its poses cannot be used, or poses are needed and there
                are none.
        """
        require_values_in_bounds({"num_clips": num_clips}, {"num_clips": PositiveInt})
        video, poses = Path(video), None if poses is None else Path(poses)
        sample, in_a_row = self.recognizer.sample, self.recognizer.config.sees_clips
        # Zeros follow joints that end early, and crops are of any five frames.
        span = (sample.frames - 1) * sample.stride + 1 if in_a_row else 1
        require_own_video(video, span, short)
        with self._poses_of(video, poses) as (file, name):
            clip = own_clip(video, file, self.recognizer.plan.learned.format)
            if self.needs_joints and clip.joints is None:
                raise self._without_joints(video)
            # A video is one batch or a few: processes that read would start for each of them.
            logits, _ = self.recognizer.recognize([clip], num_clips, workers=0)
        require_finite(logits, [clip])
        [scores] = ensembled(logits, "mean").tolist()
        found = dict(zip(self.recognizer.plan.learned.classes, scores, strict=True))
        ordered = sorted(found.items(), key=lambda item: item[1], reverse=True)
        return Prediction(video, name, dict(ordered))

    def _without_joints(self, video: Path) -> MissingDataError:
        """The error for a video without joints in space; nothing extracts them."""
        fmt = get_format(self.recognizer.plan.learned.format)
        endings = [ending for ending, name in POSE_FORMATS.items() if name == fmt.name]
        remedy = (
            f"measure clips of {fmt.title} with action.evaluate, or choose a run that sees RGB"
            if fmt.joints_apart
            else f"name a file of them in the form of {fmt.title}: --poses FILE{endings[0]}"
        )
        return MissingDataError(
            f"{self.run} ({self.recognizer.config.model}) sees joints in space, and {video} comes "
            f"without: {remedy}."
        )

    @contextmanager
    def _poses_of(self, video: Path, place: Path | None) -> Iterator[tuple[Path | None, str]]:
        """The file of a video's poses, which may be temporary, and what to call it."""
        if not (self.needs_poses or self.needs_joints or self.crops):
            yield None, ""
        elif (found := find_poses(video, place)) is not None:
            yield found, str(found)
        elif self.needs_joints:
            raise self._without_joints(video)
        else:
            with TemporaryDirectory() as folder:
                extracted = self._extracted(video, Path(folder))
                yield extracted, EXTRACTED if extracted else ""

    def _extracted(self, video: Path, folder: Path) -> Path | None:
        """The poses that mediapipe finds; None where it finds none, or is missing, if that will do.

        Raises:
            DataError: When the model needs poses and there are none, or the video is damaged.
        """
        needed = f"{self.run} ({self.recognizer.config.method}) needs keypoints at inference"
        try:
            load_mediapipe()
        except MissingLibraryError as error:
            if not self.needs_poses:
                return None
            raise MissingLibraryError(
                f"{needed}, and {video} comes without. To extract them, {error}. Or name a file "
                "of them: --poses FILE"
            ) from None
        out = folder / f"{video.stem}{POSE_SUFFIX}"
        if (problem := extract(video, out)) is not None:
            raise problem
        if any(len(persons) for persons in read_pose_json(out, len(COCO18))):
            return out
        if self.needs_poses:
            raise MissingDataError(
                f"{needed}, and mediapipe finds nobody in {video}. Name a file of poses: "
                "--poses FILE"
            )
        return None
