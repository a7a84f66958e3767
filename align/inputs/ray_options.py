"""The conditions that `--rays` puts on other options and on data; nothing here needs torch."""

from __future__ import annotations

from collections.abc import Sequence

from align.config import TrainConfig
from datasets.errors import MismatchError, OptionError
from datasets.storage.meta import DatasetMeta


def require_rays(config: TrainConfig, meta: DatasetMeta) -> None:
    """Refuses rays where they could not reach the network.

    Args:
        config: Options of the run.
        meta: Facts about the data set that it is trained on.

    Raises:
        OptionError: When the method has no patches, or crops move the patches off their rays.
        MismatchError: When cameras are to be shuffled and there is one view.
    """
    if not config.needs_cameras:
        return
    if config.parts.encoder != "vit":
        raise OptionError(
            f"--rays {config.rays} are added to the patches of a transformer, and --method "
            f"{config.method} has none: leave the option out, or use deit, paab or paat"
        )
    if config.batch.augment.crop:
        raise OptionError(
            "--batch.augment.crop moves the picture, so that patches lie on other rays: leave it "
            f"out with --rays {config.rays}"
        )
    if config.rays == "shuffled":
        what = config.training_data if config.data else meta.env
        require_two_views(meta.views, f"{what}")


def require_two_views(views: Sequence[str], what: str) -> None:
    """Raises a MismatchError when there is no other view to take a camera from."""
    if len(views) < 2:
        raise MismatchError(
            f"--rays shuffled gives each view the camera of another, and {what} has one view: use "
            "data with more views, or --rays own"
        )
