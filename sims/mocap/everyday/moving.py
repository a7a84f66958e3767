"""Actions of the whole body: sitting down, standing up, walking, picking up, reaching."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from sims.mocap.everyday import props
from sims.mocap.everyday.draft import ABOVE_SEAT, Draft
from sims.mocap.everyday.paths import Waypoint, swell, through
from sims.mocap.motion import FPS, MIN_FRAMES, Motion, load_motion, repeated, resampled, styled

# Share of the thigh by which a person who sits down moves backward.
BACK = 0.95
# Elbows of arms that carry something in front of the trunk.
CARRYING = np.array([-0.6, -1.0, 0.35])
# Length of a walk in metres, so that every camera sees all of it.
WALK = (1.2, 1.7)
# Running at this speed and with this share of its swing looks like walking briskly.
BRISK_SPEED, BRISK_SWING = 0.55, 0.55
# A runner's trunk leans forward by more than a walker's, in degrees.
BRISK_LEAN = 14.0


def sit_down(draft: Draft) -> None:
    """The person stands before a chair, bends forward and sits down on it."""
    _change_seat(draft, draft.beats(0.2, 0.75), up=False)


def stand_up(draft: Draft) -> None:
    """The person bends forward on a chair and rises from it."""
    _change_seat(draft, draft.beats(0.2, 0.75), up=True)


def _change_seat(draft: Draft, ends: list[float], up: bool) -> None:
    first, last = ends
    seat, high = draft.seat(), draft.standing_height
    half = BACK / 2 * draft.build.bone("right_knee")
    low = seat + ABOVE_SEAT
    # Hips go back before they go down, and forward before they go up.
    places = _points((half, high), (-half / 2, 0.55 * low + 0.45 * high), (-half, low))
    moments = [first, (first + last) / 2, last]
    lean = draft.between(28, 45)
    draft.actor.bend("root", swell(draft.share, moments, [0, lean, 0]))
    draft.actor.bend("neck", swell(draft.share, moments, [0, -lean / 2, 0]))
    draft.chair(seat, -half - 0.02)
    draft.stand(through(draft.share, moments, places[::-1] if up else places), half)
    _rest_on_thighs(draft, moments, up)


def _rest_on_thighs(draft: Draft, moments: list[float], up: bool) -> None:
    """Hands go to the thighs, or push from them until halfway."""
    for side, sign in (("left", -1), ("right", 1)):
        knee, hip = draft.actor.keypoint(f"{side}_knee"), draft.actor.keypoint(f"{side}_hip")
        share = draft.between(0.35, 0.75)
        thigh = hip + share * (knee - hip) + (0, 0.09, 0.02 * sign)
        if up:
            draft.guide(side, moments[1:], [thigh, draft.rest(side)])
        else:
            draft.guide(side, moments[::2], [draft.rest(side), thigh])


def walk(draft: Draft) -> None:
    """The person walks across the middle of the room."""
    _stride(draft)


def carry_tray(draft: Draft) -> None:
    """The person walks with a tray in both hands."""
    _stride(draft)
    _carry(draft)


def _carry(draft: Draft) -> None:
    width = draft.between(0.36, 0.48)
    x, y = draft.between(0.3, 0.38), draft.between(-0.08, 0.08)
    root = draft.actor.root
    level = np.full(len(root), draft.between(0.97, 1.0) * root[:, 1].mean())
    trunk = np.stack([root[:, 0], level, root[:, 2]], axis=1)
    heading = draft.actor.rotations["root"]
    forward = heading.apply([1, 0, 0]) * (1, 0, 1)
    forward /= np.linalg.norm(forward, axis=1, keepdims=True)
    right = np.stack([-forward[:, 2], np.zeros(len(root)), forward[:, 0]], axis=1)
    middle = trunk + draft.build.size * (x * forward + (0, 0.236 + y, 0))
    for side, sign in (("left", -1), ("right", 1)):
        draft.steer(side, middle + sign * width / 2 * right - (0, 0.02, 0), CARRYING)
    level_turn = np.stack([forward, np.broadcast_to([0.0, 1, 0], forward.shape), right], axis=-1)
    draft.hold(props.tray(draft.rng, width), middle, turns=Rotation.from_matrix(level_turn))


def _stride(draft: Draft) -> None:
    """Replaces the body's motion by a walk, which begins at a random moment of its cycle."""
    brisk = draft.chance(0.35)
    cycle = repeated(load_motion("run" if brisk else "walk"), 5)
    take = resampled(cycle, draft.style.speed * (BRISK_SPEED if brisk else 1.0), draft.rng)
    swing = BRISK_SWING if brisk else 1.0
    take = _softened(take, swing) if brisk else take
    scale = draft.build.size * np.array([1.0, draft.build.subject.leg, 1.0])
    root = take.root * scale * (swing, 1, swing)
    step = np.linalg.norm(np.diff(root[:, [0, 2]], axis=0), axis=1).mean()
    count = int(np.clip(draft.between(*WALK) / step, MIN_FRAMES, 75))
    start = int(draft.rng.integers(0, min(30, len(take) - count)))
    part = slice(start, start + count)
    times = np.arange(count) / FPS
    motion = Motion(times, root[part], take.rotations[part], loops=False)
    draft.walk(replace(motion, rotations=styled(motion, draft.style, draft.rng)))
    draft.actor.bend("chest", -BRISK_LEAN if brisk else 0.0)


