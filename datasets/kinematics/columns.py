"""Joint values from the columns of a recording: which column is which joint, and in which unit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from datasets.bounds import require_distinct, require_finite
from datasets.errors import MismatchError, MissingDataError, OptionError, require_known
from datasets.kinematics.robot import Joint, Robot
from datasets.storage.episode_file import Episode

_COLUMNS = re.compile(r"(?P<name>[^\[\]]+)(\[(?P<index>[^\[\]]*)\])?")
# What LeRobot and HDF5 write before the name of an observation.
_PREFIXES = ("observation.", "obs/")


@dataclass(frozen=True)
class JointOptions:
    """How the columns of a recording become joints.

    Attributes:
        joints: Columns of the joints: an observation or `actions`, with a range or a list in
            brackets, such as observation.state[:7] or joint_pos[0,2,1].
        gripper: Columns of the gripper's joints, or one column that opens all of them together.
        gripper_range: What that one column holds where the fingers' joints are at the end of their
            range nearest to zero, and where they are at the other end.
        joint_names: Joints of the robot in the order of the columns; by default that of its file.
        degrees: The columns of turning joints are in degrees.
        signs: A factor for each joint, such as -1 for one that turns the other way.
        offsets: A number that is added to each joint after its sign, in the unit of the columns.
    """

    joints: str
    gripper: str = ""
    gripper_range: tuple[float, float] = (0.0, 1.0)
    joint_names: tuple[str, ...] = ()
    degrees: bool = False
    signs: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()


def read_columns(episode: Episode, columns: str, name: str) -> Float[np.ndarray, "time columns"]:
    """Some columns of an episode.

    Args:
        episode: The episode.
        columns: Such as `observation.state[:7]`.
        name: The episode, for messages.

    Raises:
        OptionError: When `columns` cannot be read, or names a column that does not exist.
        MissingDataError: When the episode has nothing of that name; lists what it has.
    """
    found = _COLUMNS.fullmatch(columns)
    if found is None:
        raise OptionError(f"{columns!r} must be NAME or NAME[COLUMNS], such as joint_pos[:7].")
    known = _tables(episode)
    key = found["name"]
    for prefix in _PREFIXES:
        key = key.removeprefix(prefix)
    if not known:
        raise MissingDataError(
            f"{name} has no {key!r}, nor any other observations or actions. Choose recordings of "
            "the robot's joints."
        )
    listed = {f"{table} ({values.shape[1]} columns)": table for table, values in known.items()}
    if key not in known:
        raise MissingDataError(f"{name} has no {key!r}; it has {', '.join(listed)}.")
    return known[key][:, _positions(columns, found["index"], known[key].shape[1])]


def choose_joints(
    robot: Robot, options: JointOptions, columns: int, gripper: int
) -> tuple[list[Joint], list[Joint]]:
    """The joints that the columns stand for, and those of the gripper.

    Raises:
        MismatchError: When there are more or fewer columns than joints; names the joints.
        UnknownNameError: When the robot has no joint of a name.
        OptionError: When a joint is named twice.
    """
    if options.joint_names:
        require_distinct("--joint-names", options.joint_names)
        every = {joint.name: joint for joint in robot.every}
        for joint in options.joint_names:
            require_known(f"joint of {robot.name}", joint, every)
        chosen = [every[joint] for joint in options.joint_names]
    else:
        groups = (robot.arm, robot.joints, robot.every)
        chosen = next((group for group in groups if len(group) == columns), robot.arm)
    if len(chosen) != columns:
        raise MismatchError(
            f"--joints {options.joints} has {columns} columns, but {robot.name} has the joints "
            f"{', '.join(joint.name for joint in chosen)} ({len(chosen)}). Choose as many columns, "
            "or the joints that they are: --joint-names."
        )
    fingers = [joint for joint in robot.fingers if joint not in chosen]
    if gripper not in (0, 1, len(fingers)):
        raise MismatchError(
            f"--gripper {options.gripper} has {gripper} columns, but {robot.name} has "
            f"{len(fingers)} joints of a gripper: "
            f"{', '.join(joint.name for joint in fingers) or 'none'}. Choose as many, or one."
        )
    return chosen, fingers if gripper else []


def joint_values(
    values: Float[np.ndarray, "time joints"], joints: Sequence[Joint], options: JointOptions
) -> Float[np.ndarray, "time joints"]:
    """Columns as radians and metres.

    Raises:
        OptionError: When there is not one sign or offset for each joint, or one is no number.
    """
    for option, numbers in (("--signs", options.signs), ("--offsets", options.offsets)):
        require_finite(option, numbers)
        if numbers and len(numbers) != len(joints):
            raise OptionError(
                f"{option} needs one number for each of the {len(joints)} joints, got "
                f"{len(numbers)}."
            )
    if 0 in options.signs:
        raise OptionError("--signs must not be 0, which would hold a joint still: such as 1 or -1.")
    values = values * np.array(options.signs or 1.0) + np.array(options.offsets or 0.0)
    turns = np.array([not joint.slides for joint in joints])
    return np.where(turns & options.degrees, np.radians(values), values)


def finger_values(
    values: Float[np.ndarray, "time columns"], fingers: Sequence[Joint], options: JointOptions
) -> Float[np.ndarray, "time fingers"]:
    """Columns of the gripper as radians and metres: one a joint, or one that opens all joints.

    Raises:
        OptionError: When both ends of --gripper-range are the same, or one is no number.
    """
    if values.shape[1] == len(fingers):
        turns = np.array([not joint.slides for joint in fingers])
        return np.where(turns & options.degrees, np.radians(values), values)
    low, high = options.gripper_range
    require_finite("--gripper-range", options.gripper_range)
    if low == high:
        raise OptionError(f"--gripper-range {low} {high} has two equal ends.")
    share = np.clip((values - low) / (high - low), 0, 1)
    ends = np.array([sorted(joint.range, key=abs) for joint in fingers])
    return ends[:, 0] + share * (ends[:, 1] - ends[:, 0])


def _tables(episode: Episode) -> dict[str, np.ndarray]:
    tables = {name: values for name, values in episode.observations.items() if values.ndim == 2}
    tables |= {n: v[:, None] for n, v in episode.observations.items() if v.ndim == 1}
    for name in ("actions", "states"):
        if (values := getattr(episode, name)) is not None:
            tables[name] = values.reshape(len(episode), -1)
    return tables


def _positions(columns: str, index: str | None, width: int) -> list[int]:
    every = list(range(width))
    if index is None:
        return every
    try:
        if ":" in index:
            ends = [int(part) if part.strip() else None for part in index.split(":")]
            chosen = every[slice(*ends)]
        else:
            chosen = [every[int(part)] for part in index.split(",")]
    except (ValueError, IndexError, TypeError):
        chosen = []
    if not chosen:
        raise OptionError(
            f"{columns!r} names no columns; there are {width}: write such as [:7] or [0,2,1]."
        )
    require_distinct(repr(columns), chosen)
    return chosen
