"""Generation gives the same bytes for any workers and interruptions, in files others can read."""

import platform
import shutil

import numpy as np
import pytest

import sims
from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError, OptionError, UnknownNameError
from datasets.storage.atomic import SUFFIX
from sims.config import GenerateConfig
from sims.env import EXPERT_STREAM
from sims.errors import ProductionError
from sims.generate import generate, summarize
from sims.production import worker
from sims.rollout import attempt_of, episode_seed, record
from tests.sims.runs import command, contents, episodes, finish, started, wait_for_episodes

# The options of the `lift_dataset` fixture.
OPTIONS = {"views": 2, "episodes": 4, "size": 64, "split": "2,1,1"}


@pytest.mark.slow
def test_one_worker_makes_the_same_bytes_as_two(lift_dataset, tmp_path):
    """Two workers made the fixture; here one worker makes it, and its first episode last."""
    config = GenerateConfig(**{**OPTIONS, "episodes": 2}, out=tmp_path / "lift", workers=1)
    generate(config)
    (config.root / "episodes" / "000000.hdf5").unlink()
    generate(config)
    for path in config.root.glob("episodes/*.hdf5"):
        assert path.read_bytes() == (lift_dataset / "episodes" / path.name).read_bytes()


@pytest.mark.slow
def test_a_killed_run_is_resumed_to_the_same_bytes(lift_dataset, tmp_path):
    root = tmp_path / "lift"
    with started(command(root, **OPTIONS)) as process:
        wait_for_episodes(root, process)
        process.kill()
        process.wait()
    assert not (root / "lift.hdf5").exists(), "the run ended before the kill, so nothing is tested"
    kept = {path: path.stat().st_mtime_ns for path in episodes(root)}
    leftover = root / "episodes" / f".000003.hdf5.{process.pid}@{platform.node()}{SUFFIX}"
    leftover.write_bytes(b"half an episode")
    code, output = finish(command(root, **OPTIONS))
    assert code == 0, output
    assert "4 episodes in 4 attempts" in output
    assert f"python -m datasets.info {root}" in output
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert contents(root) == contents(lift_dataset)


@pytest.mark.slow
def test_other_options_for_the_same_folder_are_an_error(lift_dataset):
    with pytest.raises(MismatchError, match="image_size: 64 .* 32 "):
        generate(GenerateConfig(**{**OPTIONS, "size": 32}, out=lift_dataset))


@pytest.mark.slow
def test_more_episodes_are_added_to_those_on_disk(lift_dataset, tmp_path):
    root = tmp_path / "lift"
    shutil.copytree(lift_dataset, root)
    generate(GenerateConfig(**{**OPTIONS, "episodes": 5}, out=root, workers=1))
    assert len(EpisodeDataset(root)) == 5
    for path in lift_dataset.glob("episodes/*.hdf5"):
        assert path.read_bytes() == (root / "episodes" / path.name).read_bytes()


@pytest.mark.parametrize(
    ("option", "value", "error", "complaint"),
    [
        ("env", "lfit", UnknownNameError, "'lift'"),
        ("views", 0, OptionError, "--views"),
        ("episodes", 0, OptionError, "--episodes"),
        ("size", -1, OptionError, "--size"),
        ("workers", 0, OptionError, "--workers"),
        ("seed", -1, OptionError, "--seed"),
        ("split", "1,2", OptionError, "--split"),
    ],
)
def test_an_invalid_value_is_named_before_any_work(tmp_path, option, value, error, complaint):
    root = tmp_path / "lift"
    with pytest.raises(error, match=complaint):
        generate(GenerateConfig(**{option: value}, out=root))
    assert not root.exists()


@pytest.mark.slow
def test_failures_are_discarded_and_counted(lift_dataset, tmp_path, monkeypatch):
    """The first attempt at episode 1 fails; the second attempt has another seed."""
    failing = episode_seed(0, 1, 0)

    def record_but_one(env, seed, *options, **more):
        return None if seed == failing else record(env, seed, *options, **more)

    monkeypatch.setattr(worker, "record", record_but_one)
    config = GenerateConfig(views=1, episodes=2, size=32, out=tmp_path / "lift", workers=1)
    generate(config)
    assert "2 episodes in 3 attempts (1 failure discarded)" in summarize(config)
    seeds = [EpisodeDataset(config.root).episode(i).seed for i in range(2)]
    assert seeds == [episode_seed(0, 0, 0), episode_seed(0, 1, 1)]


