"""Multi-view alignment as a task of the training loop: model, batches, losses, validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from align.config import TrainConfig
from align.embedder import FrameEmbedder
from align.engine.loading import reading_processes
from align.engine.origin import DataRecord, Origin
from align.engine.run_folder import RunFolder
from align.engine.starting import CarriedOver
from align.inputs.data import Batch, EpisodeSamples
from align.late import choose_weight
from align.losses import build_loss
from align.losses.distillation import distillation
from align.losses.pairs import Embeddings, Times, ViewTimes
from align.metrics.alignment import episode_metrics, mean_metrics, mean_nearest_distance
from align.metrics.collapse import CollapseWatch, diagnose
from align.models.config import PoseTarget
from align.models.disentangle import Codes, Disentangler, permutation_losses
from align.models.encoder import (
    FRAMES_ALONE,
    KEYPOINT_LOSS,
    PIXEL_LOSS,
    Encoded,
    LateEncoder,
    Output,
    SideInputs,
)
from align.models.kept_patches import keep_in_map
from align.models.late_pose import detection_loss
from align.models.pose_aware import PoseAwareOutput
from align.models.tcn import TcnOutput
from align.networks import describe_network
from align.paat import mean_pose_loss
from align.plan import RunPlan
from align.stored.plan import stored_normalisation
from datasets.episodes import EpisodeDataset
from datasets.errors import OptionError, counted
from datasets.storage.identity import DataIdentity

# Names of losses to their weights and values.
Losses = dict[str, tuple[float, Float[Tensor, ""]]]


class AlignmentTask:
    """Trains a frame encoder with a time-contrastive loss, and what else the method learns from."""

    metric = "alignment_error"
    samples_of: type[EpisodeSamples] = EpisodeSamples

    def __init__(self, plan: RunPlan) -> None:
        """Opens the data and builds the model.

        Raises:
            DataError: Before anything is trained, when an episode cannot be used.
            OptionError: When options of the model do not fit each other.
        """
        config, root = plan.config, plan.config.training_data
        if plan.parts.late is not None and config.late.freeze_trunk:
            _require_trained_trunk(config)
        self.config, self.plan = config, plan
        self.train = EpisodeDataset(root, "train", plan.views, config.train_episodes)
        self.valid = EpisodeDataset(root, "valid", plan.views)
        for data in (self.train, self.valid):
            data.check(plan.loss.negatives_from, config.trains_on_keypoints, config.needs_cameras)
        if config.trains_on_keypoints:
            self.train.require_visible_keypoint()
        self.embedder = FrameEmbedder(plan)
        if config.out is not None and RunFolder(config.out).checkpoint("last").exists():
            self.embedder.normalise(stored_normalisation(config.out))  # the run is resumed
        self.collapse_watch = CollapseWatch()
        self.losses = {
            PIXEL_LOSS: build_loss(plan.loss),
            KEYPOINT_LOSS: build_loss(replace(plan.loss, name="contrastive")),
        }
        self.motion = self.embedder.motion_of(self.train)
        samples = self._samples(0)
        frames_a_step = config.batch.episodes * samples.num_views * samples.num_times
        frames = sum(samples.lengths) * len(self.train.views)
        self.steps_per_epoch = config.epoch_steps or max(1, round(frames / frames_a_step))

    @property
    def model(self) -> nn.Module:
        """The frame encoder."""
        return self.embedder.model

    def learners(self) -> list[list[nn.Parameter]]:
        """The parameters, in groups that learn apart."""
        return self.embedder.model.learners()

    def _samples(self, length: int) -> EpisodeSamples:
        return self.samples_of(
            self.train,
            self.config.batch,
            self.plan.image_size,
            self.plan.loss.window,
            length,
            self.config.seed,
            self.config.time,
            self.motion,
            self.embedder.rays,
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
        items = range(step * count, (step + 1) * count)
        drawn = [i for item in items for i in samples.episodes_of(item)]
        return ", ".join(f"{self.train.names[i]} ({self.train.paths[i]})" for i in drawn)

    def loss(
        self, model: nn.Module, batch: Batch, step: int
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Time-contrastive loss plus, with its weight, what the method learns besides."""
        episodes, views, times = batch["frames"].shape[:3]
        frames = rearrange(batch["frames"], "e v t c h w -> (e v t) c h w")
        side = self._side_inputs(batch, step)
        encoded = model(frames, side)
        losses = self._auxiliary(encoded.network, batch, step)
        # Similarities of neighbouring moments differ by less than half precision can tell.
        with torch.autocast(frames.device.type, enabled=False):
            z = {
                name: rearrange(part.float(), "(e v t) d -> e v t d", e=episodes, v=views, t=times)
                for name, part in encoded.parts.items()
            }
            losses = (
                self._contrastive(z, batch["times"], step) | losses | self._detection(encoded, side)
            )
        total = torch.zeros((), device=frames.device)
        for weight, value in losses.values():
            total = total + weight * value
        return total, {name: value for name, (_, value) in losses.items()}

    def _contrastive(
        self, parts: Mapping[str, Embeddings], times: Times | ViewTimes, step: int
    ) -> Losses:
        """The time-contrastive loss of each part, and late pose's distillation."""
        z = {name: self.embedder.model.compare_part(part) for name, part in parts.items()}
        losses = {name: (1.0, self.losses[name](part, times, step)) for name, part in z.items()}
        if self.plan.parts.late == "distilled":
            loss = distillation(z[PIXEL_LOSS], z[KEYPOINT_LOSS], self.plan.loss.temperature)
            losses["distillation"] = (self.config.late.distill, loss)
        return losses

    def _detection(self, encoded: Encoded, side: SideInputs) -> Losses:
        """The loss of late pose's keypoint detector, where there is one."""
        if encoded.found is None or side.keypoints is None:
            return {}
        return {"detection": (1.0, detection_loss(encoded.found, side.keypoints))}

    def _side_inputs(self, batch: Batch, step: int) -> SideInputs:
        """The encoder's inputs beside the frames."""
        side, source = FRAMES_ALONE, self.config.pose_source
        if source != "motion":
            side = self.embedder.pose_inputs(*_poses(batch), self._pose_generator(batch, step))
        if "change" in batch:
            side = self.embedder.with_motion(side, _change(batch))
        return side._replace(kept=self._kept(batch), rays=_rays(batch))

    def _target(self, batch: Batch, step: int, target: PoseTarget) -> Tensor:
        """The maps that PAAT predicts, of the patches that the model sees."""
        poses = _poses(batch)
        if "change" in batch:
            pose_map = self.embedder.motion.pose_map(_change(batch))
        elif target == "soft":
            pose_map = self.embedder.soft_map(*poses)
        else:
            pose_map = self.embedder.pose_map(*poses, self._pose_generator(batch, step))
        kept = self._kept(batch)
        return pose_map if kept is None else keep_in_map(pose_map, kept)

    def _kept(self, batch: Batch) -> Int[Tensor, "batch kept"] | None:
        """The patches that the model sees of every frame of a batch; None for all."""
        if "activity" not in batch:
            return None
        times = batch["frames"].shape[2]
        return self.embedder.motion.kept(
            repeat(batch["activity"], "e v r c -> (e v t) r c", t=times)
        )

    def _pose_generator(self, batch: Batch, step: int) -> torch.Generator:
        """Of a step's pose maps alone: they must not change what dropout draws."""
        generator = torch.Generator(batch["frames"].device)
        return generator.manual_seed(self.config.seed + step)

    def _auxiliary(self, output: Output | None, batch: Batch, step: int) -> Losses:
        """The network's losses besides the time-contrastive one (PAAT's: paper Eq. 8)."""
        config, network = self.config, self.embedder.model.backbone
        paat = self.plan.paat
        if paat is not None and isinstance(output, PoseAwareOutput | TcnOutput):
            target = self._target(batch, step, paat.target)
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

    def origin(self, run: Path) -> Origin:
        """The data sets of a run in this folder, and the episodes that it learns from."""
        identities = {
            option: (root, DataIdentity.of(root))
            for option in ("data", "train_on")
            if (root := getattr(self.config, option)) is not None
        }
        learned = identities["data" if self.config.train_on is None else "train_on"][1]
        return Origin(
            {
                option: DataRecord.of(root, identity.digest if identity else None, run)
                for option, (root, identity) in identities.items()
            },
            {name: learned.seals[name] for name in self.train.names} if learned else {},
        )

    def carry_over(self, weights: Mapping[str, Tensor], about: Mapping[str, Any]) -> CarriedOver:
        """All weights; of another skeleton, the classifier of PAAT has mostly another shape."""
        return CarriedOver(weights)

    def about(self) -> dict[str, Any]:
        """Facts from which the model can be built without the data."""
        return self.embedder.about()

    def describe(self) -> dict[str, str]:
        """Data set, views, method and model, a line each."""
        episodes = (
            f"{counted(len(self.train), 'episode')} to train on, {len(self.valid)} to validate on"
        )
        return {
            "data": f"{self.train.root} ({self.train.meta.env}): {episodes}",
            "views": f"{', '.join(self.plan.views)} ({self.config.protocol})",
            "model": f"{self.config.method}: {describe_network(self.plan, self.embedder.model)}",
        }

    def validate(self) -> Mapping[str, float]:
        """Metrics over all pairs of views of the validation episodes, and signs of collapse."""
        encoder = self.embedder.model
        raw = {
            name: self.embedder.encode_episode(self.valid, i)
            for i, name in enumerate(self.valid.names)
        }
        if isinstance(encoder, LateEncoder) and self.config.late.weight is None:
            choose_weight(encoder, raw.values())
        embeddings = {
            name: {view: encoder.compare(embedding) for view, embedding in views.items()}
            for name, views in raw.items()
        }
        metrics = mean_metrics(
            [pair for name, views in embeddings.items() for pair in episode_metrics(name, views)]
        )
        self.embedder.nearest_distance = mean_nearest_distance(embeddings.values())
        collapse = diagnose(embeddings.values(), metrics["alignment_error"])
        self.collapse_watch.see(collapse)
        return metrics | {
            "effective_rank": collapse.effective_rank,
            "spread": collapse.spread,
        }


def _require_trained_trunk(config: TrainConfig) -> None:
    if config.init is None:
        raise OptionError("--late.freeze-trunk needs a trained trunk: name its run with --init")
    if config.parts.late == "distilled":
        raise OptionError("late-distilled trains the trunk: leave out --late.freeze-trunk")


def _poses(
    batch: Batch,
) -> tuple[Float[Tensor, "batch keypoints 2"], Bool[Tensor, "batch keypoints"]]:
    """Keypoints and their visibility in every frame of a batch."""
    keypoints = rearrange(batch["keypoints"], "e v t k xy -> (e v t) k xy")
    return keypoints, rearrange(batch["visible"], "e v t k -> (e v t) k")


def _change(batch: Batch) -> Float[Tensor, "batch kinds cell_rows cell_cols"]:
    """How much every moment of a batch changes."""
    return batch["change"].flatten(0, 2)


def _rays(batch: Batch) -> Float[Tensor, "batch patches 6"] | None:
    """The rays of the patches of every frame of a batch, where they are read."""
    if "rays" not in batch:
        return None
    return rearrange(batch["rays"], "e v t r c d -> (e v t) (r c) d")
