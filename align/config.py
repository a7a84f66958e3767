"""Everything a run depends on, as one typed configuration stored beside its checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from align.engine.config import OptimConfig, Precision
from align.engine.gpus import count_gpus
from align.engine.run_folder import RunFolder
from align.inputs.sampling import BatchConfig, TimeConfig
from align.losses.config import LossConfig, PoseReduction
from align.methods import METHODS, SHOWN_METHODS, Method, Parts, Pose, network_name
from align.models.config import (
    DisentangleConfig,
    HeadConfig,
    LateConfig,
    PaabConfig,
    PaatConfig,
    PoseFreeConfig,
    Readout,
    TcnConfig,
    Trl3dConfig,
)
from datasets.bounds import (
    Depth,
    NaturalInt,
    NonNegativeFloat,
    Pixels,
    PositiveInt,
    PositiveShare,
    Processes,
    Seed,
    ShareBelowOne,
)

Recipe = Literal["auto", "small", "full", "paper"]
Protocol = Literal["seen", "unseen"]
Split = Literal["test", "valid", "train"]
# Also the episodes in which the expert was made to fail, and all episodes.
AnySplit = Literal["all", "train", "valid", "test", "failure"]
PoseSource = Literal["keypoints", "motion", "both"]
Rays = Literal["none", "own", "shuffled"]
# Before recipes suited the machine, the whole model was the default one.
RENAMED = {"recipe": {"default": "full"}}
_METHODS_SHOWN = "{" + ",".join(SHOWN_METHODS) + "}"


@dataclass(frozen=True)
class BackboneConfig:
    """The network. The methods tcn, tcn-single and disentangle use `pretrained` only."""

    name: str = "deit_tiny_patch16_224"
    """Name in timm of a ViT or DeiT, or of a convolutional network such as convnext_atto."""
    depth: Depth | None = None
    """Blocks to keep of a transformer; all of the named model by default."""
    patch: Pixels | None = None
    """Side of a patch in pixels, the named model's by default; of a convolutional network the
    stride of the map whose cells are the tokens, 16 by default."""
    pretrained: bool = False
    """Start from pretrained weights of the Hugging Face hub."""
    drop_path: ShareBelowOne = 0.0
    """Stochastic depth at the last block."""
    readout: Readout = "mean"
    """Embedding: the class token, the mean of the patch tokens, or both."""
    freeze_patches: bool = False
    """Keep the projection of patches at its random start; pretrained ones are trained."""
    keep_patches: PositiveShare = 1.0
    """Share of a frame's patches that the blocks see: those that change most in its video."""


@dataclass(frozen=True)
class PaatLossConfig:
    """Weight of PAAT's loss beside the time-contrastive one."""

    weight: NonNegativeFloat = 1.6
    """The paper's lambda."""
    # The few patches that hold a keypoint hardly count in a mean over all patches.
    reduction: PoseReduction = "patch_sum"
    """mean over everything (the paper's), or patch_sum: the sum over an image's patches."""


@dataclass(frozen=True)
class PoseMapConfig:
    """How keypoints become pose maps. The defaults are the paper's, the rest are controls."""

    noise: NaturalInt = 0
    """Add a random integer in [0, noise] to each pixel coordinate (Fig. 4)."""
    random: bool = False
    """Mark as many patches as the true map, at random (Table 2)."""
    dilation: NaturalInt = 0
    """Also mark the patches within this many patches of a keypoint's own."""


