"""Multi-view alignment as a task of the training loop: model, batches, loss, validation."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from align.augment import frames_to_tensor, resize_frames
from align.collapse import CollapseWatch, diagnose
from align.config import TrainConfig
from align.data import Batch, EpisodeSamples
from align.encoder import FrameEncoder
from align.losses import build_loss
from align.metrics import episode_metrics, mean_metrics
from align.models import build_model
from align.paat import mean_pose_loss
from align.pose import pose_map_3d
from align.protocols import training_views
from datasets.episodes import EpisodeDataset
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
        self.config = config
        self.image_size = config.image_size or data.meta.image_size
        torch.manual_seed(config.seed)
        backbone = build_model(config.model_config(self.image_size, len(data.skeleton)))
        self.model = FrameEncoder(backbone, config.head)

    def pose_map(
        self,
        keypoints: Float[Tensor, "batch keypoints 2"],
        visible: Bool[Tensor, "batch keypoints"],
        generator: torch.Generator | None = None,
    ) -> Bool[Tensor, "batch patches keypoints"]:
        """P3D maps of keypoints given in pixels of the frames that the model sees."""
        return pose_map_3d(
            keypoints,
            (self.image_size, self.image_size),
            self.model.backbone.patch_size[0],
            visible,
            noise=self.config.pose_map.noise,
            random=self.config.pose_map.random,
            dilation=self.config.pose_map.dilation,
            generator=generator,
        )

    @torch.no_grad()
    def embed_episode(self, data: EpisodeDataset, i: int) -> dict[str, Float[Tensor, "time dim"]]:
        """Embeddings of every frame of every view of an episode, each frame encoded once.

        The model is used in the mode it is in; evaluation mode is the caller's to set.
        """
        return {
            view: self._embed_view(
                data.images(i, view), data.keypoints(i, view), data.visible(i, view)
            )
            for view in data.views
        }

    def _embed_view(
        self,
        images: UInt8[np.ndarray, "time height width 3"],
        keypoints: Float[np.ndarray, "time keypoints 2"],
        visible: Bool[np.ndarray, "time keypoints"],
    ) -> Float[Tensor, "time dim"]:
        device = self.model.mean.device
        height, width = images.shape[1:3]
        scale = torch.tensor([self.image_size / width, self.image_size / height])
        frames = resize_frames(frames_to_tensor(images), self.image_size)
        points = torch.from_numpy(keypoints) * scale
        embeddings = []
        for chunk in torch.arange(len(frames)).split(EVALUATION_BATCH):
            pose_map = None
            if self.config.uses_paab:
                generator = torch.Generator().manual_seed(self.config.seed)
                seen = torch.from_numpy(visible)[chunk]
                pose_map = self.pose_map(points[chunk], seen, generator).any(-1).to(device)
            embeddings.append(self.model(frames[chunk].to(device), pose_map)[0].float().cpu())
        return self.model.compare(torch.cat(embeddings))


class AlignmentTask:
    """Trains a frame encoder with a time-contrastive loss, and PAAT's where the method has it."""

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
        for data in (self.train, self.valid):
            data.check(config.loss.window, need_keypoints=config.uses_paab or config.uses_paat)
        self.embedder = FrameEmbedder(config, self.train)
        self.collapse_watch = CollapseWatch()
        self.time_contrastive = build_loss(config.loss)
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
            self.config.loss.window,
            length,
            self.config.seed,
        )

    def loader(self, start_step: int, stop_step: int) -> DataLoader:
        """Batches of the steps start_step … stop_step - 1."""
        episodes = self.config.batch.episodes
        samples = self._samples(stop_step * episodes)
        workers = self.config.workers
        if workers is None:
            workers = min(8, os.cpu_count() or 1) if torch.cuda.is_available() else 0
        return DataLoader(
            Subset(samples, range(start_step * episodes, stop_step * episodes)),
            batch_size=episodes,
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
        )

    def loss(
        self, model: nn.Module, batch: Batch, step: int
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Time-contrastive loss plus, for PAAT, lambda times its own (paper Eq. 8)."""
        config = self.config
        episodes, views, times = batch["frames"].shape[:3]
        frames = rearrange(batch["frames"], "e v t c h w -> (e v t) c h w")
        pose_map = None
        if config.uses_paab or config.uses_paat:
            # Its own generator: pose maps must not change what dropout draws.
            generator = torch.Generator(frames.device).manual_seed(config.seed + step)
            pose_map = self.embedder.pose_map(
                rearrange(batch["keypoints"], "e v t k xy -> (e v t) k xy"),
                rearrange(batch["visible"], "e v t k -> (e v t) k"),
                generator,
            )
        embedding, output = model(frames, pose_map.any(-1) if pose_map is not None else None)
        z = rearrange(embedding, "(e v t) d -> e v t d", e=episodes, v=views, t=times)
        z = self.embedder.model.compare(z.float())
        total = contrastive = self.time_contrastive(z, batch["times"])
        logs = {"time_contrastive": contrastive}
        if config.uses_paat and pose_map is not None:
            paat = mean_pose_loss(
                output.pose_logits, pose_map.unsqueeze(1), config.paat_loss.reduction
            )
            total = total + config.paat_loss.weight * paat
            logs["paat"] = paat
        return total, logs

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
