"""The expert solves Lift nine times in ten, and never twice alike."""

import numpy as np
import pytest

from sims.expert import downward, nearest_grasp_angle
from sims.lift_expert import GRASP, HOLD, LIFT, PHASES, REACH, Manner

ATTEMPTS = 10
# A retry goes back from the grasp to the reach.
TRANSITIONS = {(REACH, GRASP), (GRASP, REACH), (GRASP, LIFT), (LIFT, HOLD)}


@pytest.fixture(scope="module")
def attempts(lift):
    """Phases of each attempt, and whether it succeeded."""
    made = []
    for seed in range(100, 100 + ATTEMPTS):
        lift.reset(seed=seed)
        phases = []
        for step in lift.expert(np.random.default_rng(seed)):
            *_, truncated, info = lift.step(step.action)
            phases.append(step.phase)
            if truncated:
                break
        made.append((np.array(phases), info["success"]))
    return made


def test_nine_of_ten_attempts_succeed(attempts):
    assert sum(success for _, success in attempts) >= 0.9 * ATTEMPTS


def test_phases_follow_one_another_or_a_retry(attempts):
    for phases, success in attempts:
        if not success:
            continue
        assert phases[0] == REACH
        assert phases[-1] == HOLD
        assert set(phases.tolist()) == set(range(len(PHASES)))
        changes = phases[1:] != phases[:-1]
        assert set(zip(phases[:-1][changes], phases[1:][changes], strict=True)) <= TRANSITIONS


def test_the_clock_does_not_tell_the_phase(attempts):
    """Lengths differ, and so does the share of an episode at which the cube is grasped."""
    lengths = np.array([len(phases) for phases, _ in attempts])
    assert lengths.max() > 1.4 * lengths.min()
    assert (lengths >= 35).all()
    grasped = np.array([np.argmax(phases == LIFT) / len(phases) for phases, _ in attempts])
    assert np.ptp(grasped) > 0.1
    assert grasped.std() > 0.04


def test_the_same_generator_gives_the_same_actions(lift):
    def actions(seed):
        lift.reset(seed=1)
        made = []
        for step in lift.expert(np.random.default_rng(seed)):
            made.append(step.action)
            lift.step(step.action)
        return np.array(made)

    first, again, other = actions(3), actions(3), actions(4)
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_manners_are_drawn_wide():
    manners = [Manner.draw(np.random.default_rng(seed)) for seed in range(400)]
    for speed in ("reach_speed", "descend_speed", "lift_speed"):
        drawn = [getattr(manner, speed) for manner in manners]
        assert max(drawn) > 2.5 * min(drawn)
    assert 0.08 < np.mean([manner.misses for manner in manners]) < 0.25
    assert {manner.detours for manner in manners} == {0, 1, 2}


def test_a_retry_reopens_the_hand_and_reaches_again(lift):
    """Of the seeds, one whose manner has a missed grasp."""
    seed = next(s for s in range(100) if Manner.draw(np.random.default_rng(s)).misses)
    lift.reset(seed=0)
    phases, gripper = [], []
    for step in lift.expert(np.random.default_rng(seed)):
        lift.step(step.action)
        phases.append(step.phase)
        gripper.append(step.action[-1])
    assert lift.success()
    changes = list(zip(phases, phases[1:], strict=False))
    assert (GRASP, REACH) in changes
    closings = sum(a < 0 < b for a, b in zip(gripper, gripper[1:], strict=False))
    assert closings == 2


@pytest.mark.parametrize("turn", np.radians([-40, -10, 0, 30, 44, 80, 170]))
def test_the_hand_takes_the_side_of_the_cube_that_needs_the_least_turn(turn):
    hand = downward(0.3)
    cube = np.array(
        [
            [np.cos(0.3 + turn), -np.sin(0.3 + turn), 0],
            [np.sin(0.3 + turn), np.cos(0.3 + turn), 0],
            [0, 0, 1],
        ]
    )
    angle = nearest_grasp_angle(hand, cube)
    assert abs(angle - 0.3) <= np.pi / 4 + 1e-9
    along = (angle - (0.3 + turn)) % (np.pi / 2)
    assert min(along, np.pi / 2 - along) < 1e-9


def test_a_downward_hand_is_a_rotation_that_opens_along_its_angle():
    rotation = downward(0.7)
    assert np.allclose(rotation @ rotation.T, np.eye(3))
    assert np.isclose(np.linalg.det(rotation), 1)
    assert np.allclose(rotation[:, 0], [np.cos(0.7), np.sin(0.7), 0])
    assert np.allclose(rotation[:, 2], [0, 0, -1])
