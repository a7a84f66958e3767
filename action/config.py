"""Everything a run of action recognition depends on, stored beside its checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from typing_extensions import assert_never

from align.config import PaatLossConfig, PoseMapConfig, Split
from align.engine.config import OptimConfig, Precision
from align.engine.run_folder import RunFolder
from align.models.config import PaabConfig, PaatConfig, Readout
from datasets.bounds import (
    Depth,
    NaturalInt,
    Pixels,
    PositiveInt,
    Processes,
    Seed,
    Share,
    ShareBelowOne,
    Width,
)
from datasets.clips.base import ShortVideos

ActionMethod = Literal["baseline", "paab", "paat", "paab+paat"]
ACTION_METHODS: tuple[ActionMethod, ...] = get_args(ActionMethod)
# Those that see RGB alone in training and at inference.
RgbModelName = Literal["timesformer", "motionformer", "swin3d_t", "swin3d_b", "s3d", "r3d50", "i3d"]
# Those that see joints in space alone.
JointModelName = Literal["st_gcn", "agcn"]
# Those that `action.train` trains.
TrainedModelName = Literal[RgbModelName, JointModelName, Literal["vpn"]]
ModelName = Literal[TrainedModelName, "vpnpp", "mmnet", "glimpse_clouds", "assemblenet_pp"]
DataName = Literal["mocap", "smarthome", "ntu", "nucla"]
ActionRecipe = Literal["small", "paper"]
Ensemble = Literal["mean", "max"]
Metric = Literal["cosine", "euclidean"]
# Options at the top level to their values in earlier versions and the names of these today.
RENAMED = {"recipe": {"default": "small"}}
AttentionType = Literal["divided_space_time", "joint_space_time", "space_only", "trajectory"]
TrajectoryValues = Literal["projected", "points"]
JointOrigin = Literal["body", "camera"]
Persons = Literal[1, 2]


@dataclass(frozen=True)
class TimeSformerConfig:
    """The backbone; a small one by default, which two cores train.

    Networks other than TimeSformer and MotionFormer have a fixed shape, and read of these options
    the frames, their size and the weights alone.
    """

    image_size: Pixels = 112
    """Side of the frames in pixels."""
    patch_size: Pixels = 16
    """Side of a patch in pixels."""
    frames: PositiveInt | None = 8
    """Frames of a clip; None takes the paper's number for the data set, or for the joints."""
    stride: PositiveInt | None = None
    """Every which frame of the video they are; the paper's number for the data set by default."""
    dim: Width = 192
    """Width of the tokens."""
    depth: Depth = 6
    """Blocks."""
    heads: Width = 3
    """Attention heads."""
    drop_path: ShareBelowOne = 0.0
    """Stochastic depth at the last block."""
    attention: AttentionType = "divided_space_time"
    """How attention goes over space and time; trajectory: MotionFormer's."""
    trajectory_values: TrajectoryValues = "projected"
    """What trajectory attention sums up: projected values, or the points, as published."""
    tubelet: PositiveInt = 1
    """Frames that a token holds; MotionFormer has 2."""
    # The paper's class token learns next to nothing from scratch on few clips.
    readout: Readout = "mean"
    """Feature of a clip: the class token (the paper's), the mean of the patch tokens, or both."""
    # The published ones fit --recipe paper.
    weights: Path | None = None
    """Kinetics weights: Facebook's .pyth or .pt file, Hugging Face's folder, torchvision's .pth."""
    checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, a third more time."""


@dataclass(frozen=True)
class JointsConfig:
    """Joints in space, for networks that see them."""

    origin: JointOrigin = "body"
    """What x, y and z are measured from: the joint between the first person's shoulders, or the
    camera, as ST-GCN was published."""
    persons: Persons = 2
    """Persons of a clip; the rendered set has one, which halves the time."""


@dataclass(frozen=True)
class ClipBatchConfig:
    """The clips of a training step."""

    clips: PositiveInt = 16
    """Clips a step."""
    flip: Share = 0.5
    """How often a clip is mirrored; left and right keypoints change their names."""
    person: bool = True
    """Cut the frames to the person, by the keypoints, as the paper does for all methods."""
    # Runs of earlier versions lack the option. The recipes switch it on.
    inside: bool = False
    """Keep that cut inside the picture. Black beyond it would tell classes apart."""
    # Runs of earlier versions lack this option, too; the rendered set has one person.
    persons: Persons = 1
    """Persons to cut to and to mark in pose maps: with 2, a second one who acts too."""
    # The recipe paper switches hold on; runs of earlier versions spread.
    short: ShortVideos = "spread"
    """Frames of a video shorter than a sample: spread over it evenly, or hold: at the usual
    distances, and its last one from its end on, as the published code does."""


@dataclass(frozen=True)
class ActionConfig:
    """Options of `python -m action.train`."""

    method: ActionMethod = "baseline"
    """baseline: the model alone; paab, paat: with the pose-aware block or task, or both."""
    model: TrainedModelName = "timesformer"
    """Network; PAAB and PAAT work on timesformer and motionformer. st_gcn, agcn and vpn see joints
    in space."""
    data: DataName = "mocap"
    """Data set; mocap: rendered clips in the layout that their mocap.json names."""
    root: Path | None = None
    """Folder of the data set; data/<name> by default."""
    lists: Path | None = None
    """Folder of train.csv, val.csv and test.csv that split the clips, in the published form."""
    protocol: str | None = None
    """Split of the clips, such as CS or CVS3; the lists, else the data set's first by default."""
    recipe: ActionRecipe = "small"
    """Defaults of all options: small suits a CPU; paper is TimeSformer-Base as published."""
    test_subjects: tuple[NaturalInt, ...] | None = None
    """Test subjects of N-UCLA's CS, whose list is not published; subject 10 by default."""
    out: Path | None = None
    """Folder of the run; runs/<method>_<data>_<time> by default."""
    init: Path | None = None
    """Start from the weights of this run or checkpoint of action.train."""
    epochs: PositiveInt = 30
    """Passes over the training clips."""
    seed: Seed = 0
    """Seed of the weights, the batches and all other random draws."""
    validate_every: PositiveInt = 1
    """Epochs between validations."""
    # With 0, the best checkpoint is the last one.
    valid_share: ShareBelowOne = 0.1
    """Share of training subjects to validate on where the protocol names no validation clips."""
    train_on_valid: bool = False
    """Train on the protocol's validation clips too, as is usual with Smarthome."""
    max_bad_share: Share = 0.02
    """Largest share of unreadable clips that training accepts."""
    trust_pickles: bool = False
    """Load NTU's .skeleton.npy files, which are pickles and can run any code."""
    workers: Processes | None = None
    """Processes that read clips; 0 on a CPU, 8 with a GPU by default."""
    precision: Precision = "auto"
    """auto: bf16 on a GPU that has it, else fp32."""
    backbone: TimeSformerConfig = field(default_factory=TimeSformerConfig)
    # What all clips of a step share keeps a network near chance when it is trained from scratch.
    whiten: bool = True
    """Batch norm without affine before the classifier."""
    paab: PaabConfig = field(default_factory=PaabConfig)
    paat: PaatConfig = field(default_factory=PaatConfig)
    paat_loss: PaatLossConfig = field(default_factory=PaatLossConfig)
    pose_map: PoseMapConfig = field(default_factory=PoseMapConfig)
    batch: ClipBatchConfig = field(default_factory=ClipBatchConfig)
    joints: JointsConfig = field(default_factory=JointsConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)

    @property
    def is_transformer(self) -> bool:
        """Whether the model is one that takes PAAB and PAAT."""
        return self.model in ("timesformer", "motionformer")

    @property
    def sees_pixels(self) -> bool:
        """Whether the model sees frames, not joints alone."""
        return self.model not in get_args(JointModelName)

    @property
    def uses_paab(self) -> bool:
        """Whether the method has pose-aware attention blocks."""
        return "paab" in self.method.split("+")

    @property
    def uses_paat(self) -> bool:
        """Whether the method has the pose-aware auxiliary task."""
        return "paat" in self.method.split("+")

    def save(self, folder: Path) -> None:
        """Stores the options in a run's folder."""
        RunFolder(folder).save_config(self)

    @classmethod
    def load(cls, folder: Path) -> ActionConfig:
        """Reads the options of a run.

        Raises:
            DataError: When the folder is no run, or has options that are not known.
        """
        return RunFolder(folder).load_config(cls, "action.train", RENAMED)


