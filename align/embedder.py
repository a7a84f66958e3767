"""A trained run as a function from frames to embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from align.augment import frames_to_tensor, resize_frames
from align.config import PoseMapConfig, TrainConfig
from align.engine.checkpoint import load_trained, read_about
from align.engine.device import attend_plainly, uses_bf16
from align.engine.run_folder import Checkpoint, RunFolder
from align.models.backbones import pretrained_statistics
from align.models.disentangle import Disentangler
from align.models.encoder import IMAGENET_MEAN, IMAGENET_STD, FrameEncoder, Network
from align.models.pose_aware import PoseAware, build_model
from align.models.tcn import TcnNetwork
from align.motion import VideoMotion
from align.motion_options import motion_use
from align.plan import RunPlan
from align.pose import pose_map_2d, pose_map_3d, soft_pose_map
from align.run_data import find_own_data
from datasets.episodes import EpisodeDataset
from datasets.errors import OptionError
from datasets.storage.meta import DatasetMeta

Normalisation = Mapping[str, list[float]]
ConvolutionalNetwork = TypeVar("ConvolutionalNetwork", TcnNetwork, Disentangler)
# Frames encoded at once in evaluation, where no activations are kept.
EVALUATION_BATCH = 256


def build_network(plan: RunPlan) -> Network:
    """The network of a run.

    Raises:
        ValueError: Options of the model that do not fit each other.
        MissingWeightsError: Pretrained weights that cannot be loaded.
    """
    config, pretrained = plan.config, plan.config.backbone.pretrained
    match plan.parts.encoder:
        case "tcn":
            network = TcnNetwork(config.tcn, pretrained, plan.paat, plan.num_keypoints)
            return _channels_last(network)
        case "disentangle":
            return _channels_last(Disentangler(config.disentangle, pretrained))
        case "vit":
            return build_model(plan.model)


def stored_plan(run: Path, checkpoint: Checkpoint = "best") -> tuple[RunPlan, Normalisation]:
    """The plan of a trained run, and the `mean` and `std` of its frames where they are stored.

    Args:
        run: A run's folder, or a checkpoint.
        checkpoint: Of a folder: the one whose description is read.

    Raises:
        DataError: See `FrameEmbedder.load`.
        CheckpointError: When the checkpoint is missing or truncated.
    """
    if run.is_file():
        about = read_about(run)
        return RunPlan.stored(about, run), about.get("normalisation", {})
    config = TrainConfig.load(run)
    weights = RunFolder(run).checkpoint(checkpoint)
    if not (about := read_about(weights)):
        learned_from = DatasetMeta.load(find_own_data(run, config).training_data)
        return RunPlan.of(config, learned_from), {}
    meta = RunPlan.stored(about, weights).meta
    return RunPlan.of(config, meta), about.get("normalisation", {})


def stored_normalisation(run: Path) -> Normalisation:
    """The statistics that a started run normalises with; ImageNet's in those of earlier versions.

    Raises:
        CheckpointError: When its checkpoint is missing or truncated.
    """
    about = read_about(RunFolder(run).checkpoint("last"))
    return about.get("normalisation", {"mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)})


def _expected_statistics(plan: RunPlan) -> Normalisation:
    """The statistics that the pretrained weights of a run expect."""
    match plan.parts.encoder:
        case "vit":
            return pretrained_statistics(plan.config.backbone.name)
        case "disentangle":
            return pretrained_statistics(plan.config.disentangle.encoder)
        case "tcn":
            return {}  # torchvision's Inception expects ImageNet's, the default


def describe_network(embedder: FrameEmbedder) -> str:
    """Network, size of its frames and number of its parameters, as text."""
    plan, model = embedder.plan, embedder.model
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    name = plan.config.network
    if isinstance(model.backbone, PoseAware) and plan.config.backbone.depth is not None:
        name += f", {len(model.backbone.backbone.blocks)} blocks"
    return f"{name}, {plan.image_size} x {plan.image_size} pixels, {millions:.1f} M parameters"


def patch_size(network: Network) -> int:
    """Side in pixels of the square patches that pose maps mark for a network.

    Raises:
        ValueError: A network without patches, which has no pose map.
    """
    if isinstance(network, Disentangler):
        raise ValueError(f"{type(network).__name__} has no patches that a pose map could mark.")
    return network.patch_size[0]


def _channels_last(network: ConvolutionalNetwork) -> ConvolutionalNetwork:
    """The network with its weights in the memory order in which convolutions are fastest."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _chunks(length: int) -> Iterator[np.ndarray]:
    """The time steps of a video, EVALUATION_BATCH at a time."""
    for start in range(0, length, EVALUATION_BATCH):
        yield np.arange(start, min(start + EVALUATION_BATCH, length))