def _softened(motion: Motion, swing: float) -> Motion:
    """The same motion with a share of the deviation of its joints from their mean."""
    rotations = motion.rotations.copy()
    for i in range(1, rotations.shape[1]):
        turns = Rotation.from_quat(rotations[:, i])
        mean = turns.mean()
        rotations[:, i] = (mean * (mean.inv() * turns) ** swing).as_quat()
    return Motion(motion.times, motion.root, rotations, motion.loops)


def pick_up(draft: Draft) -> None:
    """The person bends or squats, takes something from the floor and lifts it."""
    down, taken, up = draft.beats(0.1, 0.48, 0.9)
    size, high = draft.build.size, draft.standing_height
    squat = draft.between(0.0, 1.0)
    low = high - (0.12 + 0.26 * squat) * size
    lean = 92 - 38 * squat + draft.between(-6, 6)
    side_z = draft.between(0.0, 0.28)
    moments = [down, taken, up]
    back = -(0.2 - 0.02 * squat) * size
    bent = swell(draft.share, moments, [0, lean, 0])
    draft.actor.bend("root", 0.6 * bent)
    draft.actor.bend("chest", 0.4 * bent)
    draft.actor.bend("neck", -0.15 * bent)
    draft.stand(through(draft.share, moments, _points((0, high), (back, low), (0, high))))
    object_at = np.array([draft.between(0.26, 0.36) * size, 0.1, side_z])
    parts = props.parcel(draft.rng)
    lifted = draft.near(draft.between(0.22, 0.34), draft.between(-0.1, 0.25), 0.12)
    end = lifted if draft.chance(0.6) else draft.rest("right") + (0.06, 0.03, 0.05)
    path = draft.guide("right", moments, [draft.rest("right"), object_at, end])
    # The object lies where the hand really gets, since short arms end above it.
    grip = path[np.searchsorted(draft.share, taken)]
    rest = np.array([grip[0], min(grip[1], 0.12), grip[2]])
    draft.hold(parts, draft.lifted(path, taken, rest))
    if draft.chance(0.3):
        draft.guide("left", moments, [draft.rest("left"), object_at - (0, 0, 0.16), lifted])


def reach_shelf(draft: Draft) -> None:
    """The person stretches an arm up to a high shelf and takes something down."""
    draft.stand()
    lift, taken, back = draft.beats(0.12, 0.48, 0.9)
    size = draft.build.size
    height = draft.between(1.58, 1.78) * size
    x, z = draft.between(0.3, 0.42) * size, draft.between(0.22, 0.4) * size
    half = (0.14, draft.between(0.25, 0.45))
    board = props.shelf(draft.rng, half, height)
    draft.add(props.standing(board, (x + half[0] - 0.03, 0.0, z + half[1] - 0.15)))
    draft.look(-22, -18)
    object_at = np.array([x, height + 0.08, z])
    end = draft.near(draft.between(0.25, 0.35), draft.between(0.0, 0.25), 0.1)
    path = draft.guide("right", [lift, taken, back], [draft.rest("right"), object_at, end])
    draft.hold(props.parcel(draft.rng), draft.lifted(path, taken, object_at))


def _points(*places: tuple[float, float]) -> list[Waypoint]:
    """Points in the middle, from their distance to the front and their height."""
    return [np.array([x, y, 0.0]) for x, y in places]