# Paper section 4.2 and appendix B.
_PAPER = ActionConfig(
    recipe="paper",
    whiten=False,
    epochs=15,
    seed=42,
    backbone=TimeSformerConfig(
        image_size=224,
        frames=None,
        dim=768,
        depth=12,
        heads=12,
        drop_path=0.1,
        readout="class",
    ),
    paat_loss=PaatLossConfig(weight=1.6, reduction="mean"),
    optim=OptimConfig(
        name="sgd",
        lr=0.005,
        weight_decay=1e-4,
        momentum=0.9,
        warmup=0,
        schedule="steps",
        clip_norm=0,
    ),
)
# Clips a step; the rendered set, which the paper does not know, has the fewest.
_PAPER_CLIPS: dict[DataName, int] = {"smarthome": 32, "ntu": 64, "nucla": 64, "mocap": 32}
# 32 frames, every other one, span two seconds at 30 frames a second and take half the time of all.
_JOINT_FRAMES, _JOINT_STRIDE = 32, 2
# Of ST-GCN's configuration for NTU and of 2s-AGCN's for Smarthome: epochs, clips of a step, and the
# epochs after which the learning rate falls to a tenth.
_PAPER_JOINTS: dict[str, tuple[int, int, tuple[int, int]]] = {
    "st_gcn": (80, 64, (10, 50)),
    "agcn": (60, 16, (30, 40)),
}
# VPN's: the rate never falls, since the published code does not pass its schedule on.
_PAPER_VPN = OptimConfig(
    name="sgd", lr=0.01, weight_decay=0, warmup=0, schedule="constant", clip_norm=0
)


