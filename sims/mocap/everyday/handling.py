"""Actions of the hands, in place: drinking, pouring, waving, reading, working at a table."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from sims.mocap.everyday import props
from sims.mocap.everyday.draft import Draft
from sims.mocap.everyday.paths import Path, swell

# Elbows of raised arms point outward and down. Where a hand passes outward and down itself, they
# point back, since an arm whose hand passes where its elbow points would spin.
BEHIND = np.array([-1.0, -0.4, 0.35])
RAISED = np.array([-0.1, -0.7, 0.9])


def drink_from_cup(draft: Draft) -> None:
    """The person lifts a cup to the mouth, tilts it and lowers it."""
    _drink(draft, "cup", draft.between(35, 60), draft.between(0, 12))


def drink_from_bottle(draft: Draft) -> None:
    """The same with a bottle, which is tilted further, and the head with it."""
    _drink(draft, "bottle", draft.between(85, 115), draft.between(12, 28))


def _drink(draft: Draft, vessel: str, tilt: float, back: float) -> None:
    lift, drinks, ends, low = draft.beats(0.08, 0.3, 0.72, 0.94)
    at_table = draft.chance(0.5)
    if at_table:
        draft.at_table(0.5)
    else:
        draft.anywhere()
    moments = [lift, drinks, ends, low]
    draft.actor.bend("neck", swell(draft.share, moments, [12, -back, -back, 12]))
    spot = draft.spot(draft.between(0.1, 0.2), draft.between(0.08, 0.22)) + (0, 0.07, 0)
    held = draft.near(
        draft.between(0.24, 0.32), draft.between(-0.05, 0.15), draft.between(0.08, 0.2)
    )
    start = spot if at_table else held
    # The far end of a bottle is higher than its mouth.
    long = 0.1 if vessel == "bottle" else 0.05
    angle = np.radians(tilt)
    mouth = draft.mouth(0.03 + long * np.sin(angle), -long * np.cos(angle), 0.02)
    points = [start, mouth, mouth, start]
    path = draft.guide(
        "right", moments, points, RAISED if draft.chance(0.4) else np.array([0.0, -1, 0.4])
    )
    parts = (props.bottle if vessel == "bottle" else props.cup)(draft.rng)
    draft.hold(parts, path + (0.03, 0, 0), swell(draft.share, moments, [0, tilt, tilt, 0]))
    _other_hand(draft)


def _other_hand(draft: Draft) -> None:
    """At a table, the left hand often lies on it."""
    if draft.top and draft.chance(0.6):
        spot = draft.spot(draft.between(0.06, 0.16), -draft.between(0.12, 0.3)) + (0, 0.04, 0)
        draft.guide("left", [0.0, 1.0], [spot, spot])


def pour(draft: Draft) -> None:
    """The person pours from a bottle into a cup on a table or in the other hand."""
    lift, pours, ends, low = draft.beats(0.08, 0.32, 0.74, 0.94)
    draft.at_table(0.3)
    draft.look(24, 0, 8)
    moments = [lift, pours, ends, low]
    in_hand = draft.chance(0.4)
    target = draft.spot(draft.between(0.12, 0.2), draft.between(-0.08, 0.02))
    target = target + (0, (0.18 if in_hand else 0.06), 0)
    tilt = draft.between(80, 115)
    above = target + np.array([0.0, draft.between(0.17, 0.24), 0.15])
    start = draft.spot(draft.between(0.1, 0.18), draft.between(0.2, 0.34)) + (0, 0.1, 0)
    path = draft.guide("right", moments, [start, above, above, start], RAISED)
    # The bottle tips to the left, where the cup is: a turn about the forward axis.
    vectors = np.zeros((len(path), 3))
    vectors[:, 0] = np.radians(swell(draft.share, moments, [0, -tilt, -tilt, 0]))
    draft.hold(props.bottle(draft.rng), path, turns=Rotation.from_rotvec(vectors))
    cup = np.broadcast_to(target, path.shape)
    if in_hand:
        cup = draft.guide("left", [0.0, 1.0], [target, target])
    else:
        _other_hand(draft)
    draft.hold(props.cup(draft.rng), np.array(cup))


def wave(draft: Draft) -> None:
    """The person raises a hand and waves it from side to side."""
    up, down = draft.beats(0.22, 0.78)
    draft.anywhere(0.35)
    rest, size = draft.rest("right"), draft.build.size
    high = draft.near(draft.between(0.08, 0.28), draft.between(0.24, 0.42), 0.3, "right_shoulder")
    pace, wide = draft.between(1.4, 2.4), draft.between(0.1, 0.2) * size
    raised = swell(draft.share, [0.02, up, down, 1.0], [0, 1, 1, 0])
    swing = wide * np.sin(2 * np.pi * pace * draft.seconds)
    sway = np.stack([0 * swing, -np.abs(swing) / 4, swing], axis=1)
    if draft.chance(0.3):
        raised = swell(draft.share, [0.0, 1.0], [1, 1])
    path = rest + raised[:, None] * (high + sway - rest)
    draft.steer("right", path, BEHIND)


def use_phone(draft: Draft) -> None:
    """The person holds a telephone at the ear, and sometimes takes it there first."""
    draft.anywhere()
    draft.actor.bend("neck", draft.between(-4, 12), draft.between(-12, 12))
    ear = draft.actor.keypoint("right_ear") + np.array([0.03, -0.02, 0.06]) * draft.build.size
    held = draft.near(draft.between(0.2, 0.3), draft.between(0.0, 0.2), 0.12)
    late = draft.chance(0.5)
    moments = draft.beats(0.08, 0.35) if late else [0.0, 1.0]
    path = draft.guide("right", moments, [held if late else ear, ear], RAISED)
    # Its flat side lies on the ear, and it points to the mouth.
    turn = Rotation.from_euler("yz", [90, draft.between(-10, 25)], degrees=True)
    draft.hold(props.phone(draft.rng), path, turns=turn)


def read_book(draft: Draft) -> None:
    """The person holds an open book and turns a page."""
    draft.anywhere(0.6)
    draft.look(30, 0, 4)
    x, y = draft.between(0.26, 0.34), draft.between(0.05, 0.22)
    middle = draft.near(x, y, draft.between(-0.04, 0.04))
    tilt = draft.between(25, 60)
    hands = {side: middle + (0, -0.03, sign * 0.17) for side, sign in (("left", -1), ("right", 1))}
    draft.steer("left", hands["left"])
    turn, over, back = draft.beats(0.3, 0.5, 0.7)
    page = middle + (-0.04, 0.08, -0.08)
    points = [hands["right"], page, hands["right"]]
    if draft.chance(0.7):
        draft.guide("right", [turn, over, back], points)
    else:
        draft.steer("right", hands["right"])
    draft.hold(props.book(draft.rng), middle, -tilt)


def use_laptop(draft: Draft) -> None:
    """The person types on a laptop, at a desk or standing at a counter."""
    draft.at_table(0.8)
    draft.look(18, 0, 8)
    z = draft.between(-0.05, 0.05)
    place = draft.spot(0.14, z)
    draft.add(props.standing(props.laptop(draft.rng), tuple(place.tolist())))
    for side, sign in (("left", -1), ("right", 1)):
        pace, phase = draft.between(2.5, 4.5), draft.between(0, 2 * np.pi)
        tap = 0.018 * np.sin(2 * np.pi * pace * draft.seconds + phase)
        shift = 0.04 * np.sin(2 * np.pi * draft.between(0.3, 0.8) * draft.seconds + phase)
        keys = place + np.stack([0 * tap - 0.05, 0.06 + np.abs(tap), sign * 0.09 + shift], axis=1)
        draft.steer(side, keys)


def eat(draft: Draft) -> None:
    """The person eats with a spoon from a plate on a table."""
    draft.at_table(0.85)
    draft.look(14, 0, 10)
    plate = draft.spot(draft.between(0.1, 0.16), draft.between(-0.03, 0.08))
    draft.add(props.standing(props.plate(draft.rng), tuple(plate.tolist())))
    bites = 2 if draft.chance(0.7) else 1
    marks = draft.beats(*np.linspace(0.06, 0.94, 2 * bites + 1))
    low, high = plate + (-0.06, 0.1, 0.06), draft.mouth(0.08, -0.04, 0.05)
    points = [low if i % 2 == 0 else high for i in range(len(marks))]
    path = draft.guide("right", marks, points, np.array([0.0, -1.0, 0.7]))
    tilt = swell(draft.share, marks, [10 if i % 2 == 0 else 80 for i in range(len(marks))])
    draft.hold(props.spoon(draft.rng, 0.2), path, -tilt)
    _other_hand(draft)


def cut_bread(draft: Draft) -> None:
    """The person holds a loaf with one hand and saws it with a knife in the other."""
    draft.at_table(0.15)
    draft.look(26, 0, 12)
    loaf = draft.spot(draft.between(0.13, 0.18), draft.between(-0.04, 0.04))
    draft.add(props.standing(props.bread(draft.rng), tuple(loaf.tolist())))
    pace, reach = draft.between(1.3, 2.4), draft.between(0.05, 0.09)
    phase = 2 * np.pi * pace * draft.seconds + draft.between(0, 6)
    sink = 0.16 - 0.07 * ((draft.share * draft.between(1.2, 2.5)) % 1.0)
    saw = np.stack([reach * np.sin(phase) - 0.1, sink, 0 * phase + 0.07], axis=1)
    path = draft.steer("right", loaf + saw, np.array([-0.5, -0.5, 0.9]))
    draft.hold(props.knife(draft.rng), path)
    grip = loaf + (-0.01, 0.14, -0.09)
    draft.guide("left", [0.0, 1.0], [grip, grip])


def stir(draft: Draft) -> None:
    """The person stirs a pot."""
    draft.at_table(0.0)
    draft.look(24, 0, 8)
    pot = draft.spot(draft.between(0.16, 0.22), draft.between(0.02, 0.14))
    draft.add(props.standing(props.pot(draft.rng), tuple(pot.tolist())))
    pace, radius = draft.between(0.8, 1.6), draft.between(0.05, 0.08)
    phase = 2 * np.pi * pace * draft.seconds * (1 if draft.chance(0.5) else -1)
    height = draft.between(0.26, 0.32)
    circle = np.stack([radius * np.cos(phase), 0 * phase + height, radius * np.sin(phase)], axis=1)
    path = draft.steer("right", pot + circle, RAISED)
    draft.hold(props.spoon(draft.rng, 0.28), path)
    if draft.chance(0.5):
        grip = pot + (-0.02, 0.12, -0.17)
        draft.guide("left", [0.0, 1.0], [grip, grip])
    else:
        _other_hand(draft)


def wipe_table(draft: Draft) -> None:
    """The person wipes a table with a cloth in wide sweeps."""
    draft.at_table(0.1)
    draft.look(26, 0, 18)
    path = draft.steer("right", _sweep(draft), np.array([-0.3, -0.6, 1.0]))
    draft.hold(props.cloth(draft.rng), path - (0, 0.03, 0))
    _other_hand(draft)


def _sweep(draft: Draft) -> Path:
    pace, wide = draft.between(0.7, 1.3), draft.between(0.2, 0.32)
    phase = 2 * np.pi * pace * draft.seconds + draft.between(0, 6)
    middle = draft.spot(draft.between(0.16, 0.24), draft.between(0.0, 0.12))
    deep = draft.between(0.03, 0.12)
    across = np.stack([deep * np.cos(phase), 0 * phase + 0.05, wide * np.sin(phase)], axis=1)
    return middle + across
