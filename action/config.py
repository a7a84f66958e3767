"""Everything a run of action recognition depends on, stored beside its checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from align.config import PaatLossConfig, PoseMapConfig, Split
from align.engine.config import OptimConfig, Precision
from align.engine.run_folder import RunFolder
from align.models.config import PaabConfig, PaatConfig, Readout
from datasets.bounds import (
    Depth,
    NaturalInt,
    NonNegativeFloat,
    Pixels,
    PositiveInt,
    Processes,
    Seed,
    Share,
    ShareBelowOne,
    Width,
)
from datasets.clips.base import ShortVideos

ActionMethod = Literal["baseline", "paab", "paat", "paab+paat", "3d", "paat+3d"]
ACTION_METHODS: tuple[ActionMethod, ...] = get_args(ActionMethod)
# Those that see RGB alone in training and at inference.
RgbModelName = Literal[
    "timesformer",
    "motionformer",
    "swin3d_t",
    "swin3d_b",
    "s3d",
    "r3d50",
    "i3d",
    "assemblenet_pp",
]
# Those that see joints in space alone.
JointModelName = Literal["st_gcn", "agcn"]
# Those whose only use is that another one learns from them.
StageModelName = Literal["vpnpp_teacher", "glimpse_cnn"]
ModelName = Literal[
    RgbModelName, JointModelName, StageModelName, Literal["vpn", "vpnpp", "mmnet", "glimpse_clouds"]
]
DataName = Literal["mocap", "smarthome", "ntu", "nucla"]
ActionRecipe = Literal["small", "paper"]
Ensemble = Literal["mean", "max"]
Metric = Literal["cosine", "euclidean"]
# Options at the top level to their values in earlier versions and the names of these today.
RENAMED = {"recipe": {"default": "small"}}
AttentionType = Literal["divided_space_time", "joint_space_time", "space_only", "trajectory"]
TrajectoryValues = Literal["projected", "points"]
Stem = Literal["patch", "conv"]
JointOrigin = Literal["body", "camera"]
JointStream = Literal["joints", "bones"]
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
    """Distance between them in frames of the video; the paper's for the data set by default."""
    # Runs of earlier versions lack the option. The recipe small has convolutions.
    stem: Stem = "patch"
    """Tokens of pixels by a linear map of each patch (the paper's), or by a few convolutions, which
    learn from fewer clips."""
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
    """The sum of trajectory attention: of projected values, or of the points, as published."""
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
    """The origin of x, y and z: the joint between the first person's shoulders, or the
    camera, as ST-GCN was published."""
    persons: Persons = 2
    """Persons of a clip; the rendered set has one, which halves the time."""
    stream: JointStream = "joints"
    """The input of st_gcn and agcn: the joints, or the bones, each joint minus its parent."""
    # These span two seconds at 30 frames a second and take half the time of all.
    frames: PositiveInt = 32
    """Frames of joints beside pixels; networks on joints alone have --backbone.frames."""
    stride: PositiveInt = 2
    """Distance between them in frames of the clip."""


@dataclass(frozen=True)
class StagesConfig:
    """Networks that are trained before, for a network that learns from them."""

    runs: tuple[Path, ...] = ()
    """Finished runs that take the place of stages of their --model; the others are trained."""
    pose: JointModelName = "agcn"
    """Network on joints whose features VPN++ and the method 3d learn."""
    epochs: PositiveInt | None = None
    """Epochs of each stage before the last; those of the run by default."""
    clips: PositiveInt | None = None
    """Clips a step in these stages; those of the run by default."""


@dataclass(frozen=True)
class InductionConfig:
    """Weights of the losses of the method 3d beside cross-entropy; the defaults are published."""

    align: NonNegativeFloat = 1.0
    """Of the distance to the features of a network on joints."""
    classify: NonNegativeFloat = 1.0
    """Of the cross-entropy of the class that these features tell."""


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
    """baseline: the model alone; paab, paat: with the pose-aware block or task, or both; 3d: learns
    the features of a network on joints in space, also beside paat."""
    model: ModelName = "timesformer"
    """Network; PAAB and PAAT work on timesformer and motionformer. st_gcn, agcn, vpn and mmnet see
    joints in space; vpnpp and glimpse_clouds learn from poses."""
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
    stages: StagesConfig = field(default_factory=StagesConfig)
    induction: InductionConfig = field(default_factory=InductionConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)

    @property
    def is_transformer(self) -> bool:
        """Whether the model is one that takes PAAB and PAAT."""
        return self.model in ("timesformer", "motionformer")

    @property
    def sees_pixels(self) -> bool:
        """Whether the model sees pixels, not joints alone."""
        return self.model not in get_args(JointModelName)

    @property
    def sees_clips(self) -> bool:
        """Whether the model sees frames in a row; MMNet sees crops of a few."""
        return self.sees_pixels and self.model != "mmnet"

    @property
    def uses_paab(self) -> bool:
        """Whether the method has pose-aware attention blocks."""
        return "paab" in self.method.split("+")

    @property
    def uses_paat(self) -> bool:
        """Whether the method has the pose-aware auxiliary task."""
        return "paat" in self.method.split("+")

    @property
    def uses_3d(self) -> bool:
        """Whether the method learns the features of a network on joints in space."""
        return "3d" in self.method.split("+")

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
