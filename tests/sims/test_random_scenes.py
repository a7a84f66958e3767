"""Scenes that are drawn for every episode: other pictures of the same motion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError
from sims.config import GenerateConfig
from sims.errors import SimulatorError
from sims.generate import generate
from sims.mujoco.gym_env import GymnasiumEnv
from sims.paint import PATTERNS, random_texture
from tests.sims.mujoco.worlds import Arm

DRAWN = {"random_scenes": True}
OPTIONS = {"env": "tests.sims.mujoco.worlds:Arm", "episodes": 2, "views": 1, "size": 32}
ONE = {"split": "1,1,0", "workers": 1}


def pictures(env, seed, **options):
    env.reset(seed=seed, options=options)
    return np.stack(list(env.render_views().values())).astype(int)


def far_apart(one, other):
    return np.abs(one - other).mean() > 5


def require_drawn(env):
    """Requires that a seed gives one look, without anything but the look."""
    usual, states, points = pictures(env, 1), env.state().copy(), env.keypoints().copy()
    masks, seen = env.actor_masks(), env.visible()
    first = pictures(env, 1, **DRAWN)
    assert np.array_equal(env.state(), states)
    assert np.array_equal(env.keypoints(), points)
    masks_now, seen_now = env.actor_masks(), env.visible()
    for view in env.views:
        assert np.array_equal(masks_now[view], masks[view])
        assert np.array_equal(seen_now[view], seen[view])
    other = pictures(env, 2, **DRAWN)
    # The look does not depend on the episode before, and is not kept.
    assert np.array_equal(pictures(env, 1, **DRAWN), first)
    assert np.array_equal(pictures(env, 1), usual)
    for one, another in ((first, usual), (first, other)):
        assert far_apart(one, another)


@pytest.mark.slow
@pytest.mark.parametrize("world", ["lift", "pick"], indirect=True)
def test_a_seed_draws_the_look_of_a_world(world):
    require_drawn(world)


@pytest.mark.parametrize("kind", [Arm, lambda **more: GymnasiumEnv("Reacher-v5", **more)])
def test_a_seed_draws_the_look_of_any_scene_of_mujoco(kind):
    env = kind(views=2, size=48)
    try:
        require_drawn(env)
    finally:
        env.close()


def test_a_new_context_draws_the_same_look_as_one_that_is_kept():
    seen = []
    for before in ((), (5, 6)):
        env = Arm(views=1, size=48)
        for seed in before:
            pictures(env, seed, **DRAWN)
        seen.append(pictures(env, 3, **DRAWN))
        env.close()
    assert np.array_equal(*seen)


def test_the_robot_keeps_its_colours():
    env = Arm(views=2, size=48)
    env.reset(seed=0)
    env.render_views()
    own = env.model.geom_rgba.copy()
    env.reset(seed=0, options=DRAWN)
    env.render_views()
    actor = env._points.actor[env.model.geom_bodyid]
    assert np.array_equal(env.model.geom_rgba[actor], own[actor])
    env.close()


def test_a_data_set_of_drawn_scenes_has_the_motion_of_the_usual_one(tmp_path):
    usual = GenerateConfig(**OPTIONS, **ONE, out=tmp_path / "usual")
    drawn = replace(usual, random_scenes=True, out=tmp_path / "drawn")
    for config in (usual, drawn):
        generate(config)
    first, second = EpisodeDataset(usual.root), EpisodeDataset(drawn.root)
    assert second.meta.random_scenes
    assert "--random-scenes" in second.meta.command
    assert "random_scenes" not in (usual.root / "meta.json").read_text()
    for i in range(2):
        one, other = first.episode(i), second.episode(i)
        assert np.array_equal(one.states, other.states)
        assert np.array_equal(one.actions, other.actions)
        for view in first.views:
            assert np.array_equal(one.keypoints[view], other.keypoints[view], equal_nan=True)
            assert np.array_equal(one.visible[view], other.visible[view])
            assert far_apart(one.images[view].astype(int), other.images[view])
    with pytest.raises(MismatchError, match="random_scenes: True on disk, False asked for"):
        generate(replace(usual, out=drawn.root))


@pytest.mark.parametrize("kind", range(len(PATTERNS)))
def test_a_pattern_fills_its_texture(kind):
    shares = PATTERNS[kind](np.random.default_rng(kind), 24, 40)
    assert shares.shape == (24, 40)
    assert shares.min() >= 0
    assert shares.max() <= 1
    assert np.ptp(shares) > 0.3
    assert random_texture(np.random.default_rng(kind), 24, 40).shape == (24, 40, 3)


def test_a_world_whose_look_is_fixed_says_so_before_any_work(tmp_path):
    with pytest.raises(SimulatorError, match=r"minecraft.*--random-scenes"):
        generate(GenerateConfig(env="minecraft", out=tmp_path / "data", random_scenes=True))
    assert not (tmp_path / "data").exists()
