"""How late a camera's pictures are, from the motion in them and the speed of the robot.

Pictures that are d frames late show at time step t the robot as its joints were at t - d. Where the
robot moves fast, successive pictures differ more. So the change of the pictures, shifted by d,
follows the speed of the robot's keypoints: d is where the two correlate most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from datasets.errors import counted
from datasets.frames import Frames
from datasets.kinematics.points import Attachment
from datasets.kinematics.track import Motion

# The longest side of the pictures that are compared; noise of single pixels is averaged out.
_SIDE = 48
# Both signals are compared by their logarithm, in which slow motions count as much as fast ones:
# on 8 episodes of Lift, the median error of one episode and the moving camera was 0.3 frames with
# it, 0.9 without. This share of the mean is added, so that rest has a logarithm.
_REST = 0.05
# Offsets that are tried, in frames, and at most as a share of a recording.
_REACH, _REACH_SHARE = 30, 1 / 3
# Below, a correlation has no peak that could be trusted.
LEAST_FRAMES = 30
# Unrelated signals of this length reach about 0.3 at their best offset.
_LEAST_CORRELATION = 0.4
# An interval wider than this tells nothing of use, in frames.
_WIDEST = 6.0
# Windows that are drawn again, in frames: longer than a motion's beginning or end.
_WINDOW = 10
_RESAMPLES = 400
# Near parts of the robot change more of a picture than far ones, which the bootstrap cannot know:
# it shifted the mean over 12 episodes of a standing camera of Lift or Pick by up to 0.1 frames.
_UNKNOWN = 0.15


@dataclass(frozen=True)
class ClockOffset:
    """How late the pictures of a view are.

    Attributes:
        frames: Frames by which they are later than the joints; negative where they are earlier.
        low: Lower end of the 95 % interval of `frames`.
        high: Its upper end.
        problem: Why it cannot be measured; empty where it can.
    """

    frames: float = 0.0
    low: float = 0.0
    high: float = 0.0
    problem: str = ""

    def sentence(self, view: str, hz: float) -> str:
        """The offset as a sentence."""
        if self.problem:
            return f"{view}: whether its pictures are late cannot be measured: {self.problem}"
        return (
            f"{view}: its pictures are {self.frames:+.2f} frames ({self.frames / hz:+.3f} s) late "
            f"against the joints, {self.low:+.2f} to {self.high:+.2f} with 95 %"
        )


def motion_energy(frames: Frames) -> Float[np.ndarray, " steps"]:
    """The mean change of brightness from each frame to the next."""
    before, energy = None, []
    for frame in frames:
        now = _small(frame)
        if before is not None:
            energy.append(np.abs(now - before).mean())
        before = now
    return np.array(energy)


def robot_speed(motion: Motion, points: Sequence[Attachment]) -> Float[np.ndarray, " steps"]:
    """The mean distance that points of a robot move from each time step to the next, in metres."""
    places = []
    for time in range(len(motion.values)):
        motion.place(time)
        places.append(motion.robot.positions(points))
    return np.linalg.norm(np.diff(np.array(places), axis=0), axis=-1).mean(axis=1)


def estimate_offset(
    pairs: Sequence[tuple[Float[np.ndarray, " steps"], Float[np.ndarray, " steps"]]], seed: int = 0
) -> ClockOffset:
    """The offset at which the speed and the motion energy of recordings correlate most.

    The peak is that of the parabola through the best offset and its neighbours. The interval is a
    bootstrap over windows of the recordings, widened by what it cannot know.

    Args:
        pairs: Speed of the robot and motion energy of the pictures, for each recording.
        seed: Seed of the bootstrap.
    """
    frames = sum(len(speed) for speed, _ in pairs)
    if frames < LEAST_FRAMES:
        found = counted(frames, "frame")
        return ClockOffset(problem=f"{found} are too few, {LEAST_FRAMES} are needed")
    if not any(np.ptp(speed) > 0 and np.ptp(energy) > 0 for speed, energy in pairs):
        return ClockOffset(problem="the robot or the pictures do not change")
    reach = min(_REACH, int(min(len(speed) for speed, _ in pairs) * _REACH_SHARE))
    sums = np.concatenate([_window_sums(_log(s), _log(e), reach) for s, e in pairs])
    curve = _correlation(sums.sum(axis=0))
    if curve.max() < _LEAST_CORRELATION:
        return ClockOffset(problem="the motion in the pictures does not follow the joints")
    if curve.argmax() in (0, len(curve) - 1):
        return ClockOffset(problem=f"it may be more than {counted(reach, 'frame')}")
    chosen = np.random.default_rng(seed).multinomial(
        len(sums), np.full(len(sums), 1 / len(sums)), _RESAMPLES
    )
    drawn = _peaks(_correlation(np.einsum("rw,wkl->rkl", chosen, sums))) - reach
    low, high = np.quantile(drawn, [0.025, 0.975]) + [-_UNKNOWN, _UNKNOWN]
    if high - low > _WIDEST:
        return ClockOffset(problem=f"it may be from {low:+.0f} to {high:+.0f} frames")
    return ClockOffset(float(_peaks(curve[None])[0] - reach), float(low), float(high))


def _small(frame: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "rows columns"]:
    image = Image.fromarray(frame).convert("L")
    scale = min(1.0, _SIDE / max(image.size))
    width, height = (max(1, round(side * scale)) for side in image.size)
    return np.asarray(image.resize((width, height), Image.Resampling.BOX), np.float64)


def _log(signal: Float[np.ndarray, " steps"]) -> Float[np.ndarray, " steps"]:
    return np.log(signal + max(_REST * signal.mean(), 1e-12))


def _window_sums(
    speed: Float[np.ndarray, " steps"], energy: Float[np.ndarray, " steps"], reach: int
) -> Float[np.ndarray, "windows 3 offsets"]:
    """Sums of products of both signals at each offset, window by window of the speed."""
    steps = len(speed)
    sums = np.zeros((-(-steps // _WINDOW), 3, 2 * reach + 1))
    for k, offset in enumerate(range(-reach, reach + 1)):
        times = np.arange(max(0, -offset), min(steps, len(energy) - offset))
        a, b = speed[times], energy[times + offset]
        a, b = a - a.mean(), b - b.mean()
        for row, product in enumerate((a * b, a * a, b * b)):
            sums[:, row, k] = np.bincount(times // _WINDOW, product, len(sums))
    return sums


def _correlation(
    sums: Float[np.ndarray, "*resamples 3 offsets"],
) -> Float[np.ndarray, "*resamples offsets"]:
    together, first, second = np.moveaxis(sums, -2, 0)
    return together / np.sqrt(np.maximum(first * second, 1e-24))


def _peaks(curves: Float[np.ndarray, "curves offsets"]) -> Float[np.ndarray, " curves"]:
    """Where each curve is highest, between its points by a parabola."""
    rows, best = np.arange(len(curves)), curves.argmax(axis=1)
    inner = np.clip(best, 1, curves.shape[1] - 2)
    left, middle, right = (curves[rows, inner + step] for step in (-1, 0, 1))
    bend = np.minimum(left - 2 * middle + right, -1e-12)
    beside = np.clip((left - right) / bend / 2, -0.5, 0.5)
    return np.where(best == inner, inner + beside, best)
