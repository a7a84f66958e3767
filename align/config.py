"""Everything a run depends on, as one typed configuration stored beside its checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast, get_args

from typing_extensions import assert_never

from align.data import BatchConfig
from align.engine.device import Precision
from align.engine.optim import OptimConfig
from align.engine.run_folder import load_config, save_config
from align.losses.config import LossConfig
from align.methods import PARTS, Method, Part
from align.models.disentangle import DisentangleConfig
from align.models.encoder import HeadConfig
from align.models.pose_aware import ModelConfig, PaabConfig, PaatConfig, Readout
from align.models.predicted_pose import PoseFreeConfig
from align.models.tcn import TRUNK, TcnConfig
from align.models.trl3d import Trl3dConfig
from align.paat import PoseReduction
from datasets.command import preset_of
from datasets.presets import usual_window
from datasets.storage.meta import DatasetMeta, newest_data_set

Recipe = Literal["default", "paper"]
Protocol = Literal["seen", "unseen"]


@dataclass(frozen=True)
class BackboneConfig:
    """The vision transformer; the convolutional methods read `pretrained` alone."""

    name: str = "deit_tiny_patch16_224"
    """Any ViT or DeiT of timm's, with a convolutional stem or without."""
    depth: int | None = None
    """Blocks to keep; None keeps all of the named model."""
    pretrained: bool = False
    """Start from the hub's weights."""
    drop_path: float = 0.0
    """Stochastic depth at the last block."""
    readout: Readout = "mean"
    """What becomes the embedding: the class token, the mean of the patch tokens, or both."""
    freeze_patches: bool = False
    """Leave the projection of patches at its random start; pretrained ones are trained anyway."""


@dataclass(frozen=True)
class PaatLossConfig:
    """How PAAT's loss weighs against the time-contrastive one."""

    weight: float = 1.6
    """The paper's lambda."""
    reduction: PoseReduction = "patch_sum"
    """mean over everything is the paper's; patch_sum sums over the patches of an image, since
    the few patches that hold a keypoint weigh next to nothing in the mean."""


@dataclass(frozen=True)
class PoseMapConfig:
    """How pose maps are made of keypoints; the defaults are the paper's, the rest are controls."""

    noise: int = 0
    """Add a random integer in [0, noise] to each pixel coordinate (Fig. 4)."""
    random: bool = False
    """Mark as many patches as the true map does, at random (Table 2)."""
    dilation: int = 0
    """Mark the patches up to so many steps around a keypoint's own."""


