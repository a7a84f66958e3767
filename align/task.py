"""Multi-view alignment as a task of the training loop: model, batches, losses, validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from align.augment import frames_to_tensor, resize_frames
from align.checkpoint import load_checkpoint
from align.collapse import CollapseWatch, diagnose
from align.config import PoseMapConfig, TrainConfig
from align.data import Batch, EpisodeSamples, reading_processes
from align.disentangle import Codes, Disentangler, permutation_losses
from align.encoder import FrameEncoder, Output
from align.losses import build_loss
from align.methods import build_network, patch_size
from align.metrics import episode_metrics, mean_metrics
from align.paat import mean_pose_loss
from align.pose import pose_map_2d, pose_map_3d, soft_pose_map
from align.precision import attend_plainly, uses_bf16
from align.protocols import training_views
from datasets.episodes import EpisodeDataset
from datasets.errors import DataError
from datasets.meta import DatasetMeta

# Frames encoded at once in evaluation, where no activations are kept.
EVALUATION_BATCH = 256


class FrameEmbedder:
    """A method's frame encoder, and how frames and pose maps get into it."""

    def __init__(self, config: TrainConfig, data: EpisodeDataset) -> None:
        """Builds the encoder; the seed decides its weights, alike for all methods.

        Raises:
            ValueError: When options of the model do not fit each other.
        """
        if config.uses_soft_maps and config.pose_map != PoseMapConfig():
            raise ValueError(
                f"--pose-map changes nothing for {config.method}, whose maps tell places to less "
                "than a patch: leave its options out, or take --method paab or paat"
            )
        self.config = config
        self.image_size = config.image_size or data.meta.image_size
        torch.manual_seed(config.seed)
        network = build_network(config, self.image_size, len(data.skeleton))
        if uses_bf16(config.precision) and not torch.cuda.is_available():
            attend_plainly(network)
        self.model = FrameEncoder(network, config.head)

    @classmethod
    def load(cls, run: Path, checkpoint: str = "best") -> FrameEmbedder:
        """The encoder of a trained run, in evaluation mode, on the GPU where there is one.

        Args:
            run: A folder made by `align.train`; its data set must still be where it was.
            checkpoint: best: lowest validation alignment error; last: the end of training.

        Raises:
            DataError: When the folder is no run, or its data set cannot be read.
            CheckpointError: When the checkpoint is missing, truncated or of another model.
        """
        config = TrainConfig.load(run)
        if config.data is None:
            raise DataError(f"{run}/config.json names no data set; train again.")
        embedder = cls(config, EpisodeDataset(config.training_data, "train"))
        load_checkpoint(run / "checkpoints" / f"{checkpoint}.safetensors", embedder.model)
        embedder.model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        return embedder

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
        """The soft form of `pose_map`, which has none of its controls."""
        size = (self.image_size, self.image_size)
        return soft_pose_map(keypoints, size, patch_size(self.model.backbone), visible)

    def given_map(
        self,
        keypoints: Float[Tensor, "batch keypoints 2"],
        visible: Bool[Tensor, "batch keypoints"],
        generator: torch.Generator | None = None,
    ) -> Tensor | None:
        """What the method's PAAB is given: P2D, or soft maps for points; None without PAAB."""
        paab = self.config.method_paab
        if paab is None:
            return None
        if paab.points:
            return self.soft_map(keypoints, visible)
        return self._pose_map(pose_map_2d, keypoints, visible, generator)

    @torch.no_grad()
    def embed_episode(self, data: EpisodeDataset, i: int) -> dict[str, Float[Tensor, "time dim"]]:
        """Embeddings of every frame of every view of an episode, each frame encoded once.

        The model is used in the mode it is in; evaluation mode is the caller's to set.
        """
        return {
            view: self.embed_frames(data.images(i, view), self.view_pose_maps(data, i, view))
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
            pose_maps: Of the frames at the size that the model sees, which methods with PAAB need;
                see `given_map`.

        Raises:
            ValueError: When the method needs pose maps and there are none.
        """
        device = self.model.mean.device
        bf16 = uses_bf16(self.config.precision)
        frames = resize_frames(frames_to_tensor(images), self.image_size)
        embeddings = []
        for chunk in torch.arange(len(frames)).split(EVALUATION_BATCH):
            pose_map = pose_maps[chunk].to(device) if pose_maps is not None else None
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                embedding, _ = self.model(frames[chunk].to(device), pose_map)
            embeddings.append(embedding.float().cpu())
        return self.model.compare(torch.cat(embeddings))

    def view_pose_maps(
        self, data: EpisodeDataset, i: int, view: str, times: np.ndarray | slice = slice(None)
    ) -> Tensor | None:
        """What PAAB is given of a view of an episode at `times`; None for a method that needs none.

        Data made elsewhere may have no keypoints, and most methods need none after training.
        """
        if not self.config.needs_poses:
            return None
        scale = self.image_size / data.meta.image_size
        points = torch.from_numpy(data.keypoints(i, view)) * scale
        visible = torch.from_numpy(data.visible(i, view))
        # Each view draws its own random patches and noise: what all have alike would tell the time.
        drawn = np.random.default_rng([self.config.seed, i, data.meta.views.index(view)])
        generator = torch.Generator().manual_seed(int(drawn.integers(2**63)))
        given = self.given_map(points, visible, generator)
        return None if given is None else given[times]


class AlignmentTask:
    """Trains a frame encoder with a time-contrastive loss, and what else the method learns from."""

    metric = "alignment_error"

    def __init__(self, config: TrainConfig, root: Path) -> None:
        """Opens the data and builds the model.

        Raises:
            DataError: Before anything is trained, when an episode cannot be used.
        """
        views = training_views(config, DatasetMeta.load(root))
        self.config = config
        self.train = EpisodeDataset(root, "train", views, config.train_episodes)
        self.valid = EpisodeDataset(root, "valid", views)
        self.loss_config = config.method_loss(self.train.meta)
        for data in (self.train, self.valid):
            data.check(self.loss_config.negatives_from, need_keypoints=config.trains_on_poses)
        self.embedder = FrameEmbedder(config, self.train)
        self.collapse_watch = CollapseWatch()
        self.time_contrastive = build_loss(self.loss_config)
        samples = self._samples(0)
        frames_a_step = config.batch.episodes * samples.num_views * samples.num_times
        frames = sum(samples.lengths) * len(self.train.views)
        self.steps_per_epoch = max(1, round(frames / frames_a_step))

    @property
    def model(self) -> nn.Module:
        """The frame encoder."""
        return self.embedder.model

    def _samples(self, length: int) -> EpisodeSamples:
        return EpisodeSamples(
            self.train,
            self.config.batch,
            self.embedder.image_size,
            self.loss_config.window,
            length,
            self.config.seed,
        )

    def loader(self, start_step: int, stop_step: int) -> DataLoader:
        """Batches of the steps start_step … stop_step - 1."""
        episodes = self.config.batch.episodes
        samples = self._samples(stop_step * episodes)
        return DataLoader(
            Subset(samples, range(start_step * episodes, stop_step * episodes)),
            batch_size=episodes,
            num_workers=reading_processes(self.config.workers),
            pin_memory=torch.cuda.is_available(),
        )

    def seen(self, step: int) -> str:
        """The episodes of a step's batch, and their files."""
        count, samples = self.config.batch.episodes, self._samples(0)
        drawn = [samples.episode_of(item) for item in range(step * count, (step + 1) * count)]
        return ", ".join(f"{self.train.names[i]} ({self.train.paths[i]})" for i in drawn)

    def loss(
        self, model: nn.Module, batch: Batch, step: int
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Time-contrastive loss plus, with its weight, what the method learns besides."""
        episodes, views, times = batch["frames"].shape[:3]
        frames = rearrange(batch["frames"], "e v t c h w -> (e v t) c h w")
        given = self.embedder.given_map(*_poses(batch), self._pose_generator(batch, step))
        embedding, output = model(frames, given)
        z = rearrange(embedding, "(e v t) d -> e v t d", e=episodes, v=views, t=times)
        z = self.embedder.model.compare(z.float())
        logs = {"time_contrastive": self.time_contrastive(z, batch["times"])}
        total = logs["time_contrastive"]
        for name, (weight, value) in self._auxiliary(output, batch, step).items():
            total = total + weight * value
            logs[name] = value
        return total, logs

    def _pose_generator(self, batch: Batch, step: int) -> torch.Generator:
        """Of a step's pose maps alone: they must not change what dropout draws."""
        generator = torch.Generator(batch["frames"].device)
        return generator.manual_seed(self.config.seed + step)

    def _auxiliary(
        self, output: Output, batch: Batch, step: int
    ) -> dict[str, tuple[float, Float[Tensor, ""]]]:
        """Weights and values of losses besides the time-contrastive one (PAAT's: paper Eq. 8)."""
        config, network = self.config, self.embedder.model.backbone
        paat = config.method_paat
        if paat is not None and not isinstance(output, Codes):
            poses = _poses(batch)
            target = (
                self.embedder.soft_map(*poses)
                if paat.target == "soft"
                else self.embedder.pose_map(*poses, self._pose_generator(batch, step))
            )
            reduction = config.paat_loss.reduction
            loss = mean_pose_loss(output.pose_logits, target.unsqueeze(1), reduction)
            return {"paat": (config.paat_loss.weight, loss)}
        if isinstance(output, Codes) and isinstance(network, Disentangler):
            e, v, t = batch["frames"].shape[:3]
            state, viewpoint = (
                rearrange(code, "(e v t) d -> e v t d", e=e, v=v, t=t) for code in output
            )
            losses = permutation_losses(network, state, viewpoint, batch["frames"])
            return {name: (config.disentangle.weight, loss) for name, loss in losses.items()}
        return {}

    def validate(self) -> Mapping[str, float]:
        """Metrics over all pairs of views of the validation episodes, and signs of collapse."""
        embeddings = {
            name: self.embedder.embed_episode(self.valid, i)
            for i, name in enumerate(self.valid.names)
        }
        metrics = mean_metrics(
            [pair for name, views in embeddings.items() for pair in episode_metrics(name, views)]
        )
        collapse = diagnose(embeddings.values(), metrics["alignment_error"])
        self.collapse_watch.see(collapse)
        return metrics | {
            "effective_rank": collapse.effective_rank,
            "spread": collapse.spread,
        }


def _poses(
    batch: Batch,
) -> tuple[Float[Tensor, "batch keypoints 2"], Bool[Tensor, "batch keypoints"]]:
    """Keypoints and their visibility in every frame of a batch."""
    keypoints = rearrange(batch["keypoints"], "e v t k xy -> (e v t) k xy")
    return keypoints, rearrange(batch["visible"], "e v t k -> (e v t) k")