class FrameEmbedder:
    """A method's frame encoder, with the preparation of frames and pose maps for it."""

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
        torch.manual_seed(config.seed)
        network = build_network(plan)
        if uses_bf16(config.precision) and not torch.cuda.is_available():
            attend_plainly(network)
        self.model = FrameEncoder(network, config.head)
        self.motion = motion_use(network, config, plan.image_size)
        if config.backbone.pretrained:
            self.normalise(_expected_statistics(plan))

    @classmethod
    def load(
        cls,
        run: Path | str,
        checkpoint: Checkpoint = "best",
        device: torch.device | str | None = None,
    ) -> FrameEmbedder:
        """The encoder of a trained run, in evaluation mode; no data set is needed.

        Args:
            run: A folder made by `align.train`, or one of its checkpoints.
            checkpoint: Of a folder; best: lowest validation alignment error; last: the end of
                training.
            device: Device to move the model to; by default the GPU where there is one.

        Raises:
            DataError: When the folder is no run. For a run of an earlier version, whose checkpoint
                does not describe its data, also when its data set cannot be read.
            CheckpointError: When the checkpoint is missing, truncated or of another model.
        """
        run = Path(run)
        plan, normalisation = stored_plan(run, checkpoint)
        # The checkpoint has all weights, so none are fetched to start from.
        backbone = replace(plan.config.backbone, pretrained=False)
        embedder = cls(replace(plan, config=replace(plan.config, backbone=backbone)))
        embedder.normalise(normalisation)
        load_trained(embedder.model, run, checkpoint, device)
        return embedder

    def normalise(self, statistics: Normalisation) -> None:
        """Sets the mean and standard deviation that pixels from 0 to 1 are normalised with."""
        for name, values in statistics.items():
            self.model.get_buffer(name).copy_(torch.tensor(values).view(3, 1, 1))

    def about(self) -> dict[str, Any]:
        """Facts that a checkpoint holds, from which `load` makes this encoder without data."""
        mean, std = (values.flatten().tolist() for values in (self.model.mean, self.model.std))
        return {**self.plan.about(), "normalisation": {"mean": mean, "std": std}}

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

    def given_map(
        self,
        keypoints: Float[Tensor, "batch keypoints 2"],
        visible: Bool[Tensor, "batch keypoints"],
        generator: torch.Generator | None = None,
    ) -> Tensor | None:
        """The maps that PAAB receives: P2D, or soft maps for points; None without PAAB."""
        paab = self.plan.paab
        if paab is None:
            return None
        if paab.points:
            return self.soft_map(keypoints, visible)
        return self._pose_map(pose_map_2d, keypoints, visible, generator)

    @torch.no_grad()
    def embed_episode(self, data: EpisodeDataset, i: int) -> dict[str, Float[Tensor, "time dim"]]:
        """Embeddings of every frame of every view of an episode, each frame encoded once.

        The caller puts the model in evaluation mode.
        """
        motion = self.motion.of_episodes(data)
        return {
            view: self._embed(
                (data.images(i, view, chunk) for chunk in _chunks(data.lengths[i])),
                self._keypoint_maps(data, i, view),
                None if motion is None else motion.of(i, view),
            )
            for view in data.views
        }

    @torch.no_grad()
    def embed_frames(
        self,
        images: UInt8[np.ndarray, "time height width 3"],
        pose_maps: Tensor | None = None,
    ) -> Float[Tensor, "time dim"]:
        """Embeddings of all frames of one video, as distances are measured between them.

        Args:
            images: RGB, of any size.
            pose_maps: Maps of the frames at the model's size, which methods with PAAB need; see
                `given_map`.

        Raises:
            ValueError: When the method needs pose maps and there are none.
        """
        chunks = (images[chunk] for chunk in _chunks(len(images)))
        return self._embed(chunks, pose_maps, self.motion.of_video(images))

    def _embed(
        self,
        chunks: Iterable[UInt8[np.ndarray, "time height width 3"]],
        pose_maps: Tensor | None,
        motion: VideoMotion | None,
    ) -> Float[Tensor, "time dim"]:
        """`embed_frames` of a video whose frames come in chunks, so that one is held at a time."""
        device = self.model.mean.device
        bf16 = uses_bf16(self.config.precision)
        embeddings: list[Tensor] = []
        done = 0
        for images in chunks:
            frames = resize_frames(frames_to_tensor(images), self.image_size).to(device)
            pose_map = kept = None
            if motion is not None:
                kept = self.motion.kept(motion.activity.expand(len(frames), -1, -1).to(device))
                pose_map = self._moving(motion, images)
            if pose_maps is not None:
                pose_map = pose_maps[done : done + len(images)]
            pose_map = None if pose_map is None else pose_map.to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                embedding, _ = self.model(frames, pose_map, kept)
            embeddings.append(embedding.float().cpu())
            done += len(images)
        return self.model.compare(torch.cat(embeddings))

    def _moving(
        self, motion: VideoMotion, images: UInt8[np.ndarray, "time height width 3"]
    ) -> Bool[Tensor, "time patches"] | None:
        """The map that PAAB receives where motion tells it; None otherwise."""
        if self.motion.threshold is None or not self.plan.parts.needs_poses:
            return None
        return self.motion.pose_map(motion.change(frames_to_tensor(images)))

    def view_pose_maps(
        self, data: EpisodeDataset, i: int, view: str, times: np.ndarray | None = None
    ) -> Tensor | None:
        """The maps that PAAB receives for a view, at `times` or all; None for a method without.

        Converted data may have no keypoints, and most methods need none after training; PAAB with a
        predicted pose or with motion in its place needs none either.
        """
        if (motion := self.motion.of_episodes(data)) is not None and motion.by_frame:
            return self._moving(motion.of(i, view), data.images(i, view, times))
        given = self._keypoint_maps(data, i, view)
        return given if given is None or times is None else given[times]

    def _keypoint_maps(self, data: EpisodeDataset, i: int, view: str) -> Tensor | None:
        """The maps that PAAB receives for all frames of a view, where keypoints tell them."""
        if not self.config.needs_keypoints:
            return None
        scale = self.image_size / data.meta.image_size
        points = torch.from_numpy(data.keypoints(i, view)) * scale
        visible = torch.from_numpy(data.visible(i, view))
        # Each view draws its own random patches and noise. If the views shared them, the model
        # could recognise the time step by them.
        drawn = np.random.default_rng([self.config.seed, i, data.meta.views.index(view)])
        generator = torch.Generator().manual_seed(int(drawn.integers(2**63)))
        return self.given_map(points, visible, generator)
