"""Compare the pose map from motion with the one from keypoints: the patches, and what they teach.

Run: python tests/benchmarks/bench_pose_source.py --data data/lift
     python tests/benchmarks/bench_pose_source.py --data data/lift --train paab paat

Precision is the share of the moving patches that hold a keypoint, or that lie within one patch of
one; recall is the share of the patches with a keypoint that move. Both are counted on validation
episodes. With --train, short trainings with each source are compared by their validation error.
"""

from __future__ import annotations

import logging
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from jaxtyping import Bool, Float
from measuring import Row, note, one_thread
from short_training import Short, make, validation_error
from torch import Tensor

from align.engine.device import keep_freed_memory
from align.inputs.augment import frames_to_tensor
from align.inputs.motion import EpisodeMotion, MotionUse
from align.methods import Method
from align.pose import pose_map_2d
from datasets.episodes import EpisodeDataset
from datasets.storage.episode_file import EGO

PATCH = 16
# Neighbouring frames mark nearly the same patches.
EVERY = 4


@dataclass(frozen=True)
class Options(Short):
    """Compare pose maps from motion and from keypoints.

    Attributes:
        thresholds: Of `--motion-threshold`.
        train: Methods to train with each source; none by default.
    """

    thresholds: tuple[float, ...] = (2, 4, 6, 8, 12)
    train: tuple[Method, ...] = ()


def main() -> None:
    """Print precision and recall of each threshold, and the errors of each method and source."""
    options = tyro.cli(Options)
    one_thread()
    keep_freed_memory()
    logging.disable(logging.WARNING)
    for kind, maps in look(options.data).items():
        for threshold in options.thresholds:
            note(agreement(f"{kind} views of {options.data.name}", threshold, *maps))
    for method in options.train:
        errors = {source: train(options, method, source) for source in ("motion", "keypoints")}
        what = f"validation error, {method} on {options.data.name}, pose map from motion"
        ours, theirs = errors.values()
        note(Row(what, "keypoints", f"{sum(ours) / sum(theirs):.2f}", f"{ours} against {theirs}"))


def look(root: Path) -> dict[str, list[Tensor]]:
    """Change, patches with keypoints, and patches near keypoints, by kind of view."""
    data, found = EpisodeDataset(root, "valid"), defaultdict(list)
    side = data.meta.image_size // PATCH
    motion = EpisodeMotion(data, side, side)
    for i in range(len(data)):
        times = np.arange(0, data.lengths[i], EVERY)
        for view in data.views:
            kind = "first-person" if view == EGO else "third-person"
            images = frames_to_tensor(data.images(i, view, times))
            change = motion.of(i, view).change(images.unsqueeze(1))
            found[kind].append((change, *(keypoint_map(data, i, view, times, d) for d in (0, 1))))
    return {
        kind: [torch.cat(each) for each in zip(*maps, strict=True)] for kind, maps in found.items()
    }


def keypoint_map(
    data: EpisodeDataset, i: int, view: str, times: np.ndarray, dilation: int
) -> Bool[Tensor, "time patches"]:
    """Patches that lie within `dilation` patches of a visible keypoint."""
    points = torch.from_numpy(data.keypoints(i, view)[times])
    visible = torch.from_numpy(data.visible(i, view)[times])
    size = (data.meta.image_size, data.meta.image_size)
    return pose_map_2d(points, size, PATCH, visible, dilation=dilation)


def agreement(
    where: str,
    threshold: float,
    change: Float[Tensor, "time 1 cell_rows cell_cols"],
    held: Bool[Tensor, "time patches"],
    near: Bool[Tensor, "time patches"],
) -> Row:
    """Precision and recall of the patches that change more than a threshold."""
    side = round(held.shape[1] ** 0.5)
    moving = MotionUse(side, side, threshold=threshold).pose_map(change)
    precision, close = ((moving & each).sum() / moving.sum() for each in (held, near))
    recall = (moving & held).sum() / held.sum()
    marked = f"{moving.sum() / len(moving):.1f} of {moving.shape[1]} patches move"
    figures = f"{marked}, {held.sum() / len(held):.1f} hold a keypoint; {close:.2f} lie near one"
    words = f"precision {precision:.2f}, recall {recall:.2f}"
    return Row(f"motion above {threshold:g}, {where}", "keypoints", words, figures)


def train(options: Options, method: Method, source: str) -> list[float]:
    """Validation error of a method with pose maps from a source, of each seed."""
    errors = []
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            changes = {"method": method, "pose_source": source}
            trainer = make(options, seed, Path(folder) / "run", changes)
            for step, batch in enumerate(trainer.task.loader(0, options.steps)):
                trainer._step(step, batch)
            errors.append(round(validation_error(trainer), 4))
    return errors


if __name__ == "__main__":
    main()
