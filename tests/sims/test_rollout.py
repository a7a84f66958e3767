"""A recorded episode holds what the environment showed at each step."""

from dataclasses import fields

import numpy as np

from sims.env import EXPERT_STREAM
from sims.rollout import record
from tests.sims.toy import FrugalEnv, ToyEnv

SEED = 4


class Blinking(ToyEnv):
    """Hides another keypoint in each view, and others at another step."""

    def visible(self):
        hidden = int(self._hand[0] * 1000)
        return {
            view: visible & (np.arange(len(visible)) != (hidden + i) % len(visible))
            for i, (view, visible) in enumerate(super().visible().items())
        }


def test_an_environment_may_fill_the_same_arrays_at_every_step():
    frugal, plain = record(FrugalEnv(), SEED), record(ToyEnv(), SEED)
    for field in fields(plain):
        np.testing.assert_equal(getattr(frugal, field.name), getattr(plain, field.name))


def test_every_step_is_stored_as_the_environment_showed_it():
    env, episode = Blinking(), record(Blinking(), SEED)
    env.reset(seed=SEED)
    for t, step in enumerate(env.expert(np.random.default_rng([SEED, EXPERT_STREAM]))):
        assert np.array_equal(episode.states[t], env.state())
        assert np.array_equal(episode.actions[t], step.action)
        assert np.array_equal(episode.observations["hand"][t], env.observe()["hand"])
        assert episode.phases[t] == step.phase
        images, visible = env.render_views(), env.visible()
        for view in env.views:
            assert np.array_equal(episode.images[view][t], images[view])
            assert np.array_equal(episode.visible[view][t], visible[view])
        env.step(step.action)
    assert len(episode) == t + 1
    assert set(episode.phases.tolist()) == {0, 1}
