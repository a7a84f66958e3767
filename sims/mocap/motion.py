"""Motion-capture clips of pybullet_data, and takes of them that differ between subjects."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation, Slerp

from datasets.errors import FormatError, require_known
from sims.bullet.client import data_folder

# Names of the clips in pybullet_data.
ACTIONS = (
    *("backflip", "cartwheel", "crawl", "dance_a", "dance_b", "getup_facedown", "getup_faceup"),
    *("jump", "kick", "punch", "roll", "run", "spin", "spinkick", "walk"),
)
# Columns of a frame for each joint of the humanoid: four for a quaternion w, x, y, z, one for the
# angle of a hinge about z. The first joint is the pelvis, which moves freely.
_COLUMNS = {
    **{"root": (4, 8), "chest": (8, 12), "neck": (12, 16)},
    **{"right_hip": (16, 20), "right_knee": (20, 21), "right_ankle": (21, 25)},
    **{"right_shoulder": (25, 29), "right_elbow": (29, 30)},
    **{"left_hip": (30, 34), "left_knee": (34, 35), "left_ankle": (35, 39)},
    **{"left_shoulder": (39, 43), "left_elbow": (43, 44)},
}
_FIELDS = 44
JOINTS = tuple(_COLUMNS)
_IS_HINGE = np.array([last - first == 1 for first, last in _COLUMNS.values()])

FPS = 30
# More than the 32 frames below which NTU's cross-view-subject protocols leave out clips.
MIN_FRAMES = 40
# Largest extent of a performance on the floor in metres, so that every camera sees all of it.
MAX_TRAVEL = 1.5
# Standard deviations of the noise on joint angles that differs between subjects (posture) and
# between takes (wobble).
POSTURE_DEGREES, WOBBLE_DEGREES = 4.0, 3.0
WOBBLE_HZ = (0.2, 1.0)
# Largest relative change of a take's speed over time.
WARP = 0.2


@dataclass(frozen=True, eq=False)
class Motion:
    """A motion of the humanoid, which faces +x with y up and its right side at +z.

    Attributes:
        times: Time of each frame in seconds from the start.
        root: Position of the pelvis in metres.
        rotations: Quaternions x, y, z, w of `JOINTS`: of the pelvis in the world, of the others
            in the frame of their parent joint.
        loops: Whether the last frame continues with the first.
    """

    times: Float[np.ndarray, " time"]
    root: Float[np.ndarray, "time 3"]
    rotations: Float[np.ndarray, "time joints 4"]
    loops: bool

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.times)


@dataclass(frozen=True, eq=False)
class Style:
    """A subject's way of moving.

    Attributes:
        speed: Speed relative to the clip.
        vigour: Deviation of joints from their mean over the motion, relative to the clip.
        posture: Constant offsets of joints, as rotation vectors in radians.
        left_handed: Whether left and right are swapped.
    """

    speed: float
    vigour: float
    posture: Float[np.ndarray, "joints 3"]
    left_handed: bool

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Style:
        """Draws a subject's way of moving."""
        return cls(
            speed=float(rng.uniform(0.8, 1.25)),
            vigour=float(rng.uniform(0.85, 1.15)),
            posture=_off(rng.normal(0, np.radians(POSTURE_DEGREES), (len(JOINTS), 3))),
            left_handed=bool(rng.random() < 0.3),
        )


def load_motion(action: str) -> Motion:
    """Reads one of the clips of `ACTIONS`.

    Raises:
        UnknownNameError: When the name is another one.
        SimulatorError: When PyBullet is not installed.
    """
    require_known("action", action, ACTIONS)
    path = data_folder() / "data" / "motions" / f"humanoid3d_{action}.txt"
    content = json.loads(path.read_text())
    frames = np.array(content["Frames"])
    if frames.shape[1] != _FIELDS:
        raise FormatError(f"{path} has frames of {frames.shape[1]} numbers, not {_FIELDS}.")
    rotations = np.empty((len(frames), len(JOINTS), 4))
    for i, (first, last) in enumerate(_COLUMNS.values()):
        values = frames[:, first:last]
        turn = (
            Rotation.from_euler("z", values)
            if _IS_HINGE[i]
            else Rotation.from_quat(np.roll(values, -1, axis=1))
        )
        rotations[:, i] = turn.as_quat()
    # A frame begins when the durations of all frames before it have passed.
    times = np.concatenate([[0.0], np.cumsum(frames[:-1, 0])])
    return Motion(times, frames[:, 1:4], rotations, content["Loop"] == "wrap")


def perform(motion: Motion, style: Style, rng: np.random.Generator) -> Motion:
    """A take at `FPS` with at least `MIN_FRAMES`: a short motion repeats or holds its end.

    The path on the floor is centred on the origin and shortened to `MAX_TRAVEL`.
    """
    seconds = motion.times[-1] / style.speed
    least = (MIN_FRAMES - 1) / FPS
    if motion.loops and seconds < least:
        motion = repeated(motion, int(np.ceil(least / seconds)))
    take = resampled(motion, style.speed, rng)
    take = replace(take, rotations=styled(take, style, rng), root=_shortened(take.root))
    return mirrored(take) if style.left_handed else take


