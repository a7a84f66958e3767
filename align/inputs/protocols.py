"""The views for training and for testing: the FTPV protocols.

- seen: all views take part in training and testing.
- unseen: training takes the first-person view and the first third-person views; testing takes the
  first-person view and the last third-person views, which are held out of training.

In a data set whose cameras were drawn for every episode, a view's name stands for another camera in
each, so training holds none out.

Unpaired videos have one view each, and no two of them show the same moment, so that only losses
which compare whole sequences can learn from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from align.config import Protocol, TrainConfig
from align.losses.config import UNPAIRED_LOSSES, LossName
from datasets.errors import MismatchError, OptionError
from datasets.presets import PRESETS
from datasets.skeletons import Skeleton
from datasets.storage.episode_file import EGO
from datasets.storage.meta import DatasetMeta


def training_views(config: TrainConfig, meta: DatasetMeta) -> list[str]:
    """The views that a run trains and validates on; of unpaired videos, their only one.

    Raises:
        MismatchError: When fewer than two views are left, or more are asked for than there are.
    """
    if meta.viewpoints:
        return list(meta.views)
    first, third = _by_person(config.views or meta.views)
    if config.protocol == "unseen" and not meta.random_cameras:
        third = third[: -held_out_views(meta.env, len(third))]
    if config.train_views is not None:
        if config.train_views > len(third):
            raise MismatchError(
                f"--train-views is {config.train_views}, but the protocol "
                f"{config.protocol!r} leaves {len(third)} third-person views to train on."
            )
        third = third[: config.train_views]
    return _at_least_two([*first, *third], f"training on {meta.env}, {config.protocol} views")


def evaluation_views(config: TrainConfig, meta: DatasetMeta, protocol: Protocol) -> list[str]:
    """The views that a protocol tests on, of the data set that `meta` describes; see above.

    Raises:
        MismatchError: When fewer than two views are left.
    """
    if meta.viewpoints:
        return list(meta.views)
    # Views that the run names may be missing in another data set that it is tested on.
    chosen = [view for view in config.views if view in meta.views]
    first, third = _by_person(chosen or meta.views)
    if protocol == "unseen":
        third = third[-held_out_views(meta.env, len(third)) :]
    return _at_least_two([*first, *third], f"testing on {meta.env}, {protocol} views")


def require_testable(config: TrainConfig, learned: DatasetMeta, tested: DatasetMeta) -> None:
    """Raises a MismatchError when a run could not be tested on its `data` after training."""
    evaluation_views(config, tested, config.protocol)
    bodies = learned.get_skeleton(), tested.get_skeleton()
    require_known_body(config.method, config, *bodies, config.test_data)


def require_known_body(
    who: str, config: TrainConfig, learned: Skeleton, shown: Skeleton, root: Path
) -> None:
    """Raises a MismatchError when a method needs poses and the test shows another body.

    Args:
        who: The method, and the run if there is one; begins the message.
        config: Options of the run.
        learned: Skeleton of the training data.
        shown: Skeleton of the test data.
        root: Folder of the test data.
    """
    if config.needs_keypoints and shown != learned:
        raise MismatchError(
            f"{who} needs poses at test time and learns those of {learned.name!r}, but "
            f"{root} shows {shown.name!r}. Take a data set of the same body, or a method that "
            "needs no poses, such as paat."
        )


def _by_person(views: Sequence[str]) -> tuple[list[str], list[str]]:
    return [v for v in views if v == EGO], [v for v in views if v != EGO]


def _at_least_two(views: list[str], what: str) -> list[str]:
    if len(views) < 2:
        raise MismatchError(
            f"{what} leaves {views or 'no view'}, but aligning takes two views or more: "
            "generate more --views, or take --protocol seen."
        )
    return views


def held_out_views(env: str, third_person: int) -> int:
    """Number of third-person views, the last ones, that the unseen protocol holds out of training.

    The preset's number for a data set with the preset's number of views; else a third of them.
    """
    preset = PRESETS["ftpv"].get(env)
    if preset is not None and preset.views == third_person:
        return preset.test_views
    return max(1, third_person // 3)


def require_unpaired(config: TrainConfig, loss: LossName, meta: DatasetMeta) -> None:
    """Refuses what needs views of the same moments, for a data set of unpaired videos.

    Args:
        config: Options of the run.
        loss: The loss that they come to.
        meta: Facts about the data set that the run is trained on.

    Raises:
        OptionError: When the method or the loss compares views of one moment.
        MismatchError: When views are to be held out or counted.
    """
    what = f"{config.training_data if config.data else meta.env} holds unpaired videos"
    if config.parts.encoder == "disentangle":
        raise OptionError(
            f"--method {config.method} exchanges the views of one moment, but {what}: take "
            "another, such as deit."
        )
    if loss not in UNPAIRED_LOSSES:
        remedy = (
            f"--method {config.method} chooses it: take deit with one of"
            if config.parts.objective != "chosen"
            else "take one of"
        )
        raise OptionError(
            f"the loss {loss} compares views of the same moment, but {what}; {remedy} "
            f"--loss.name {', '.join(UNPAIRED_LOSSES)}."
        )
    if config.protocol == "unseen" or config.train_views is not None or config.views:
        raise MismatchError(
            f"{what}, each of one view: leave out --protocol unseen, --views and --train-views."
        )
