"""A run's clips: which data set, and which split; `action.inputs.batches` draws samples of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import joblib
import numpy as np

from action.config import ActionConfig, DataName
from action.inputs.joints import learns_joints, sees_joints, with_joints
from action.inputs.poses import require_poses
from action.models.registry import architecture
from align.engine.origin import DataRecord, Origin, find_data, relocate
from datasets.clips.base import ClipFormat, ClipInfo
from datasets.clips.checks import check_clips
from datasets.clips.identity import clips_digest
from datasets.clips.mocap import MocapMeta
from datasets.clips.samples import SampleConfig
from datasets.clips.sets import LISTS, ClipSet, open_clip_set, protocol_parts
from datasets.errors import MismatchError, MissingDataError, OptionError

MANY_CLIPS = 1000


@dataclass(frozen=True)
class ActionData:
    """The clips of a data set under one protocol.

    Attributes:
        clip_set: Where they come from.
        protocol: How they are split.
        parts: `train`, `valid` and `test`.
        classes: What the labels stand for.
    """

    clip_set: ClipSet
    protocol: str
    parts: dict[str, tuple[ClipInfo, ...]]
    classes: tuple[str, ...]

    @cached_property
    def digest(self) -> str:
        """The identity of the clips and of how they are split."""
        return clips_digest(self.parts, self.classes)

    def labelled_by(self, classes: tuple[str, ...]) -> ActionData:
        """The same clips, with labels that index these classes, which are the same by name."""
        labels = [classes.index(name) for name in self.classes]
        parts = {
            split: tuple(replace(clip, label=labels[clip.label]) for clip in clips)
            for split, clips in self.parts.items()
        }
        return replace(self, parts=parts, classes=classes)


def data_root(config: ActionConfig) -> Path:
    """Folder of the run's data set."""
    return config.root or Path("data") / config.data


def format_name(config: ActionConfig) -> str:
    """The format of the run's data set; of a rendered one, the layout that it is written in.

    Raises:
        DataError: When the folder holds no rendered set.
    """
    return MocapMeta.load(data_root(config)).layout if config.data == "mocap" else config.data


def open_data(config: ActionConfig, clip_set: ClipSet | None = None) -> ActionData:
    """The clips of a run's data set and protocol, some held out to validate on if so configured.

    Args:
        config: The run's options.
        clip_set: The data set where it is open already, so that its files are not listed again.

    Raises:
        DataError: A missing folder, or a protocol without clips.
        OptionError: A protocol beside lists, which split the clips themselves.
        UnknownNameError: An unknown protocol.
    """
    data = open_all_data(config, clip_set)
    train, valid = data.parts["train"], data.parts["valid"]
    if config.train_on_valid:
        train, valid = train + valid, ()
    if not valid and config.valid_share > 0:
        train, valid = hold_out(train, config.valid_share)
    return replace(data, parts=data.parts | {"train": train, "valid": valid})


def open_own_data(
    run: Path,
    config: ActionConfig,
    root: Path | None = None,
    move: bool = False,
    other: str = "",
) -> ActionData:
    """The clips that a stored run was made of.

    Args:
        run: The run's folder.
        config: Its options as stored.
        root: Where the data set lies now; by default where the run finds it.
        move: Whether to store `root` in the run.
        other: Remedy where the data set that is there is another one and shall be used.

    Raises:
        MissingDataError: When the data set is not there.
        MismatchError: When another data set is in its place.
        OptionError: When a path is to be stored and none is named.
    """
    opened: dict[Path, ActionData] = {}  # each place is opened once, and names what it leaves out

    def at(place: Path) -> ActionData:
        if place not in opened:
            opened[place] = open_data(replace(config, root=place))
        return opened[place]

    def identify(place: Path) -> str:
        return at(place).digest

    if root is None:
        if move:
            raise OptionError("--relocate stores the path of --root: name the data set's folder.")
        return at(find_data(run, "root", data_root(config), identify, Path.is_dir, other))
    data = at(root)
    if (origin := Origin.load(run)) is not None:
        now = DataRecord.of(root, data.digest, run)
        origin.require_same(Origin({"root": now}), run)
    if move:
        relocate(run, config, "root", root, identify)
    return data


