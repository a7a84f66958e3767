"""The simulators' own progress, and pictures of one view alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

import sims
from sims.arm.stages import HELD, RAISED, carried, lifted, reached
from sims.env import MultiViewEnv


def test_stages_follow_each_other() -> None:
    origin = np.zeros(3)
    way = [reached(np.array([d, 0.0, 0.0]), origin) for d in (1.0, 0.3, 0.1, 0.0)]
    assert way == sorted(way) and way[0] < 0.01 and way[-1] == HELD
    assert [lifted(share) for share in (-1, 0, 1, 2)] == [HELD, HELD, 1, 1]
    up = [carried(share, 9.0) for share in (0, 0.5, 1)]
    over = [carried(1, distance) for distance in (0.5, 0.1, 0.0)]
    assert up == sorted(up) and up[0] == pytest.approx(HELD) and up[-1] == pytest.approx(RAISED)
    assert over == sorted(over) and over[-1] == pytest.approx(1)
    down = [carried(height / 0.1, height) for height in (0.1, 0.06, 0.02, 0.0)]
    assert down == sorted(down) and down[-1] == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lift", "can", "pick", "minecraft"])
def test_an_expert_comes_further_and_one_view_is_drawn_as_all_are(name: str) -> None:
    env: MultiViewEnv = sims.make(name, views=2, size=32)
    env.reset(seed=5)
    progress, phases = [env.progress()], []
    for time, step in enumerate(env.expert(np.random.default_rng(5))):
        if time % 20 == 0:
            images = env.render_views()
            for view in reversed(env.views):
                assert np.array_equal(env.render_view(view), images[view]), view
        env.step(step.action)
        progress.append(env.progress())
        phases.append(step.phase)
    assert env.success() and progress[-1] == 1
    assert min(progress) >= 0 and max(progress) == 1
    assert spearmanr(progress[1:], phases).statistic > 0.8
    env.close()
