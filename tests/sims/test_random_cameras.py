"""Third-person cameras that are drawn for every episode, and the data sets they make."""

from __future__ import annotations

import numpy as np
import pytest

from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError
from sims.checker import MIN_SHARE_ON_BODY, keypoints_on_body
from sims.config import GenerateConfig
from sims.errors import SimulatorError
from sims.generate import generate
from tests.sims.runs import TOY, command, finish

DRAWN = {"random_cameras": True}
OPTIONS = {"env": "minecraft", "views": 3, "episodes": 3, "size": 32, "split": "1,1,1"}


@pytest.fixture(scope="module")
def drawn_and_usual(tmp_path_factory):
    """The same episodes with cameras that are drawn, by the command, and with the usual ones."""
    folder = tmp_path_factory.mktemp("data")
    words = command(folder / "drawn", workers=1, **OPTIONS)
    code, output = finish([*words, "--random-cameras"])
    assert code == 0, output
    generate(GenerateConfig(**OPTIONS, out=folder / "usual", workers=1))
    return EpisodeDataset(folder / "drawn"), EpisodeDataset(folder / "usual")


def places(env):
    return np.stack([env.cameras()[view].position for view in env.views[1:]])


@pytest.mark.slow
def test_a_seed_draws_the_cameras_and_without_being_asked_they_stand_as_ever(world):
    world.reset(seed=1)
    usual = places(world)
    world.reset(seed=1, options=DRAWN)
    first, pictures = places(world), world.render_views()
    world.reset(seed=2, options=DRAWN)
    other = places(world)
    world.reset(seed=1, options=DRAWN)
    assert np.array_equal(places(world), first)
    again = world.render_views()
    for view in world.views:
        assert np.array_equal(again[view], pictures[view])
    for one, another in ((first, other), (first, usual), (other, usual)):
        assert np.linalg.norm(one - another, axis=1).min() > 0.01
    world.reset(seed=1)
    assert np.array_equal(places(world), usual)


@pytest.mark.slow
def test_keypoints_lie_on_the_body_from_wherever_it_is_seen(world):
    on_body = []
    for seed in range(3):
        world.reset(seed=seed, options=DRAWN)
        on_body += keypoints_on_body(world)
    assert np.mean(on_body) >= MIN_SHARE_ON_BODY
    assert len(on_body) > 3 * 3 * len(world.skeleton) / 2


@pytest.mark.slow
def test_the_same_episodes_are_seen_from_places_that_differ(drawn_and_usual):
    drawn, usual = drawn_and_usual
    assert drawn.meta.random_cameras
    assert "--random-cameras" in drawn.meta.command
    assert not usual.meta.random_cameras
    episodes = [[data.episode(i) for i in range(3)] for data in drawn_and_usual]
    for one, other in zip(*episodes, strict=True):
        assert np.array_equal(one.states, other.states)
        assert np.array_equal(one.images["ego"], other.images["ego"])
        for view in drawn.views[1:]:
            assert one.world_to_camera[view].shape == (4, 4)
            assert not np.array_equal(one.images[view], other.images[view])
    for view in drawn.views[1:]:
        seen_from = {episode.world_to_camera[view].tobytes() for episode in episodes[0]}
        assert len(seen_from) == 3


@pytest.mark.slow
def test_both_kinds_of_cameras_do_not_share_a_folder(drawn_and_usual):
    drawn, _ = drawn_and_usual
    with pytest.raises(MismatchError, match="random_cameras: True .* False "):
        generate(GenerateConfig(**OPTIONS, out=drawn.root))


def test_a_world_that_cannot_move_them_says_so_before_any_work(tmp_path):
    with pytest.raises(SimulatorError, match=r"MultiViewEnv\.place_cameras"):
        generate(GenerateConfig(env=TOY, out=tmp_path / "toy", random_cameras=True))
    assert not (tmp_path / "toy").exists()
