"""The plan of a run: its options, and all that follows from them, worked out once.

`resolve` fills in the options that a user left open. `RunPlan.of` adds what follows from the method
and from the data: nothing else decides what a run does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from align.config import RENAMED, SMALL_IMAGE_SIZE, TrainConfig
from align.engine.stored_config import parse_config
from align.inputs.protocols import require_testable, require_unpaired, training_views
from align.inputs.ray_options import require_rays
from align.losses.config import LossConfig
from align.methods import Parts, compose
from align.models.config import ModelConfig, PaabConfig, PaatConfig
from datasets.errors import OptionError, require_known
from datasets.presets import usual_window
from datasets.storage.meta import DatasetMeta, newest_data_set


@dataclass(frozen=True)
class RunPlan:
    """A run as it is carried out.

    Attributes:
        config: Options of the run.
        meta: Facts about the data set that it is trained on.
        parts: Parts of the method.
        views: Views that are trained on.
        image_size: Side in pixels of the frames that the model sees.
        num_keypoints: Keypoints of the skeleton.
        loss: The time-contrastive loss, with its window in time steps.
        paab: Pose-aware attention blocks, where the method has them.
        paat: Pose-aware auxiliary tasks, where the method has them.
    """

    config: TrainConfig
    meta: DatasetMeta
    parts: Parts
    views: tuple[str, ...]
    image_size: int
    num_keypoints: int
    loss: LossConfig
    paab: PaabConfig | None
    paat: PaatConfig | None

    @classmethod
    def of(cls, config: TrainConfig, meta: DatasetMeta) -> RunPlan:
        """The plan of a run on the data set that it is trained on.

        Raises:
            MismatchError: When the data set has too few views.
            OptionError: When it holds unpaired videos, from which the method cannot learn, or rays
                do not fit the other options.
        """
        require_rays(config, meta)
        parts, paat = config.parts, config.paat
        loss = _loss(config, meta)
        if meta.viewpoints:
            require_unpaired(config, loss.name, meta)
        if config.pose_source == "motion" and paat.target == "p3d":
            paat = replace(paat, target="p2d")
        return cls(
            config=config,
            meta=meta,
            parts=parts,
            views=tuple(training_views(config, meta)),
            image_size=config.image_size or meta.image_size,
            num_keypoints=len(meta.get_skeleton()),
            loss=loss,
            paab=config.paab if parts.paab else None,
            paat=paat if parts.paat else None,
        )

    @classmethod
    def load(cls, config: TrainConfig) -> RunPlan:
        """The plan of a run on the data sets that its options name.

        Raises:
            DataError: When a data set cannot be read, has too few views, or could not be tested on.
            UnknownNameError: When the data set that is trained on lacks a view of the options.
        """
        learned = DatasetMeta.load(config.training_data)
        tested = learned if config.train_on is None else DatasetMeta.load(config.test_data)
        for view in config.views:
            require_known("view", view, learned.views)
        require_testable(config, learned, tested)
        return cls.of(config, learned)

    @classmethod
    def stored(cls, about: Mapping[str, Any], path: Path) -> RunPlan:
        """The plan that `about` describes, read from a checkpoint.

        Args:
            about: What `about` returned.
            path: The checkpoint, for messages.

        Raises:
            FormatError: When the description is not whole.
            DataError: When it has unknown options.
        """
        from align.engine.checkpoint_header import require_described  # help texts do without

        require_described(about, path)
        config = parse_config(TrainConfig, about["config"], path, RENAMED)
        return cls.of(config, DatasetMeta.from_json(json.dumps(about["data"]), path))

    def about(self) -> dict[str, Any]:
        """Facts that JSON can hold, from which the plan can be made again without the data set.

        Paths, and what does not change the model, are left out: a checkpoint is the same wherever
        it was trained, and tells nothing about the machine.
        """
        usual = TrainConfig()
        config = replace(
            self.config,
            data=None,
            train_on=None,
            out=None,
            init=None,
            epochs=usual.epochs,
            epoch_steps=None,
            workers=None,
            image_size=self.image_size,
            loss=replace(self.config.loss, window=self.loss.window),
        )
        skeleton = self.meta.get_skeleton()
        meta = replace(self.meta, env_args={}, versions={}, command="", own_skeleton=skeleton)
        return {
            "config": TypeAdapter(TrainConfig).dump_python(config, mode="json"),
            "data": asdict(meta),
        }

    @property
    def uses_soft_maps(self) -> bool:
        """Whether pose maps locate keypoints to less than a patch."""
        return self.paat is not None and self.paat.target == "soft"

    @property
    def model(self) -> ModelConfig:
        """The transformer of a method that has one."""
        config, backbone = self.config, self.config.backbone
        return ModelConfig(
            backbone=backbone.name,
            image_size=self.image_size,
            depth=backbone.depth,
            patch=backbone.patch,
            pretrained=backbone.pretrained,
            drop_path=backbone.drop_path,
            readout=backbone.readout,
            freeze_patches=backbone.freeze_patches,
            paab=self.paab,
            paat=self.paat,
            num_keypoints=self.num_keypoints,
            pose_free=config.pose_free if self.parts.pose_free else None,
            trl3d=config.trl3d if self.parts.trl3d else None,
            frames=config.time.frames,
            rays=config.needs_cameras,
        )


def _loss(config: TrainConfig, meta: DatasetMeta) -> LossConfig:
    """The loss of --loss, or TCN's own; a window of 0 becomes the paper's for the data's world."""
    match config.parts.objective:
        case "tcn-single":
            window = max(1, round(config.tcn.single_window * meta.control_hz))
            return replace(config.loss, name="single_view_triplet", window=window)
        case "tcn":
            name = config.tcn.loss
        case _:
            name = config.loss.name
    return replace(config.loss, name=name, window=config.loss.window or usual_window(meta.env))


def resolve(config: TrainConfig) -> TrainConfig:
    """Fills in method, data set, image size and folder where the user left them open.

    Raises:
        DataError: When there is no data set.
        OptionError: When options do not fit each other.
    """
    config = replace(config, method=compose(config.method, config.pose), pose=None)
    config = for_data(config, config.data or usual_data(config))
    stamp = time.strftime("%Y%m%d-%H%M%S")
    name = f"{config.method.replace('+', '_')}_{config.test_data.name}_{stamp}"
    return replace(config, out=config.out or Path("runs") / name)


def for_data(config: TrainConfig, data: Path) -> TrainConfig:
    """The same options on a data set; the small recipe shrinks large frames."""
    config = replace(config, data=data)
    if config.recipe != "small" or config.image_size is not None:
        return config
    large = DatasetMeta.load(config.training_data).image_size > SMALL_IMAGE_SIZE
    return replace(config, image_size=SMALL_IMAGE_SIZE if large else None)


def usual_data(config: TrainConfig) -> Path:
    """The newest data set under data/.

    Raises:
        DataError: When there is none.
        OptionError: When the run learns from another, so that the one to test on must be named.
    """
    if config.train_on is not None:
        raise OptionError("--train-on names the data to learn from: name the data to test on too.")
    return newest_data_set()
