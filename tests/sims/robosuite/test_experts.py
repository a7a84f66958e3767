"""The experts solve robosuite's tasks at least as often as promised, and never twice alike."""

from typing import NamedTuple

import numpy as np
import pytest

import sims
from sims.arm.approach import GRASP, REACH, Manner
from sims.arm.expert import downward, nearest_grasp_angle
from sims.robosuite import can as can_expert
from sims.robosuite import lift as lift_expert
from sims.robosuite.can import Delivery

ATTEMPTS = 10


class Promise(NamedTuple):
    """The requirements on an expert.

    Attributes:
        successes: Fewest successes of ten attempts.
        begins: The phase whose begin must fall on different shares of an episode.
        spread: Standard deviation of those shares.
    """

    successes: int
    begins: int
    spread: float


PROMISES = {
    "lift": Promise(9, lift_expert.LIFT, 0.04),
    "can": Promise(8, can_expert.CARRY, 0.03),
}


@pytest.fixture(scope="module", params=PROMISES)
def attempted(request):
    """A world's name and phases, and for each attempt its phases and whether it succeeded."""
    # One small view: each step draws all of them, and here nobody looks.
    env = sims.make(request.param, views=1, size=32)
    made = []
    for seed in range(100, 100 + ATTEMPTS):
        env.reset(seed=seed)
        phases = []
        for step in env.expert(np.random.default_rng(seed)):
            *_, truncated, info = env.step(step.action)
            phases.append(step.phase)
            if truncated:
                break
        made.append((np.array(phases), info["success"]))
    env.close()
    return request.param, env.phases, made


@pytest.mark.slow
def test_as_many_attempts_succeed_as_promised(attempted):
    name, _, attempts = attempted
    assert sum(success for _, success in attempts) >= PROMISES[name].successes


@pytest.mark.slow
def test_phases_follow_one_another_or_a_retry(attempted):
    _, names, attempts = attempted
    # A retry goes back from the grasp to the reach.
    allowed = {(i, i + 1) for i in range(len(names))} | {(GRASP, REACH)}
    for phases, success in attempts:
        if not success:
            continue
        assert phases[0] == REACH
        assert phases[-1] == len(names) - 1
        assert set(phases.tolist()) == set(range(len(names)))
        changes = phases[1:] != phases[:-1]
        assert set(zip(phases[:-1][changes], phases[1:][changes], strict=True)) <= allowed


@pytest.mark.slow
def test_the_time_does_not_reveal_the_phase(attempted):
    """Lengths differ, and so does the share of an episode at which a phase begins."""
    name, _, attempts = attempted
    _, phase, spread = PROMISES[name]
    lengths = np.array([len(phases) for phases, _ in attempts])
    assert lengths.max() > 1.4 * lengths.min()
    assert (lengths >= 35).all()
    begun = np.array([np.argmax(phases == phase) / len(phases) for phases, _ in attempts])
    assert np.ptp(begun) > 0.1
    assert begun.std() > spread


@pytest.mark.slow
def test_the_same_generator_gives_the_same_actions(robosuite_world):
    env = robosuite_world

    def actions(seed):
        env.reset(seed=1)
        made = []
        for step, _ in zip(env.expert(np.random.default_rng(seed)), range(80), strict=False):
            made.append(step.action)
            env.step(step.action)
        return np.array(made)

    first, again, other = actions(3), actions(3), actions(4)
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("kind", "speeds"),
    [
        (Manner, ("reach_speed", "descend_speed", "lift_speed")),
        (Delivery, ("carry_speed", "place_speed", "retreat_speed")),
    ],
)
def test_speeds_are_drawn_wide(kind, speeds):
    drawn = [kind.draw(np.random.default_rng(seed)) for seed in range(400)]
    for speed in speeds:
        values = [getattr(each, speed) for each in drawn]
        assert max(values) > 2.5 * min(values)


def test_misses_and_detours_are_drawn():
    manners = [Manner.draw(np.random.default_rng(seed)) for seed in range(400)]
    assert 0.08 < np.mean([manner.misses for manner in manners]) < 0.25
    assert {manner.detours for manner in manners} == {0, 1, 2}


@pytest.mark.slow
def test_a_retry_reopens_the_hand_and_reaches_again(robosuite_world):
    """A seed whose manner has a missed grasp."""
    env = robosuite_world
    seed = next(s for s in range(100) if Manner.draw(np.random.default_rng(s)).misses)
    env.reset(seed=0)
    phases, gripper = [], []
    for step in env.expert(np.random.default_rng(seed)):
        env.step(step.action)
        phases.append(step.phase)
        gripper.append(step.action[-1])
    assert env.success()
    changes = list(zip(phases, phases[1:], strict=False))
    assert (GRASP, REACH) in changes
    closings = sum(a < 0 < b for a, b in zip(gripper, gripper[1:], strict=False))
    assert closings == 2


@pytest.mark.slow
def test_the_can_ends_in_its_bin_and_the_hand_away_from_it(can):
    can.reset(seed=3)
    assert np.linalg.norm(can.can_position()[:2] - can.can_in_bin()[:2]) > 0.2
    solved = []
    for step in can.expert(np.random.default_rng(3)):
        can.step(step.action)
        solved.append((step.phase, can.success()))
    end = np.abs(can.can_position() - can.can_in_bin())
    assert (end < (0.09, 0.11, 0.03)).all()
    assert np.linalg.norm(can.gripper_pose()[0] - can.can_position()) > 0.05
    # Nothing is solved while the hand still holds the can, though the can is in its bin.
    assert {phase for phase, success in solved if success} == {can_expert.RELEASE}


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
