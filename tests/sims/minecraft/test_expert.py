"""The walker reaches and strikes its goal nine times in ten, and never twice alike."""

import numpy as np
import pytest

from sims.minecraft.expert import PHASES, STRIKE, TURN, WALK, Manner, wrap

ATTEMPTS = 20


@pytest.fixture(scope="module")
def attempts(minecraft):
    """Phases and actions of each attempt, and whether it succeeded."""
    made = []
    for seed in range(200, 200 + ATTEMPTS):
        minecraft.reset(seed=seed)
        phases, actions = [], []
        for step in minecraft.expert(np.random.default_rng(seed)):
            *_, truncated, info = minecraft.step(step.action)
            phases.append(step.phase)
            actions.append(step.action)
            if truncated:
                break
        made.append((np.array(phases), np.array(actions), info["success"]))
    return made


@pytest.mark.slow
def test_nine_of_ten_attempts_succeed(attempts):
    assert sum(success for *_, success in attempts) >= 0.9 * ATTEMPTS


def test_phases_follow_one_another(attempts):
    for phases, _, success in attempts:
        if success:
            assert (np.diff(phases) >= 0).all()
            assert set(phases.tolist()) == set(range(len(PHASES)))


def test_the_player_strikes_in_the_last_phase_alone(attempts):
    for phases, actions, success in attempts:
        strokes = actions[:, -1] > 0
        assert success <= strokes.any()
        assert (phases[strokes] == STRIKE).all()


def test_the_time_does_not_reveal_the_phase(attempts):
    """Lengths differ, and so does the share of an episode at which the walk begins and ends."""
    lengths = np.array([len(phases) for phases, *_ in attempts])
    assert lengths.max() > 1.7 * lengths.min()
    assert lengths.min() >= 30
    assert np.median(lengths) <= 120
    for phase in (WALK, STRIKE):
        begins = np.array([np.argmax(phases == phase) / len(phases) for phases, *_ in attempts])
        assert begins.std() > 0.04


def test_the_same_generator_gives_the_same_actions(minecraft):
    def actions(seed):
        minecraft.reset(seed=1)
        made = []
        for step in minecraft.expert(np.random.default_rng(seed)):
            made.append(step.action)
            minecraft.step(step.action)
        return np.array(made)

    first, again, other = actions(3), actions(3), actions(4)
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_the_player_turns_towards_its_way_before_it_walks(minecraft):
    for seed in range(5):
        minecraft.reset(seed=seed)
        start = minecraft.player().position
        for step in minecraft.expert(np.random.default_rng(seed)):
            if step.phase != TURN:
                break
            minecraft.step(step.action)
        pose = minecraft.player()
        assert np.linalg.norm(pose.position - start) < 0.1
        way = minecraft.route()[0] - pose.position[:2]
        assert abs(wrap(np.arctan2(way[1], way[0]) - pose.yaw)) < np.radians(25)


def test_manners_are_drawn_wide():
    manners = [Manner.draw(np.random.default_rng(seed)) for seed in range(300)]
    speeds = [manner.speed for manner in manners]
    assert max(speeds) > 2 * min(speeds)
    assert {manner.pauses for manner in manners} == {0, 1, 2}
    assert {manner.strokes for manner in manners} == {1, 2, 3}