def repeated(motion: Motion, times: int) -> Motion:
    """Repeats a motion; each pass begins at the place and heading where the last one ended."""
    first, last = (Rotation.from_quat(motion.rotations[i, 0]) for i in (0, -1))
    turn = _heading(last * first.inv())
    onward = motion.root[-1] - motion.root[0]
    heading, place = Rotation.identity(), motion.root[0]
    roots, rotations, stamps = [motion.root[:1]], [motion.rotations[:1]], [motion.times[:1]]
    for repeat in range(times):
        roots.append((place + heading.apply(motion.root - motion.root[0]))[1:])
        turned = motion.rotations.copy()
        turned[:, 0] = (heading * Rotation.from_quat(turned[:, 0])).as_quat()
        rotations.append(turned[1:])
        stamps.append(motion.times[1:] + repeat * motion.times[-1])
        # Only x and z accumulate: a small change of height in each pass would add up.
        place = place + heading.apply(onward) * (1, 0, 1)
        heading = turn * heading
    return Motion(np.concatenate(stamps), np.concatenate(roots), np.concatenate(rotations), True)


def _heading(rotation: Rotation) -> Rotation:
    """The part of a rotation about the vertical."""
    _, y, _, w = rotation.as_quat()
    return Rotation.from_quat([0.0, y, 0.0, w]) if abs(y) + abs(w) > 1e-6 else Rotation.identity()


def resampled(motion: Motion, speed: float, rng: np.random.Generator) -> Motion:
    """The motion at `FPS`, at a speed that varies slightly over time."""
    count = max(MIN_FRAMES, int(motion.times[-1] / speed * FPS) + 1)
    share = np.minimum(np.arange(count) / FPS * speed / motion.times[-1], 1.0)
    cycles = rng.integers(1, 3)
    swing = rng.uniform(0, WARP) * np.sin(2 * np.pi * cycles * share) / (2 * np.pi * cycles)
    at = (share + swing) * motion.times[-1]
    root = np.stack([np.interp(at, motion.times, axis) for axis in motion.root.T], axis=1)
    rotations = np.stack(
        [
            Slerp(motion.times, Rotation.from_quat(joint))(at).as_quat()
            for joint in motion.rotations.transpose(1, 0, 2)
        ],
        axis=1,
    )
    return Motion(np.arange(count) / FPS, root, rotations, motion.loops)


def styled(
    take: Motion, style: Style, rng: np.random.Generator
) -> Float[np.ndarray, "time joints 4"]:
    """The rotations of a take in a subject's way of moving, with slow swings added."""
    turned = np.empty_like(take.rotations)
    wobble = _wobble(take.times, rng)
    for i in range(len(JOINTS)):
        turns = Rotation.from_quat(take.rotations[:, i])
        if i > 0:  # the pelvis keeps its motion
            mean = turns.mean()
            turns = mean * (mean.inv() * turns) ** style.vigour
        noise = Rotation.from_rotvec(style.posture[i] + wobble[:, i])
        turned[:, i] = (turns * noise).as_quat()
    return turned


def _wobble(
    times: Float[np.ndarray, " time"], rng: np.random.Generator
) -> Float[np.ndarray, "time joints 3"]:
    """Slow swings of every joint, as rotation vectors in radians."""
    shape = (len(JOINTS), 3)
    pace, phase = rng.uniform(*WOBBLE_HZ, shape), rng.uniform(0, 2 * np.pi, shape)
    reach = _off(rng.normal(0, np.radians(WOBBLE_DEGREES) * np.sqrt(2), shape))
    return reach * np.sin(2 * np.pi * pace * times[:, None, None] + phase)


def _off(vectors: Float[np.ndarray, "joints 3"]) -> Float[np.ndarray, "joints 3"]:
    """Removes the components of rotation vectors that would bend a hinge sideways."""
    return np.where(_IS_HINGE[:, None], vectors * (0, 0, 1), vectors)


def _shortened(root: Float[np.ndarray, "time 3"]) -> Float[np.ndarray, "time 3"]:
    """Centres a path on the floor on the origin, and shortens it to `MAX_TRAVEL`."""
    floor = root[:, [0, 2]]
    low, high = floor.min(0), floor.max(0)
    scale = min(1.0, MAX_TRAVEL / max(float(np.linalg.norm(high - low)), 1e-6))
    placed = root.copy()
    placed[:, [0, 2]] = (floor - (low + high) / 2) * scale
    return placed


def mirrored(motion: Motion) -> Motion:
    """The mirror image of a motion, with left and right swapped."""
    other = {"left": "right", "right": "left"}
    sources = []
    for joint in JOINTS:
        side, _, part = joint.partition("_")
        sources.append(JOINTS.index(f"{other[side]}_{part}" if side in other else joint))
    # A mirror across z = 0 reverses rotations about x and y and keeps those about z.
    rotations = motion.rotations[:, sources] * (-1, -1, 1, 1)
    return replace(motion, root=motion.root * (1, 1, -1), rotations=rotations)