def open_all_data(config: ActionConfig, clip_set: ClipSet | None = None) -> ActionData:
    """The clips of a data set and protocol as its authors split them, most without validation.

    Args:
        config: The run's options.
        clip_set: The data set where it is open already.

    Raises:
        DataError: See `open_data`.
        OptionError: See `open_data`.
    """
    _require_one_split(config)
    root = data_root(config)
    mocap = MocapMeta.load(root) if config.data == "mocap" else None
    if clip_set is None:
        clip_set = open_clip_set(root, mocap.layout if mocap else config.data, config.lists)
    protocol = LISTS if config.lists else config.protocol or clip_set.protocols[0]
    if len(means := protocol_parts(clip_set.name, protocol)) > 1:
        raise OptionError(
            f"the published {protocol} is the mean over {', '.join(means)}, each with a model of "
            f"its own: `python -m action.compare --protocols {protocol}` trains, measures and "
            f"averages them; --protocol {means[0]} is one of them."
        )
    tested = None if config.test_subjects is None else frozenset(config.test_subjects)
    parts = clip_set.split(protocol, tested)
    data = ActionData(clip_set, protocol, parts, clip_set.classes_of(protocol))
    if mocap is None:
        return data
    relabelled, motions = mocap.relabel(data.parts, data.classes)
    return replace(data, parts=relabelled, classes=motions)


def open_other_data(
    config: ActionConfig, data: DataName | None, root: Path | None, protocol: str | None
) -> ActionData:
    """The clips of a data set that a run was not made of; none are held out to validate on.

    Args:
        config: The run's options, whose lists and test subjects do not apply to other data.
        data: Name of the data set; by default that of the run's.
        root: Its folder; data/<name> by default.
        protocol: How its clips are split; its first protocol by default.

    Raises:
        DataError: See `open_data`.
        UnknownNameError: An unknown protocol.
    """
    return open_all_data(
        replace(
            config,
            data=data or config.data,
            root=root,
            protocol=protocol,
            lists=None,
            test_subjects=None,
        )
    )


def _require_one_split(config: ActionConfig) -> None:
    """Refuses a protocol beside lists: it would train on clips that the lists keep for the test."""
    if config.lists is not None and config.protocol not in (None, LISTS):
        raise OptionError(
            f"the lists in {config.lists} say how clips are split, and so does protocol "
            f"{config.protocol}: leave out --protocol, or train without --lists."
        )


def hold_out(
    clips: Sequence[ClipInfo], share: float
) -> tuple[tuple[ClipInfo, ...], tuple[ClipInfo, ...]]:
    """Training clips, and those of whole subjects set apart to validate on.

    The subjects are drawn alike for every run; at least one is set apart, and one stays.

    Raises:
        DataError: When all clips are of one subject.
    """
    subjects = sorted({clip.subject for clip in clips})
    if len(subjects) < 2:
        raise MismatchError(
            f"all training clips are of subject {subjects[0]}, so that none can be set apart to "
            "validate on; name validation clips in lists (--lists), or validate on none "
            "(--valid-share 0)."
        )
    held: set[int] = set()
    for subject in np.random.default_rng(0).permutation(subjects)[:-1]:
        held.add(int(subject))
        if sum(clip.subject in held for clip in clips) >= share * len(clips):
            break
    return (
        tuple(clip for clip in clips if clip.subject not in held),
        tuple(clip for clip in clips if clip.subject in held),
    )


def usable(
    clips: Sequence[ClipInfo], config: ActionConfig, learning: bool = False
) -> tuple[ClipInfo, ...]:
    """The clips that can be read; a few others are left out and named.

    Args:
        clips: The clips.
        config: The run's options.
        learning: Whether the run learns from them, perhaps also from their joints.

    Raises:
        DataError: When there are no clips, more than `max_bad_share` of them are bad, or the run
            sees poses or joints and there are none.
    """
    if not clips:
        raise MissingDataError(
            "there are no such clips: the protocol leaves this split empty; choose another --split."
        )
    require_poses(clips, config, learning)
    joints = learns_joints(config) if learning else sees_joints(config)
    found = with_joints(clips, config) if joints else clips
    # A few hundred are checked sooner than processes start.
    workers = 1 if len(found) < MANY_CLIPS else joblib.cpu_count()
    share, trusted, beside = config.max_bad_share, config.trust_pickles, config.sees_pixels
    return check_clips(found, share, workers, trusted, joints, beside)


def sample_config(config: ActionConfig, fmt: ClipFormat) -> SampleConfig:
    """How clips of a format are sampled; joints alone, as their network was published."""
    backbone, pixels = config.backbone, config.sees_pixels
    return SampleConfig(
        frames=backbone.frames or (fmt.frames if pixels else architecture(config.model).frames),
        stride=backbone.stride or (fmt.stride if pixels else 1),
        size=backbone.image_size,
        flip=config.batch.flip,
        person=config.batch.person,
        inside=config.batch.inside,
        persons=config.batch.persons,
        short=config.batch.short,
        trust_pickles=config.trust_pickles,
    )
