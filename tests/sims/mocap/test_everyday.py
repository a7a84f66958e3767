"""Everyday actions: inverse kinematics, what bodies and held objects do, and data sets of them."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from datasets.clips.mocap import MocapMeta
from datasets.clips.sets import open_clip_set
from datasets.errors import OptionError, UnknownNameError
from datasets.skeletons import NTU25
from sims.bullet.client import BulletClient
from sims.mocap.body import PLACES, SOLES, Person
from sims.mocap.config import MocapConfig
from sims.mocap.everyday.actions import SCORES, perform_everyday
from sims.mocap.everyday.actor import MOUTH, PALM, Actor
from sims.mocap.everyday.build import Build
from sims.mocap.everyday.calm import calm_poses, drift
from sims.mocap.everyday.limbs import bend_limb
from sims.mocap.everyday.paths import through
from sims.mocap.families import FAMILIES, number_of
from sims.mocap.generate import generate_mocap
from sims.mocap.motion import ACTIONS, FPS, MIN_FRAMES, Style
from sims.mocap.subject import Subject
from sims.mocap.take import Stage, Take

EVERYDAY = tuple(SCORES)


def subject_of(seed: int) -> tuple[Subject, Style]:
    rng = np.random.default_rng(seed)
    return Subject.draw(rng), replace(Style.draw(rng), left_handed=False)


@cache
def performed(action: str, seed: int):
    """An actor with the motion of a take, and the take; tests only look at them."""
    subject, style = subject_of(seed)
    take = perform_everyday(action, subject, style, np.random.default_rng(seed))
    return Actor(Build.of(subject), take.motion), take


@pytest.fixture(scope="module")
def client():
    client = BulletClient("tiny")
    yield client
    client.close()


# Inverse kinematics


@pytest.mark.slow
@given(
    st.lists(st.floats(-0.55, 0.55), min_size=3, max_size=3),
    st.sampled_from([(0.3, 0.25), (0.25, 0.3)]),
    st.booleans(),
)
def test_a_limb_ends_at_its_target_or_points_at_it(target, bones, forward):
    start = np.array([[0.1, 0.2, -0.3]])
    goal = start + np.array([target]) + (0.06, 0, 0)
    bend = bend_limb(start, goal, bones, np.array([[0.3, -1.0, 0.2]]), forward)
    joint = start + bend.upper.apply([[0, -bones[0], 0]])
    end = joint + (bend.upper * bend.hinge).apply([[0, -bones[1], 0]])
    far = np.linalg.norm(goal - start)
    reached = np.clip(far, 1.05 * 0.05 + 1e-3, 0.999 * sum(bones))
    np.testing.assert_allclose(end, start + (goal - start) / far * reached, atol=1e-6)
    angle = bend.hinge.as_rotvec()[0]
    assert abs(angle[:2]).max() < 1e-9 and (angle[2] >= 0) == forward


def test_a_path_rests_at_its_points():
    points = [np.zeros(3), np.array([1.0, 2, 3]), np.array([1.0, 0, 0])]
    path = through(np.linspace(0, 1, 101), [0.2, 0.5, 0.9], points)
    for moment, point in zip((0, 20, 50, 90, 100), [points[0], *points, points[2]], strict=True):
        np.testing.assert_allclose(path[moment], point, atol=1e-9)
    assert np.abs(np.diff(path, axis=0)).max() < 0.2


@pytest.mark.slow
def test_joints_computed_here_are_those_of_pybullet(client):
    """Two independent computations of the same body."""
    actor, _ = performed("pick_up", 3)
    client.call("resetSimulation")
    person = Person(client, actor.build.subject)
    motion = actor.motion
    for frame in (0, len(motion) // 2):
        turn = Rotation.from_quat(motion.rotations[frame, 0])
        person.pose(motion.root[frame], turn, motion.rotations[frame])
        expected = person.keypoints(NTU25)
        found = np.stack([actor.point(PLACES[name])[frame] for name in NTU25.keypoints])
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_people_drift_between_poses_of_several_clips_with_hanging_hands():
    assert len(calm_poses()) > 100
    subject, style = subject_of(0)
    motion = drift(np.random.default_rng(0), style, 50)
    raised = Actor(Build.of(subject), replace(motion, root=motion.root + (0, 1.0, 0)))
    shoulders = raised.keypoint("left_shoulder")[:, 1]
    assert (raised.point(PALM["left"])[:, 1] < shoulders - 0.2).all()


# What all actions have in common


@pytest.mark.slow
@pytest.mark.parametrize("action", EVERYDAY)
def test_every_action_stays_on_the_floor_and_moves_smoothly(action):
    for seed in (1, 2):
        actor, take = performed(action, seed)
        assert len(actor) >= MIN_FRAMES
        soles = np.stack([actor.point(place)[:, 1] for place in SOLES])
        assert soles.min() > -0.03, "a foot is below the floor"
        assert (soles.min(axis=0) < 0.05).all(), "both feet are in the air"
        steps = Rotation.from_quat(take.motion.rotations[1:].reshape(-1, 4)).inv()
        steps = steps * Rotation.from_quat(take.motion.rotations[:-1].reshape(-1, 4))
        assert np.degrees(steps.magnitude().max()) < 60
        assert np.linalg.norm(np.ptp(take.motion.root[:, [0, 2]], axis=0)) < 2.0
        for prop in take.props:
            assert prop.positions[:, 1].min() > -1e-9, "something is below the floor"
            assert len(prop.positions) in (1, len(actor))


@pytest.mark.slow
@pytest.mark.parametrize("action", ["walk_about", "sit_down", "stir"])
def test_takes_of_one_person_differ(action):
    first, other = (performed(action, seed)[1].motion for seed in (1, 2))
    again = performed.__wrapped__(action, 1)[1].motion
    assert np.array_equal(first.rotations, again.rotations)
    count = min(len(first), len(other))
    assert not np.allclose(first.rotations[:count], other.rotations[:count], atol=0.02)


def test_a_left_handed_person_performs_the_mirror_image():
    subject, style = subject_of(4)
    pair = [
        perform_everyday(
            "carry_tray", subject, replace(style, left_handed=left), np.random.default_rng(9)
        )
        for left in (False, True)
    ]
    np.testing.assert_allclose(pair[0].motion.root * (1, 1, -1), pair[1].motion.root)
    for mine, mirrored in zip(pair[0].props, pair[1].props, strict=True):
        np.testing.assert_allclose(mine.positions * (1, 1, -1), mirrored.positions)


# What single actions are


def heights(action: str, seed: int) -> np.ndarray:
    actor, _ = performed(action, seed)
    return actor.root[:, 1] / actor.build.leg


@pytest.mark.parametrize("seed", range(3))
def test_who_sits_down_ends_low_and_who_stands_up_ends_high(seed):
    down, up = heights("sit_down", seed), heights("stand_up", seed)
    assert down[0] > 0.95 and down[-1] < 0.75
    assert up[0] < 0.75 and up[-1] > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("vessel", ["cup", "bottle"])
def test_a_hand_that_drinks_comes_to_the_mouth_and_leaves_it(vessel):
    for seed in range(3):
        actor, take = performed(f"drink_from_{vessel}", seed)
        hands = [actor.point(PALM[side]) for side in PALM]
        far = np.min([np.linalg.norm(hand - actor.point(MOUTH), axis=1) for hand in hands], axis=0)
        assert far[len(actor) // 2] < 0.25 < far[0]
        carried = [prop for prop in take.props if prop.moves]
        tilt = Rotation.from_quat(carried[0].turns).apply([0, 1, 0])[:, 1]
        assert tilt[0] > 0.99 and tilt[len(actor) // 2] < 0.85


@pytest.mark.slow
def test_what_is_picked_up_lies_on_the_floor_first():
    for seed in range(3):
        _, take = performed("pick_up", seed)
        [parcel] = [prop for prop in take.props if prop.moves]
        assert parcel.positions[0, 1] < 0.2 and parcel.positions[-1, 1] > 0.5


def test_what_is_reached_for_comes_down_from_a_high_shelf():
    for seed in range(3):
        actor, take = performed("reach_shelf", seed)
        [thing] = [prop for prop in take.props if prop.moves]
        head = actor.keypoint("head")[0, 1]
        assert thing.positions[0, 1] > head - 0.15 and thing.positions[-1, 1] < head


@pytest.mark.slow
def test_a_tray_stays_level_between_both_hands():
    for seed in range(3):
        actor, take = performed("carry_tray", seed)
        [tray] = [prop for prop in take.props if prop.moves]
        up = Rotation.from_quat(tray.turns).apply([0, 1, 0])
        np.testing.assert_allclose(up, np.tile([0, 1, 0], (len(up), 1)), atol=1e-6)
        middle = (actor.point(PALM["left"]) + actor.point(PALM["right"])) / 2
        assert np.linalg.norm(middle - tray.positions, axis=1).max() < 0.12
        assert np.ptp(actor.root[:, 0]) > 0.8  # the person walks


def test_a_wave_goes_to_and_fro_above_the_shoulder():
    for seed in range(3):
        actor, _ = performed("wave", seed)
        hands = {side: actor.point(PALM[side]) for side in PALM}
        side = max(hands, key=lambda name: hands[name][len(actor) // 2, 1])
        middle = slice(len(actor) // 4, 3 * len(actor) // 4)
        assert (hands[side][middle, 1] > actor.keypoint(f"{side}_shoulder")[middle, 1]).all()
        turns = np.diff(np.sign(np.diff(hands[side][middle, 2])))
        assert (turns != 0).sum() >= 2


# Data sets


def test_families_have_no_name_in_common_and_seeds_of_their_own():
    assert not set(FAMILIES["everyday"]) & set(FAMILIES["athletic"])
    assert len(FAMILIES["everyday"]) >= 12
    numbers = [number_of(name) for names in FAMILIES.values() for name in names]
    assert len(set(numbers)) == len(numbers) and numbers[: len(ACTIONS)] == list(range(15))


def test_the_name_of_a_family_stands_for_its_actions():
    assert MocapConfig().motions == ACTIONS
    assert MocapConfig(actions=("everyday",)).motions == EVERYDAY
    assert MocapConfig(layout="nucla", actions=("everyday",)).motions == EVERYDAY[:10]


@pytest.mark.parametrize(
    ("actions", "error", "message"),
    [
        (("walk", "eat"), OptionError, "athletic and everyday"),
        (("everyday", "eat"), OptionError, "give everyday alone"),
        (("eats",), UnknownNameError, "eat"),
    ],
)
def test_mixed_and_unknown_actions_are_named(actions, error, message):
    with pytest.raises(error, match=message):
        MocapConfig(actions=actions).check()


def test_test_subjects_may_have_fewer_takes():
    config = MocapConfig(subjects=4, repetitions=3, test_repetitions=1, actions=("eat", "pour"))
    config.check()
    counts = {subject: 0 for subject in config.plan.subjects[:4]}
    for planned in config.takes:
        counts[planned.take.subject] += 1
    learners = config.plan.learners
    assert counts == {subject: 6 if subject in learners else 2 for subject in counts}
    assert "--test-repetitions 1" in config.command
    with pytest.raises(OptionError, match="--test-repetitions must be from 1 to 3"):
        replace(config, test_repetitions=4).check()


@pytest.mark.slow
def test_a_data_set_of_everyday_actions_is_read_and_the_same_again(tmp_path):
    config = MocapConfig(
        actions=("sit_down", "pour"), subjects=2, views=1, repetitions=1, size=48, workers=1
    )
    root = generate_mocap(replace(config, out=tmp_path / "both"))
    again = generate_mocap(replace(config, subjects=1, out=tmp_path / "one"))
    clips = open_clip_set(root, "ntu")
    assert len(clips.clips) == 4
    for clip in open_clip_set(again, "ntu").clips:
        assert clip.video.read_bytes() == (root / "rgb" / clip.video.name).read_bytes()
    _, motions = MocapMeta.load(root).relabel(clips.split("CS"), clips.classes_of("CS"))
    assert motions == ("sit_down", "pour")


@pytest.mark.slow
def test_a_held_cup_is_drawn_and_moves(client):
    """The carried object covers pixels of its own, at other places over time."""
    stage = Stage(client, Take((3,), "drink_from_cup", 1, 0), [0.0], 0.0, 96)
    masks = []
    for number, [view] in enumerate(stage.play()):
        if number in (0, len(stage.motion) // 2):
            masks.append(view.mask(stage.person.body + 1))
    assert all(mask.any() for mask in masks)
    assert not np.array_equal(*masks)
    assert len(stage.motion) / FPS < 4