@dataclass(frozen=True)
class TrainConfig:
    """Options of `python -m align.train`."""

    method: Annotated[Method, tyro.conf.arg(metavar=_METHODS_SHOWN)] = "deit"
    """System to train: the paper's, and combinations with late pose and PAAT; see also --pose."""
    pose: Pose | None = None
    """Pose modules that are added to --method, where the combination exists."""
    data: Path | None = None
    """Data set to train and test on; the newest folder under data/ by default."""
    recipe: Recipe = "full"
    """Defaults of all options: small suits a CPU, full a GPU; paper is published; auto chooses."""
    epochs: PositiveInt = 40
    """Passes over the frames of the training episodes."""
    out: Path | None = None
    """Folder of the run; runs/<method>_<data>_<time> by default."""
    image_size: Pixels | None = None
    """Side of the frames in pixels; the data set's own by default."""
    seed: Seed = 0
    """Seed of the weights, the batches and all other random draws."""
    # bf16 pays on a CPU only where `lscpu` lists avx512_bf16 or amx_bf16.
    precision: Precision = "auto"
    """Number format; auto: bf16 on a GPU that has it, else fp32."""
    views: tuple[str, ...] = ()
    """Names of the views to use; all by default."""
    protocol: Protocol = "seen"
    """seen: test on the training views; unseen: hold the last third-person views out."""
    train_on: Path | None = None
    """Train on this data set instead, and only test on --data."""
    train_views: PositiveInt | None = None
    """Train on ego and this many third-person views; all by default."""
    train_episodes: PositiveInt | None = None
    """Train on the first of the training episodes; all by default."""
    epoch_steps: PositiveInt | None = None
    """Steps of an epoch; as many as one pass takes by default."""
    init: Path | None = None
    """Start from the weights of this run or checkpoint."""
    validate_every: PositiveInt = 2
    """Epochs between validations."""
    workers: Processes | None = None
    """Processes that read data; 0 on a CPU, 8 with a GPU by default."""
    pose_source: PoseSource = "keypoints"
    """keypoints, motion: what moves, by pixels alone, or both, for late pose."""
    # The mean difference from the still picture on a scale of 255. On validation episodes of Lift
    # and Pick, 4 to 8 agree best with the patches of keypoints.
    motion_threshold: NonNegativeFloat = 6.0
    """Change above which a patch moves, 0 to 255; for --pose-source motion and both."""
    # own costs six numbers a patch. shuffled tells whether a gain is due to true cameras.
    rays: Rays = "none"
    """Also show where each patch is seen from: by own cameras, or (control) by other views'."""
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    paab: PaabConfig = field(default_factory=PaabConfig)
    paat: PaatConfig = field(default_factory=PaatConfig)
    paat_loss: PaatLossConfig = field(default_factory=PaatLossConfig)
    pose_free: PoseFreeConfig = field(default_factory=PoseFreeConfig)
    trl3d: Trl3dConfig = field(default_factory=Trl3dConfig)
    tcn: TcnConfig = field(default_factory=TcnConfig)
    time: TimeConfig = field(default_factory=TimeConfig)
    late: LateConfig = field(default_factory=LateConfig)
    disentangle: DisentangleConfig = field(default_factory=DisentangleConfig)
    pose_map: PoseMapConfig = field(default_factory=PoseMapConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)

    @property
    def parts(self) -> Parts:
        """The parts of the method."""
        return METHODS[self.method]

    @property
    def trains_on_keypoints(self) -> bool:
        """Whether training reads keypoints."""
        return self.parts.trains_on_poses and self.pose_source != "motion"

    @property
    def needs_keypoints(self) -> bool:
        """Whether inference reads keypoints too."""
        return self.parts.needs_poses and self.pose_source != "motion"

    @property
    def needs_cameras(self) -> bool:
        """Whether training and inference read calibrated cameras."""
        return self.rays != "none"

    @property
    def network(self) -> str:
        """Name in timm or torchvision of the network that the method's encoder is made of."""
        return network_name(self.method, self.backbone.name, self.disentangle.encoder)

    @property
    def depth(self) -> int | None:
        """Blocks that the transformer is cut to; None for a whole one, and without transformer."""
        return self.backbone.depth if self.parts.encoder == "vit" else None

    @property
    def test_data(self) -> Path:
        """The data set that the run is tested on.

        Raises:
            ValueError: When no data set is named, see `align.plan.resolve`.
        """
        if self.data is None:
            raise ValueError("a run needs `data`; `resolve` fills it in.")
        return self.data

    @property
    def training_data(self) -> Path:
        """The data set that the run learns from.

        Raises:
            ValueError: When no data set is named, see `align.plan.resolve`.
        """
        return self.train_on or self.test_data

    def save(self, folder: Path) -> None:
        """Stores the options in a run's folder."""
        RunFolder(folder).save_config(self)

    @classmethod
    def load(cls, folder: Path) -> TrainConfig:
        """Reads the options of a run.

        Raises:
            DataError: When the folder is no run, or has unknown options.
        """
        return RunFolder(folder).load_config(cls, "align.train", RENAMED)


# The default of every option is what runs did before the option existed, so that stored runs keep
# their meaning. Frozen patches came later and are the better default (docs/results): the recipes
# switch them on.
_FULL = TrainConfig(recipe="full", backbone=BackboneConfig(freeze_patches=True))

# About a quarter of an hour on two cores for the 60 episodes that sims.generate makes by default.
_SMALL = replace(
    _FULL,
    recipe="small",
    epochs=10,
    validate_every=1,
    backbone=BackboneConfig(depth=4, freeze_patches=True),
    optim=OptimConfig(lr=1e-3),
)
SMALL_IMAGE_SIZE = 112

# 3DTRL's published settings, which the paper follows: DeiT-Tiny at 224 pixels, from scratch, one
# triplet of two views a step.
_PAPER = TrainConfig(
    recipe="paper",
    seed=42,
    image_size=224,
    epochs=100,
    validate_every=1,
    backbone=BackboneConfig(readout="class"),
    head=HeadConfig(whiten=False, center=False, unit=False),
    paat_loss=PaatLossConfig(weight=1.6, reduction="mean"),
    loss=LossConfig(name="published_triplet"),
    batch=BatchConfig(episodes=1, views=2, times=3, triplets=True),
    optim=OptimConfig(
        name="adam",
        lr=1e-6,
        weight_decay=0,
        warmup=0,
        schedule="constant",
        clip_norm=10,
        patience=10,
    ),
)
_RECIPES = {"small": _SMALL, "full": _FULL, "paper": _PAPER}


def recipe(name: Recipe) -> TrainConfig:
    """The settings of a recipe; auto is small on a machine without an NVIDIA GPU, else full."""
    return _RECIPES[usual_recipe() if name == "auto" else name]


def usual_recipe() -> Literal["small", "full"]:
    """The recipe that suits this machine."""
    return "full" if count_gpus() else "small"
