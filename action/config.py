"""Everything a run of action recognition depends on, stored beside its checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from typing_extensions import assert_never

from align.config import PaatLossConfig, PoseMapConfig
from align.engine.device import Precision
from align.engine.optim import OptimConfig
from align.engine.run_folder import load_config, save_config
from align.models.config import PaabConfig, PaatConfig, Readout

ActionMethod = Literal["baseline", "paab", "paat", "paab+paat"]
ACTION_METHODS: tuple[ActionMethod, ...] = get_args(ActionMethod)
DataName = Literal["mocap", "smarthome", "ntu", "nucla"]
ActionRecipe = Literal["default", "paper"]
AttentionType = Literal["divided_space_time", "joint_space_time", "space_only"]


@dataclass(frozen=True)
class TimeSformerConfig:
    """The backbone; a small one by default, which two cores train."""

    image_size: int = 112
    """Side of the frames in pixels."""
    patch_size: int = 16
    """Side of a patch in pixels."""
    frames: int | None = 8
    """Frames of a clip; None takes the paper's number for the data set."""
    stride: int | None = None
    """Every which frame of the video they are; the paper's number for the data set by default."""
    dim: int = 192
    """Width of the tokens."""
    depth: int = 6
    """Blocks."""
    heads: int = 3
    """Attention heads."""
    drop_path: float = 0.0
    """Stochastic depth at the last block."""
    attention: AttentionType = "divided_space_time"
    """How attention goes over space and time."""
    readout: Readout = "mean"
    """What becomes the clip's feature: the class token (the paper's), which learns next to nothing
    from scratch on few clips, the mean of the patch tokens, or both."""
    weights: Path | None = None
    """Kinetics weights to start from: Facebook's .pyth or .pt file, or Hugging Face's folder;
    those published fit --recipe paper."""
    checkpointing: bool = False
    """Compute each block's activations anew on the way back: less memory, a third more time."""


@dataclass(frozen=True)
class ClipBatchConfig:
    """What a training step sees."""

    clips: int = 16
    """Clips a step."""
    flip: float = 0.5
    """How often a clip is mirrored; left and right keypoints change their names."""
    person: bool = True
    """Cut the frames to the person, by the keypoints, as the paper does for all methods."""


@dataclass(frozen=True)
class ActionConfig:
    """Options of `python -m action.train`."""

    method: ActionMethod = "baseline"
    """baseline: TimeSformer alone; paab, paat: with the pose-aware block or task; or both."""
    recipe: ActionRecipe = "default"
    """default: a small model from scratch; paper: TimeSformer-Base with the published settings,
    which for NTU and N-UCLA have other batches than for Smarthome."""
    data: DataName = "mocap"
    """Which data set; mocap: rendered clips in the layout that their mocap.json names."""
    root: Path | None = None
    """Its folder; data/<name> by default."""
    lists: Path | None = None
    """Folder of train.csv, val.csv and test.csv, as the published code has them, which say how
    clips are split."""
    protocol: str | None = None
    """How clips are split, such as CS, CV or CVS3; by the lists where there are any, else by the
    data set's first protocol, by default."""
    test_subjects: tuple[int, ...] | None = None
    """N-UCLA's CS only, of which no list is published: who is tested on; subject 10 by default."""
    out: Path | None = None
    """The run's folder; under runs/, named by method, data and time, by default."""
    epochs: int = 30
    """Passes over the training clips."""
    seed: int = 0
    """Of the weights, the batches and everything else random."""
    validate_every: int = 1
    """Epochs between validations."""
    valid_share: float = 0.1
    """Share of the training clips to validate on where the protocol has no validation clips, in
    whole subjects; 0: train on all of them and validate on none, so that the best checkpoint is the
    last."""
    train_on_valid: bool = False
    """Count the protocol's validation clips among its training clips, as is usual with
    Smarthome's; with --valid-share 0 all of them are trained on."""
    max_bad_share: float = 0.02
    """Share of clips that may be unreadable; with more, training does not start."""
    trust_pickles: bool = False
    """Load NTU's .skeleton.npy files, which are pickles and can run any code."""
    workers: int | None = None
    """Processes that read clips; none on a CPU, 8 beside a GPU by default."""
    precision: Precision = "auto"
    """auto: bf16 on a GPU that has it, fp32 elsewhere."""
    backbone: TimeSformerConfig = field(default_factory=TimeSformerConfig)
    whiten: bool = True
    """Batch norm without affine between a clip's feature and the classifier: removes what all
    clips of a step share, which is most of a feature at initialisation and keeps a network trained
    from scratch near chance."""
    paab: PaabConfig = field(default_factory=PaabConfig)
    paat: PaatConfig = field(default_factory=PaatConfig)
    paat_loss: PaatLossConfig = field(default_factory=PaatLossConfig)
    pose_map: PoseMapConfig = field(default_factory=PoseMapConfig)
    batch: ClipBatchConfig = field(default_factory=ClipBatchConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)

    @property
    def uses_paab(self) -> bool:
        """Whether the method has pose-aware attention blocks."""
        return "paab" in self.method.split("+")

    @property
    def uses_paat(self) -> bool:
        """Whether the method has the pose-aware auxiliary task."""
        return "paat" in self.method.split("+")

    def save(self, folder: Path) -> None:
        """Writes `config.json` into a run's folder."""
        save_config(self, folder)

    @classmethod
    def load(cls, folder: Path) -> ActionConfig:
        """Reads the `config.json` of a run.

        Raises:
            DataError: When the folder is no run, or has options that are not known.
        """
        return load_config(cls, folder, "action.train")


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


def action_recipe(name: ActionRecipe, data: DataName = "mocap") -> ActionConfig:
    """The settings that a recipe's name stands for on a data set."""
    match name:
        case "default":
            return ActionConfig()
        case "paper":
            return replace(_PAPER, batch=ClipBatchConfig(clips=_PAPER_CLIPS[data]))
        case _:
            assert_never(name)
