"""Experts that are made to fail, and the split of their own in which their episodes are kept."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from datasets.episodes import EpisodeDataset
from datasets.errors import MissingDataError
from datasets.storage.episode_file import FAILURE
from sims.config import GenerateConfig
from sims.env import MultiViewEnv, Step
from sims.errors import SimulatorError
from sims.failures import FIRST_FAILURE, Displaced, failing_steps
from sims.generate import generate, summarize
from sims.production import worker
from tests.sims.runs import contents
from tests.sims.toy import ToyEnv

TOY = "tests.sims.toy:ToyEnv"
OPTIONS = {"env": TOY, "views": 1, "size": 16, "episodes": 4, "split": "2,1,1", "workers": 1}


def config(root, **changes) -> GenerateConfig:
    return GenerateConfig(out=root, **{**OPTIONS, **changes})


def test_failures_are_a_split_of_their_own(tmp_path) -> None:
    plain, kept = config(tmp_path / "plain"), config(tmp_path / "kept", keep_failures=0.5)
    generate(plain)
    generate(kept)
    failures = EpisodeDataset(kept.root, FAILURE)
    assert failures.names == [f"demo_{FIRST_FAILURE}", f"demo_{FIRST_FAILURE + 1}"]
    assert [failures.success(i) for i in range(2)] == [False, False]
    assert EpisodeDataset(kept.root, "train").success(0) is True
    assert all(not failures.episode(i).rewards[-1] for i in range(2))
    # Nothing else changes: the same bytes, the same splits.
    for path in plain.root.glob("episodes/*.hdf5"):
        assert path.read_bytes() == (kept.root / "episodes" / path.name).read_bytes()
    sizes = EpisodeDataset(plain.root).split_sizes()
    assert EpisodeDataset(kept.root).split_sizes() == {**sizes, FAILURE: 2}
    with pytest.raises(MissingDataError, match="no split 'failure'"):
        EpisodeDataset(plain.root, FAILURE)
    assert "--keep-failures 0.5" in kept.command and "--keep-failures" not in plain.command
    assert "2 failures in the split 'failure'" in summarize(kept)
    assert "Beside them" not in summarize(plain)


def test_failures_can_be_added_to_a_data_set_and_it_can_grow(tmp_path) -> None:
    root, at_once = tmp_path / "toy", tmp_path / "at_once"
    generate(config(root))
    generate(config(root, keep_failures=0.5))
    more = {"episodes": 8, "split": "4,2,2", "keep_failures": 0.5}
    generate(config(at_once, **more))
    first = EpisodeDataset(root, FAILURE)
    assert len(first) == 2
    for path in first.paths:
        assert path.read_bytes() == (at_once / "episodes" / path.name).read_bytes()


def test_shards_make_their_share_of_the_failures(tmp_path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    generate(config(whole, keep_failures=0.75))
    for shard in ("0/2", "1/2"):
        generate(config(parts, keep_failures=0.75, shard=shard))
    done = {path.name for path in parts.glob("episodes/*.hdf5")}
    assert done == {path.name for path in whole.glob("episodes/*.hdf5")}
    generate(config(parts, keep_failures=0.75))
    assert contents(whole) == contents(parts)


def test_a_world_without_failures_says_so(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(ToyEnv, "failing_expert", MultiViewEnv.failing_expert)
    with pytest.raises(SimulatorError, match="cannot be made to fail: leave out --keep-failures"):
        generate(config(tmp_path / "toy", keep_failures=0.5))
    assert not (tmp_path / "toy").exists()


def test_an_expert_that_succeeds_all_the_same_is_tried_again(tmp_path, monkeypatch) -> None:
    tried = []

    def succeeding(env, seed, *_, **__):
        tried.append(seed)

    monkeypatch.setattr(worker, "record_failure", succeeding)
    with pytest.raises(worker.ProductionError, match="could not be made to fail 20 times"):
        generate(config(tmp_path / "toy", keep_failures=0.25))
    assert len(set(tried)) == worker.MAX_ATTEMPTS


class World:
    def cube(self):
        return np.zeros(3), np.eye(3)

    def route(self):
        return np.zeros((4, 2))

    def hand(self):
        return np.ones(3)


def test_a_displaced_world_moves_only_the_named_places() -> None:
    world = Displaced(World(), np.array([1.0, 2.0, 0.0]), ("cube", "route"))
    place, rotation = world.cube()
    assert place.tolist() == [1, 2, 0] and np.array_equal(rotation, np.eye(3))
    assert world.route().tolist() == [[1, 2]] * 4
    assert world.hand().tolist() == [1, 1, 1]


def plan(world) -> Iterator[Step]:
    """Ten steps of each of three phases, with a closed hand; its aim is where the cube seems."""
    for phase in range(3):
        for _ in range(10):
            yield Step(np.append(world.cube()[0], 1.0), phase)


def test_each_way_to_fail() -> None:
    ways = {"stop": 0, "slip": 0, "astray": 0}
    for seed in range(30):
        steps = list(
            failing_steps(
                World(),
                plan,
                np.random.default_rng(seed),
                stops=(1,),
                slips=(2,),
                places=("cube",),
                distance=(0.5, 0.6),
            )
        )
        grip = np.array([step.action[-1] for step in steps])
        phases = [step.phase for step in steps]
        if np.linalg.norm(steps[0].action[:3]) > 0:
            ways["astray"] += 1
            assert 0.5 <= np.linalg.norm(steps[0].action[:2]) <= 0.6 and len(steps) == 30
        elif (grip == -1).any():
            ways["slip"] += 1
            first = int(np.argmax(grip == -1))
            assert phases[first] == 2 and (grip[first:] == -1).all() and (grip[:first] == 1).all()
        else:
            ways["stop"] += 1
            assert max(phases) == 1 and len(steps) > 25 and (grip == 1).all()
    assert min(ways.values()) > 3


@pytest.mark.slow
def test_the_expert_of_pick_can_be_made_to_fail(tmp_path) -> None:
    options = {"env": "pick", "episodes": 1, "split": "1,0,0", "keep_failures": 1.0, "size": 16}
    generate(config(tmp_path / "pick", **options))
    failure = EpisodeDataset(tmp_path / "pick", FAILURE)
    assert failure.success(0) is False and failure.lengths[0] > 10