@pytest.mark.slow
def test_an_expert_that_always_fails_ends_in_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "record", lambda env, seed, *options, **more: None)
    config = GenerateConfig(views=1, episodes=1, size=32, out=tmp_path / "lift", workers=1)
    with pytest.raises(ProductionError, match="20 .*episode 0"):
        generate(config)
    assert not list(config.root.rglob("*.hdf5"))


def test_seeds_of_attempts_differ_and_identify_their_attempt():
    seeds = {episode_seed(base, i, a) for base in range(3) for i in range(20) for a in range(3)}
    assert len(seeds) == 180
    assert attempt_of(7, 3, episode_seed(7, 3, 2), limit=20) == 2
    assert attempt_of(7, 3, episode_seed(7, 4, 2), limit=20) is None


@pytest.mark.slow
def test_what_is_on_disk(lift_dataset):
    data = EpisodeDataset(lift_dataset)
    data.check(window=2)
    assert data.views == ["ego", "view_0", "view_1"]
    assert [len(EpisodeDataset(lift_dataset, split)) for split in ("train", "valid", "test")] == [
        2,
        1,
        1,
    ]
    episode = data.episode(0)
    steps = len(episode)
    assert episode.success
    assert episode.rewards[-1] == 1
    assert np.flatnonzero(episode.dones).tolist() == [steps - 1]
    assert episode.world_to_camera["ego"].shape == (steps, 4, 4)
    assert episode.world_to_camera["view_0"].shape == (4, 4)
    assert episode.observations["robot0_eef_pos"].shape == (steps, 3)
    assert episode.observations["object"].shape == (steps, 10)
    for view in data.views:
        for t in (0, steps - 1):
            projected, _ = episode.camera(view, t).project(episode.keypoints_world[t])
            assert np.allclose(projected, episode.keypoints[view][t], atol=1e-3, equal_nan=True)


@pytest.mark.slow
def test_stored_states_reproduce_the_stored_images_and_visibility(lift_dataset):
    episode = EpisodeDataset(lift_dataset).episode(1)
    env = sims.make("lift", views=2, size=64)
    env.reset(seed=episode.seed)
    for t in range(0, len(episode), 10):
        env.set_state(episode.states[t])
        images, visible = env.render_views(), env.visible()
        for view in env.views:
            assert np.array_equal(images[view], episode.images[view][t]), f"{view} at {t}"
            assert np.array_equal(visible[view], episode.visible[view][t]), f"{view} at {t}"
    shares = [np.mean(episode.visible[view][::10]) for view in env.views]
    assert all(0 < share < 1 for share in shares), "all keypoints have the same visibility"
    assert env.model_file() == episode.model_file
    env.close()


@pytest.mark.slow
def test_stored_actions_lead_to_the_stored_states(lift_dataset):
    """The seed and the actions determine an episode: physics is not random."""
    episode = EpisodeDataset(lift_dataset).episode(2)
    env = sims.make("lift", views=2, size=64)
    env.reset(seed=episode.seed)
    for t in range(len(episode) - 1):
        assert np.array_equal(env.state(), episode.states[t])
        env.step(episode.actions[t])
    env.close()


@pytest.mark.slow
def test_stored_phases_are_those_of_the_expert(lift_dataset):
    data = EpisodeDataset(lift_dataset)
    episode = data.episode(3)
    env = sims.make("lift", views=2, size=64)
    env.reset(seed=episode.seed)
    named = []
    for step in env.expert(np.random.default_rng([episode.seed, EXPERT_STREAM])):
        env.step(step.action)
        named.append(step.phase)
    env.close()
    assert data.phases(3).tolist() == named
    assert set(named) == set(range(len(data.meta.phases)))
