"""A trained run as a function from frames to embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from align.config import PoseMapConfig
from align.engine.checkpoint import load_trained
from align.engine.device import attend_plainly, uses_bf16
from align.engine.run_folder import Checkpoint
from align.inputs.augment import frames_to_tensor, resize_frames, stack_channels
from align.inputs.motion import EpisodeMotion, VideoMotion
from align.inputs.motion_options import motion_use
from align.inputs.rays import rays_of
from align.inputs.reading import Reader, ReadOnce
from align.models.encoder import FRAMES_ALONE, SideInputs
from align.models.late_pose import describe_keypoints
from align.networks import (
    Normalisation,
    build_encoder,
    build_network,
    expected_statistics,
    patch_size,
)
from align.plan import RunPlan
from align.pose import pose_map_2d, pose_map_3d, soft_pose_map
from align.stored.plan import stored_plan
from align.zoo.store import resolve
from datasets.episodes import EpisodeDataset
from datasets.errors import MissingDataError, OptionError
from datasets.given import pictures

# Frames encoded at once in evaluation, where no activations are kept.
EVALUATION_BATCH = 256


def _chunks(length: int) -> Iterator[np.ndarray]:
    """The time steps of a video, EVALUATION_BATCH at a time."""
    for start in range(0, length, EVALUATION_BATCH):
        yield np.arange(start, min(start + EVALUATION_BATCH, length))


class FrameEmbedder:
    """A method's frame encoder, with the preparation of frames and pose maps for it.

    Attributes:
        nearest_distance: Mean distance from a validation frame to the nearest frame of another view
            of its episode. Frames of scenes that the network does not know are further apart. None
            before the first validation.
    """

    def __init__(self, plan: RunPlan) -> None:
        """Builds the encoder; its weights depend on the seed alone, not on the method.

        Raises:
            OptionError: When options of the model do not fit each other.
        """
        config = plan.config
        if plan.uses_soft_maps and config.pose_map != PoseMapConfig():
            raise OptionError(
                f"--pose-map changes nothing for {config.method}, whose maps locate keypoints to "
                "less than a patch: leave its options out, or use --method paab or paat"
            )
        self.plan, self.config, self.image_size = plan, config, plan.image_size
        self.nearest_distance: float | None = None
        torch.manual_seed(config.seed)
        network = build_network(plan)
        if uses_bf16(config.precision) and not torch.cuda.is_available():
            attend_plainly(network)
        self.model = build_encoder(plan, network)
        self.motion = motion_use(network, config, plan.image_size)
        self.rays = rays_of(config, self.motion.rows, self.motion.cols)
        self._motions: WeakKeyDictionary[EpisodeDataset, EpisodeMotion] = WeakKeyDictionary()
        if config.backbone.pretrained:
            self.normalise(expected_statistics(plan))

    @classmethod
    def load(
        cls,
        run: Path | str,
        checkpoint: Checkpoint = "best",
        device: torch.device | str | None = None,
    ) -> FrameEmbedder:
        """The encoder of a trained run, in evaluation mode; no data set is needed.

        Args:
            run: A folder made by `align.train`, one of its checkpoints, or `zoo:NAME`.
            checkpoint: Which one of a folder; best: lowest validation alignment error; last: the
                end of training.
            device: Device to move the model to; by default the GPU where there is one.

        Raises:
            DataError: When the folder is no run. For a run of an earlier version, whose checkpoint
                does not describe its data, also when its data set cannot be read.
            CheckpointError: When the checkpoint is missing, truncated or of another model.
            OptionError: When one of a folder's checkpoints is chosen, and `run` is no folder.
        """
        run = resolve(run)
        if checkpoint != "best" and run.is_file():
            raise OptionError(
                f"{run} is one checkpoint: leave out --checkpoint {checkpoint}, or name a folder."
            )
        plan, normalisation, nearest_distance = stored_plan(run, checkpoint)
        # The checkpoint has all weights, so none are fetched to start from.
        backbone = replace(plan.config.backbone, pretrained=False)
        embedder = cls(replace(plan, config=replace(plan.config, backbone=backbone)))
        embedder.normalise(normalisation)
        embedder.nearest_distance = nearest_distance
        load_trained(embedder.model, run, checkpoint, device)
        return embedder

    def normalise(self, statistics: Normalisation) -> None:
        """Sets the mean and standard deviation that pixels from 0 to 1 are normalised with."""
        for name, values in statistics.items():
            self.model.get_buffer(name).copy_(torch.tensor(values).view(3, 1, 1))

    def about(self) -> dict[str, Any]:
        """Facts that a checkpoint holds, from which `load` makes this encoder without data."""
        mean, std = (values.flatten().tolist() for values in (self.model.mean, self.model.std))
        about = {**self.plan.about(), "normalisation": {"mean": mean, "std": std}}
        if self.nearest_distance is not None:
            about["nearest_distance"] = self.nearest_distance
        return about

    def pose_map(
        self,
        keypoints: Float[Tensor, "batch keypoints 2"],
        visible: Bool[Tensor, "batch keypoints"],
        generator: torch.Generator | None = None,
    ) -> Bool[Tensor, "batch patches keypoints"]:
        """P3D maps of keypoints given in pixels of the frames that the model sees."""
        return self._pose_map(pose_map_3d, keypoints, visible, generator)

    def _pose_map(
        self,
        make: Callable[..., Bool[Tensor, "batch ..."]],
        keypoints: Float[Tensor, "batch keypoints 2"],
        visible: Bool[Tensor, "batch keypoints"],
        generator: torch.Generator | None,
    ) -> Bool[Tensor, "batch ..."]:
        size = (self.image_size, self.image_size)
        options = asdict(self.config.pose_map)
        patch = patch_size(self.model.backbone)
        return make(keypoints, size, patch, visible, generator=generator, **options)

    def soft_map(
        self,
        keypoints: Float[Tensor, "batch keypoints 2"],
        visible: Bool[Tensor, "batch keypoints"],
    ) -> Float[Tensor, "batch patches keypoints"]:
        """Soft pose maps; the options of `--pose-map` do not apply to them."""
        size = (self.image_size, self.image_size)
        return soft_pose_map(keypoints, size, patch_size(self.model.backbone), visible)

    def pose_inputs(
        self,
        keypoints: Float[Tensor, "batch keypoints 2"],
        visible: Bool[Tensor, "batch keypoints"],
        generator: torch.Generator | None = None,
    ) -> SideInputs:
        """The encoder's inputs for keypoints in pixels of the frames that it sees."""
        pose_map = described = None
        if self.plan.paab is not None:
            pose_map = self._pose_map(pose_map_2d, keypoints, visible, generator)
        if self.plan.parts.late is not None:
            described = describe_keypoints(keypoints, visible, self.image_size)
        return SideInputs(pose_map, described)

    def with_motion(
        self, side: SideInputs, change: Float[Tensor, "batch kinds cell_rows cell_cols"]
    ) -> SideInputs:
        """The inputs with what motion tells of the pose in moments that change like this."""
        if self.plan.paab is not None:
            side = side._replace(pose_map=self.motion.pose_map(change))
        if self.plan.parts.late is not None:
            side = side._replace(points=self.motion.points(change))
        return side

    def encode_episode(self, data: EpisodeDataset, i: int) -> dict[str, Float[Tensor, "time dim"]]:
        """Embeddings of every frame of every view of an episode, before `FrameEncoder.compare`.

        The caller puts the model in evaluation mode.
        """
        return {view: self.encode_view(data, i, view) for view in data.views}

    @torch.no_grad()
    def encode_view(self, data: EpisodeDataset, i: int, view: str) -> Float[Tensor, "time dim"]:
        """Embeddings of every frame of a view of an episode, before `FrameEncoder.compare`."""
        side, moving = self._view_inputs(data, i, view)
        return self._encode(partial(data.images, i, view), data.lengths[i], side, moving)

    def embed_episode(self, data: EpisodeDataset, i: int) -> dict[str, Float[Tensor, "time dim"]]:
        """Embeddings of every frame of every view of an episode, as distances are measured."""
        raw = self.encode_episode(data, i)
        return {view: self.model.compare(embedding) for view, embedding in raw.items()}

    def embed_frames(
        self,
        images: UInt8[np.ndarray, "time height width 3"],
        poses: SideInputs = FRAMES_ALONE,
    ) -> Float[Tensor, "time dim"]:
        """Embeddings of all frames of one video, as distances are measured between them.

        The arguments and errors are those of `encode_frames`.
        """
        return self.model.compare(self.encode_frames(images, poses))

    @torch.no_grad()
    def encode_frames(
        self,
        images: UInt8[np.ndarray, "time height width 3"],
        poses: SideInputs = FRAMES_ALONE,
    ) -> Float[Tensor, "time dim"]:
        """Embeddings of all frames of one video, before `FrameEncoder.compare`.

        Args:
            images: RGB, of any size.
            poses: What methods that need poses receive of all frames; see `pose_inputs`.

        Raises:
            FormatError: When the images are no uint8 RGB, as fractions from 0 to 1.
            MissingDataError: When there are none.
            ValueError: When the method needs poses or rays and there are none.
        """
        images = pictures("images", images)
        if not len(images):
            raise MissingDataError("images has no frames: give one or more.")
        side, moving = self._video_inputs(images, poses)
        return self._encode(images.__getitem__, len(images), side, moving)

    def video_inputs(self, images: UInt8[np.ndarray, "time height width 3"]) -> SideInputs:
        """The encoder's inputs beside the frames of a video without poses: its motion."""
        side, moving = self._video_inputs(images, FRAMES_ALONE)
        return self._with_motion(
            side, moving, images.__getitem__, np.arange(len(images)), len(images)
        )

    def _video_inputs(
        self, images: UInt8[np.ndarray, "time height width 3"], poses: SideInputs
    ) -> tuple[SideInputs, VideoMotion | None]:
        """`_view_inputs` of a video."""
        motion = self.motion.of_video(images)
        side = poses._replace(kept=self._kept(motion, len(images)))
        given = poses.pose_map is not None or poses.points is not None
        return side, motion if self._reads_motion and not given else None

    def _encode(
        self, read: Reader, length: int, side: SideInputs, moving: VideoMotion | None
    ) -> Float[Tensor, "time dim"]:
        """Embeddings of a video, read in chunks, so that one is held at a time.

        `moving` is the motion that tells the pose in each frame; None where `side` has the poses.
        """
        once, found = ReadOnce(read), []
        for t in _chunks(length):
            given = self._with_motion(side.at(t), moving, once, t, length)
            found.append(self.encode_at(once, t, length, given))
        return torch.cat(found)

    @torch.no_grad()
    def encode_at(
        self, read: Reader, times: Int[np.ndarray, " time"], length: int, side: SideInputs
    ) -> Float[Tensor, "time dim"]:
        """Embeddings of some moments of a video, before `FrameEncoder.compare`.

        Args:
            read: Reads frames at increasing time steps.
            times: The moments.
            length: Time steps of the video.
            side: What the method needs beside the frames, of these moments.
        """
        device = self.model.mean.device
        frames = self.frames(read, times, length).to(device)
        bf16 = uses_bf16(self.config.precision)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            encoded = self.model(frames, side.to(device))
        return encoded.embedding.float().cpu()

    def frames(
        self, read: Reader, times: Int[np.ndarray, " time"], length: int
    ) -> UInt8[Tensor, "time channels size size"]:
        """The encoder's frames of a video at some moments, at its size.

        Args:
            read: Reads frames at increasing time steps.
            times: The moments.
            length: Time steps of the video.
        """
        if self.config.time.frames == 1:
            return resize_frames(frames_to_tensor(read(times)), self.image_size)
        around = self.config.time.around(times, length)
        needed, place = np.unique(around, return_inverse=True)
        frames = resize_frames(frames_to_tensor(read(needed)), self.image_size)
        return stack_channels(frames[torch.from_numpy(place.ravel())], around.shape[1])

    def view_inputs(
        self, data: EpisodeDataset, i: int, view: str, times: np.ndarray | None = None
    ) -> SideInputs:
        """The encoder's inputs beside the frames of a view, at `times` or all.

        Converted data may have no keypoints, and most methods need none after training; those with
        a predicted pose, or with motion in its place, need none either.
        """
        times = np.arange(data.lengths[i]) if times is None else times
        side, moving = self._view_inputs(data, i, view)
        read = partial(data.images, i, view)
        return self._with_motion(side.at(times), moving, read, times, data.lengths[i])

    def _view_inputs(
        self, data: EpisodeDataset, i: int, view: str
    ) -> tuple[SideInputs, VideoMotion | None]:
        """The encoder's inputs beside all frames, and the motion that tells poses, if any."""
        found = self.motion_of(data)
        motion = None if found is None else found.of(i, view)
        kept = self._kept(motion, data.lengths[i])
        rays = None if self.rays is None else self.rays.of(data, i, view).flatten(1, 2)
        needed = self.config.needs_keypoints
        side = self._of_keypoints(data, i, view) if needed else FRAMES_ALONE
        return side._replace(kept=kept, rays=rays), motion if self._reads_motion else None

    def motion_of(self, data: EpisodeDataset) -> EpisodeMotion | None:
        """The motion of a data set, read once for all of its uses; None where it is not read."""
        if data not in self._motions and (motion := self.motion.of_episodes(data)) is not None:
            self._motions[data] = motion
        return self._motions.get(data)

    @property
    def _reads_motion(self) -> bool:
        """Whether PAAB or late pose reads motion at inference."""
        parts = self.plan.parts
        reads = parts.needs_poses or parts.late == "predicted"
        return self.motion.threshold is not None and reads

    def _kept(self, motion: VideoMotion | None, length: int) -> Int[Tensor, "time kept"] | None:
        """The patches that the network sees of each frame of a video; None for all."""
        if motion is None:
            return None
        return self.motion.kept(motion.activity.expand(length, -1, -1))

    def _with_motion(
        self,
        side: SideInputs,
        moving: VideoMotion | None,
        read: Reader,
        times: Int[np.ndarray, " time"],
        length: int,
    ) -> SideInputs:
        """The inputs at some moments with their poses, where motion tells them."""
        if moving is None:
            return side
        around = self.config.time.around(times, length)
        needed, place = np.unique(around, return_inverse=True)
        frames = frames_to_tensor(read(needed))[torch.from_numpy(place.reshape(around.shape))]
        return self.with_motion(side, moving.change(frames, self.config.time.own))

    def _of_keypoints(self, data: EpisodeDataset, i: int, view: str) -> SideInputs:
        """The encoder's inputs from the keypoints of all frames of a view."""
        scale = self.image_size / data.meta.image_size
        points = torch.from_numpy(data.keypoints(i, view)) * scale
        visible = torch.from_numpy(data.visible(i, view))
        # Each view draws its own random patches and noise. If the views shared them, the model
        # could recognise the time step by them.
        drawn = np.random.default_rng([self.config.seed, i, data.meta.views.index(view)])
        generator = torch.Generator().manual_seed(int(drawn.integers(2**63)))
        return self.pose_inputs(points, visible, generator)
