"""Checks of joint values: units, ranges, signs, order, and columns that never change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from datasets.errors import MismatchError
from datasets.kinematics.columns import JointOptions
from datasets.kinematics.robot import Joint

# Encoders and soft limits let a joint stand a little outside of its range, in radians or metres.
TOLERANCE = 0.1
# A joint in radians stays within a turn; in degrees, an arm that moves leaves it soon.
_ONE_TURN = 2 * np.pi
# Beyond its range by this much, no joint can be wound or mounted otherwise: two turns, or metres.
_FAR = 4 * np.pi


def check_joints(
    values: Float[np.ndarray, "time joints"],
    given: Float[np.ndarray, "time joints"],
    joints: Sequence[Joint],
    options: JointOptions,
) -> list[str]:
    """Judges the joints of a recording.

    Args:
        values: In radians and metres, as they are used.
        given: As they were recorded.
        joints: The joint of each column.
        options: How `values` came from `given`.

    Returns:
        Sentences on what looks wrong, for the user to judge.

    Raises:
        MismatchError: When values are not finite, or are degrees taken for radians, or the reverse,
            or no joint can reach them.
    """
    if not np.isfinite(values).all():
        raise MismatchError(f"--joints {options.joints} has values that are not finite numbers.")
    turns = np.array([not joint.slides for joint in joints])
    limited = np.array([joint.limited for joint in joints])
    most = np.abs(given[:, turns]).max(initial=0)
    beyond = _outside(values, joints)
    outside = beyond & limited
    if not options.degrees and outside[turns].any() and most > _ONE_TURN:
        as_degrees = np.where(turns, np.radians(values), values)
        if not (_outside(as_degrees, joints) & limited).any():
            raise MismatchError(
                f"--joints {options.joints} reaches {most:.1f}, beyond the range of its joints in "
                "radians and within it in degrees: add --degrees."
            )
    if options.degrees and 0 < most <= _ONE_TURN:
        raise MismatchError(
            f"--joints {options.joints} reaches only {most:.2f}: that is {most:.2f} degrees, or a "
            "usual motion in radians. Leave out --degrees."
        )
    for i in np.flatnonzero(outside):
        _require_reachable(values[:, i], joints[i], options)
    wound = beyond & turns & ~limited & (not options.degrees)
    return [
        *(_beyond(values[:, i], joints[i]) for i in np.flatnonzero(outside)),
        *(_wound(values[:, i], joints[i]) for i in np.flatnonzero(wound)),
        *_order(values, joints, outside),
        *_constant(values, joints),
    ]


def _outside(
    values: Float[np.ndarray, "time joints"], joints: Sequence[Joint]
) -> Bool[np.ndarray, " joints"]:
    low, high = np.array([joint.range for joint in joints]).T
    return ((values < low - TOLERANCE) | (values > high + TOLERANCE)).any(axis=0)


def _require_reachable(
    values: Float[np.ndarray, " time"], joint: Joint, options: JointOptions
) -> None:
    """Refuses values so far beyond a joint's range that they must be of another unit or thing."""
    (low, high), farthest = joint.range, float(values[np.abs(values).argmax()])
    if low - _FAR < farthest < high + _FAR:
        return
    unit = "m" if joint.slides else "rad"
    raise MismatchError(
        f"--joints {options.joints} has {joint.name} at {farthest:.4g} {unit}, which ranges from "
        f"{low:.2f} to {high:.2f} {unit}. Choose the columns of the joints, and convert encoder "
        "steps and millimetres to radians and metres; a gripper's column is named by --gripper."
    )


def _beyond(values: Float[np.ndarray, " time"], joint: Joint) -> str:
    unit = "m" if joint.slides else "rad"
    sentence = (
        f"{joint.name} goes from {values.min():.2f} to {values.max():.2f} {unit}, beyond its range "
        f"from {joint.range[0]:.2f} to {joint.range[1]:.2f} {unit}"
    )
    if not _outside(-values[:, None], [joint]).any():
        return f"{sentence}; with the other sign it is within (--signs)"
    return f"{sentence}; check the order of the columns, signs and offsets"


def _wound(values: Float[np.ndarray, " time"], joint: Joint) -> str:
    return (
        f"{joint.name}, which has no limits, goes from {values.min():.2f} to {values.max():.2f} "
        f"rad, {np.ptp(values) / _ONE_TURN:.1f} turns; if these are degrees, add --degrees"
    )


def _order(
    values: Float[np.ndarray, "time joints"],
    joints: Sequence[Joint],
    outside: Bool[np.ndarray, " joints"],
) -> list[str]:
    if outside.any() and not _outside(values[:, ::-1], joints).any():
        return ["in the reverse order, all columns are within the ranges of their joints"]
    return []


def _constant(values: Float[np.ndarray, "time joints"], joints: Sequence[Joint]) -> list[str]:
    still = np.ptp(values, axis=0) == 0
    if not still.any() or len(values) < 2:
        return []
    names = ", ".join(joint.name for joint, is_still in zip(joints, still, strict=True) if is_still)
    return [f"{names} never moves: check that its column is the right one"]