def action_recipe(
    name: ActionRecipe, data: DataName = "mocap", model: TrainedModelName = "timesformer"
) -> ActionConfig:
    """The settings that a recipe's name stands for with a model on a data set."""
    config = replace(_recipe(name, data), model=model)
    backbone, batch = config.backbone, config.batch
    if model == "motionformer":
        return replace(config, backbone=replace(backbone, attention="trajectory", tubelet=2))
    if model == "vpn" and name == "paper":
        backbone, batch = replace(backbone, frames=16), replace(batch, clips=4)
        return replace(config, backbone=backbone, batch=batch, optim=_PAPER_VPN)
    return config if config.sees_pixels else _joint_recipe(config)


def _recipe(name: ActionRecipe, data: DataName) -> ActionConfig:
    """A recipe's settings of TimeSformer."""
    batch = ClipBatchConfig(inside=True, persons=1 if data == "mocap" else 2)
    match name:
        case "small":
            return ActionConfig(data=data, batch=batch)
        case "paper":
            batch = replace(batch, clips=_PAPER_CLIPS[data], short="hold")
            return replace(_PAPER, data=data, batch=batch)
        case _:
            assert_never(name)


def _joint_recipe(config: ActionConfig) -> ActionConfig:
    """The settings of a network that sees joints alone."""
    joints = JointsConfig(persons=config.batch.persons)
    if config.recipe == "small":
        backbone = replace(config.backbone, frames=_JOINT_FRAMES, stride=_JOINT_STRIDE)
        return replace(config, backbone=backbone, joints=joints)
    epochs, clips, falls = _PAPER_JOINTS[config.model]
    milestones = tuple(epoch / epochs for epoch in falls)
    return replace(
        config,
        epochs=epochs,
        batch=replace(config.batch, clips=clips, flip=0),
        joints=replace(joints, origin="camera"),
        optim=replace(config.optim, lr=0.1, milestones=milestones),
    )


@dataclass(frozen=True)
class ClipSource:
    """Some clips of a data set; every option is the run's own by default."""

    split: Split = "test"
    """Split of the protocol."""
    data: DataName | None = None
    """Data set."""
    root: Path | None = None
    """Folder of the data set; data/<name> for another data set than the run's."""
    protocol: str | None = None
    """Protocol, which splits the clips."""
    features: Path | None = None
    """A file of features, which replaces all other options."""

    @property
    def is_own(self) -> bool:
        """Whether the clips are of the run's own data set, because no other is named."""
        return self.data is None and self.root is None
