"""The expert solves Pick nine times in ten, by the grip of two fingers, and never twice alike."""

import numpy as np
import pytest

from sims.bullet.pick_expert import CARRY, GRASP, LIFT, PHASES, PLACE, REACH, pick_expert

ATTEMPTS = 10
# A retry goes back from the grasp to the reach.
TRANSITIONS = {(REACH, GRASP), (GRASP, REACH), (GRASP, LIFT), (LIFT, CARRY), (CARRY, PLACE)}


@pytest.fixture(scope="module")
def attempts(pick):
    """Phases of each attempt, heights of the cube over the table, and whether it succeeded."""
    made = []
    for seed in range(100, 100 + ATTEMPTS):
        pick.reset(seed=seed)
        phases, heights = [], []
        for step in pick.expert(np.random.default_rng(seed)):
            *_, truncated, info = pick.step(step.action)
            phases.append(step.phase)
            heights.append(pick.cube_pose()[0][2])
            if truncated:
                break
        made.append((np.array(phases), np.array(heights), info["success"]))
    return made


@pytest.mark.slow
def test_nine_of_ten_attempts_succeed(attempts):
    assert sum(success for *_, success in attempts) >= 0.9 * ATTEMPTS


@pytest.mark.slow
def test_phases_follow_one_another_or_a_retry(attempts):
    for phases, _, success in attempts:
        if not success:
            continue
        assert phases[0] == REACH
        assert phases[-1] == PLACE
        assert set(phases.tolist()) == set(range(len(PHASES)))
        changes = phases[1:] != phases[:-1]
        assert set(zip(phases[:-1][changes], phases[1:][changes], strict=True)) <= TRANSITIONS


@pytest.mark.slow
def test_phases_say_what_happens_to_the_cube(attempts):
    for phases, heights, success in attempts:
        if success:
            assert heights[phases == REACH].max() < 0.04
            assert heights[phases == CARRY].min() > 0.06
            assert heights[-1] < 0.04


@pytest.mark.slow
def test_the_time_does_not_reveal_the_phase(attempts):
    """Lengths differ, and so does the share of an episode at which the cube is grasped."""
    lengths = np.array([len(phases) for phases, *_ in attempts])
    assert lengths.max() > 1.4 * lengths.min()
    assert 40 <= lengths.min() <= np.median(lengths) <= 130
    lifted = np.array([np.argmax(phases == LIFT) / len(phases) for phases, *_ in attempts])
    assert np.ptp(lifted) > 0.1


@pytest.mark.slow
def test_the_same_generator_gives_the_same_actions(pick):
    def actions(seed):
        pick.reset(seed=1)
        made = []
        for step in pick_expert(pick, np.random.default_rng(seed)):
            made.append(step.action)
            pick.step(step.action)
        return np.array(made)

    first, again, other = actions(3), actions(3), actions(4)
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)