@dataclass(frozen=True)
class TrainConfig:
    """Options of `python -m align.train`."""

    method: Method = "deit"
    """deit: the backbone alone; paab, paat: with the pose-aware block or task; paab+paat: both;
    paab-free: both, and at inference PAAB goes by PAAT's prediction and needs no poses;
    paab-points: the given keypoints' places become part of the embedding besides; paat-points:
    PAAT after the last block tells places to less than a patch, which become part of
    the embedding, at inference too; tcn+paat-points: the same after TCN's trunk; 3dtrl:
    with recovered geometry, alone or below paab or paat; tcn, tcn-single: TCN's network, with its
    multi-view or its single-view loss; tcn+paat: with --loss and PAAT after its trunk; disentangle:
    codes of state and viewpoint apart."""
    recipe: Recipe = "default"
    """Where the defaults of all options come from: ours, or the published settings."""
    data: Path | None = None
    """Folder of episodes; the newest under data/ by default."""
    train_on: Path | None = None
    """Train and validate on this folder of episodes instead, and leave `data` to testing."""
    out: Path | None = None
    """The run's folder; under runs/, named by method, data and time, by default."""
    image_size: int | None = None
    """Side of the frames in pixels; the data set's own by default."""
    epochs: int = 40
    """Passes over the frames of the training episodes."""
    seed: int = 0
    """Of the weights, the batches and everything else random."""
    views: tuple[str, ...] = ()
    """Views that take part at all; all of the data set by default."""
    protocol: Protocol = "seen"
    """seen: train and test on the same views; unseen: train on ego and the first third-person
    views, test on ego and the last ones, which training never sees. With --train-on of cameras
    drawn for every episode, none is kept from training: those of the test are others anyway."""
    train_views: int | None = None
    """Train on ego and so many third-person views, the first ones; all by default."""
    train_episodes: int | None = None
    """Train on so many episodes, the first ones of the split; all by default."""
    validate_every: int = 2
    """Epochs between validations."""
    workers: int | None = None
    """Processes that read data; none on a CPU, 8 beside a GPU by default."""
    precision: Precision = "auto"
    """auto: bf16 on a GPU that has it, fp32 elsewhere; on a CPU, bf16 is worth asking for where
    `lscpu` lists amx_bf16."""
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    paab: PaabConfig = field(default_factory=PaabConfig)
    paat: PaatConfig = field(default_factory=PaatConfig)
    paat_loss: PaatLossConfig = field(default_factory=PaatLossConfig)
    pose_free: PoseFreeConfig = field(default_factory=PoseFreeConfig)
    trl3d: Trl3dConfig = field(default_factory=Trl3dConfig)
    tcn: TcnConfig = field(default_factory=TcnConfig)
    disentangle: DisentangleConfig = field(default_factory=DisentangleConfig)
    pose_map: PoseMapConfig = field(default_factory=PoseMapConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)

    def usual_data(self) -> Path:
        """The newest data set under data/, for a run that names none.

        Raises:
            DataError: When there is none.
            ValueError: When the run learns from another: what to test on must be said then.
        """
        if self.train_on is not None:
            raise ValueError("--train-on says what to learn from: say what to test on with --data.")
        return newest_data_set()

    @property
    def test_data(self) -> Path:
        """The folder of episodes that the run is tested on.

        Raises:
            ValueError: When no data set is named, see `align.train.resolve`.
        """
        if self.data is None:
            raise ValueError("a run needs `data`; `resolve` fills it in.")
        return self.data

    @property
    def training_data(self) -> Path:
        """The folder of episodes that the run learns from.

        Raises:
            ValueError: When no data set is named, see `align.train.resolve`.
        """
        return self.train_on or self.test_data

    @property
    def network(self) -> str:
        """What the method's encoder is made of, by its name in timm or torchvision."""
        if self.has("vit"):
            return self.backbone.name
        return self.disentangle.encoder if self.has("disentangle") else TRUNK

    @property
    def depth(self) -> int | None:
        """To how many blocks the network is cut; None for a whole one, and without blocks."""
        return self.backbone.depth if self.has("vit") else None

    def has(self, part: Part) -> bool:
        """Whether the method has a part."""
        return part in PARTS[self.method]

    @property
    def uses_paab(self) -> bool:
        """Whether the method has pose-aware attention blocks."""
        return self.has("paab")

    @property
    def uses_paat(self) -> bool:
        """Whether the method has the pose-aware auxiliary task."""
        return self.has("paat")

    @property
    def trains_on_poses(self) -> bool:
        """Whether training draws on keypoints."""
        return self.uses_paab or self.uses_paat

    @property
    def needs_poses(self) -> bool:
        """Whether frames must come with keypoints at inference too."""
        return self.uses_paab and not self.has("pose_free")

    @property
    def method_paab(self) -> PaabConfig | None:
        """PAAB as the method has it: by --paab, but for points."""
        if not self.uses_paab:
            return None
        return replace(self.paab, points=True) if self.has("points") else self.paab

    @property
    def method_paat(self) -> PaatConfig | None:
        """PAAT as the method has it: by --paat, but for what points need."""
        if not self.uses_paat:
            return None
        if self.has("points"):
            return replace(self.paat, positions=(-1,), target="soft", points=True)
        return self.paat

    @property
    def uses_soft_maps(self) -> bool:
        """Whether places of keypoints are told to less than a patch."""
        paab, paat = self.method_paab, self.method_paat
        return (paab is not None and paab.points) or (paat is not None and paat.target == "soft")

    def method_loss(self, meta: DatasetMeta) -> LossConfig:
        """The loss of the method: --loss, but for TCN's own, multi-view or single-view.

        Args:
            meta: Of the data set, whose environment decides a window that was left open, and whose
                time steps a second that of single-view TCN.
        """
        if self.has("single_view"):
            window = max(1, round(self.tcn.single_window * meta.control_hz))
            return replace(self.loss, name="single_view_triplet", window=window)
        name = self.tcn.loss if self.has("multi_view") else self.loss.name
        return replace(self.loss, name=name, window=self.loss.window or usual_window(meta.env))

    def model_config(self, image_size: int, num_keypoints: int) -> ModelConfig:
        """The transformer of a method that has one, for frames of a size and so many keypoints."""
        return ModelConfig(
            backbone=self.backbone.name,
            image_size=image_size,
            depth=self.backbone.depth,
            pretrained=self.backbone.pretrained,
            drop_path=self.backbone.drop_path,
            readout=self.backbone.readout,
            freeze_patches=self.backbone.freeze_patches,
            paab=self.method_paab,
            paat=self.method_paat,
            num_keypoints=num_keypoints,
            pose_free=self.pose_free if self.has("pose_free") else None,
            trl3d=self.trl3d if self.has("3dtrl") else None,
        )

    def save(self, folder: Path) -> None:
        """Writes `config.json` into a run's folder."""
        save_config(self, folder)

    @classmethod
    def load(cls, folder: Path) -> TrainConfig:
        """Reads the `config.json` of a run.

        Raises:
            DataError: When the folder is no run, or has options that are not known.
        """
        return load_config(cls, folder, "align.train")


# The options' own defaults but for what came later: those must leave earlier runs what they were.
_DEFAULT = TrainConfig(backbone=BackboneConfig(freeze_patches=True))

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


def recipe(name: Recipe) -> TrainConfig:
    """The settings that a recipe's name stands for."""
    match name:
        case "default":
            return _DEFAULT
        case "paper":
            return _PAPER
        case _:
            assert_never(name)


def parse_recipe(arguments: Sequence[str]) -> Recipe:
    """Read `--recipe` before the other options, since it sets their defaults."""
    return cast(Recipe, preset_of(arguments, "--recipe", "default", get_args(Recipe)))
