"""Rewards from video: they telescope, judge frames as the library does, and refuse what cannot."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from align.embedder import FrameEmbedder
from align.inputs.sampling import TimeConfig
from align.progress.demonstrations import Demonstrations
from align.progress.methods import causal_progress
from align.progress.options import Method, ReadingConfig
from align.reward import AlignmentReward, OraclePotential, PotentialReward, warn_of_cameras
from align.train import make_trainer
from datasets.errors import OptionError, UnknownNameError
from sims.errors import SimulatorError
from tests.align.conftest import tiny_config
from tests.sims.toy import ToyEnv


def trained(data: Path, folder: Path, method: str = "deit", **changes: object) -> Path:
    config = tiny_config(data, folder, method, epochs=1, **changes)  # type: ignore[arg-type]
    make_trainer(config, progress=False).fit()
    return folder


@pytest.fixture(scope="module")
def run(dots: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(dots, tmp_path_factory.mktemp("runs") / "deit")


class Ramp:
    """A potential that rises by a tenth a step."""

    def begin(self) -> float:
        self.value = 0.1
        return self.value

    def follow(self) -> float:
        self.value += 0.1
        return self.value


class Ending(ToyEnv):
    """Ends when the task is solved."""

    def step(self, action: np.ndarray) -> Any:
        observation, reward, _, truncated, info = super().step(action)
        return observation, reward, self.success(), truncated, info


def play(env: gymnasium.Env[Any, Any], steps: int = 6) -> tuple[list[float], list[float]]:
    """Rewards and progress of an episode of the expert; the first progress is that of `reset`."""
    _, info = env.reset(seed=3)
    rewards, progress = [], [info["progress"]]
    world: Any = env.unwrapped
    for step in world.expert(np.random.default_rng(0)):
        _, reward, terminated, _, info = env.step(step.action)
        rewards.append(float(reward))
        progress.append(info["progress"])
        if terminated or len(rewards) == steps:
            break
    return rewards, progress


def test_shaping_depends_on_the_ends_alone() -> None:
    gamma = 0.9
    rewards, progress = play(PotentialReward(ToyEnv(), Ramp(), gamma, scale=2.0, own=0.0))
    assert progress == pytest.approx([0.1 * (i + 1) for i in range(7)])
    total = sum(gamma**t * reward for t, reward in enumerate(rewards))
    assert total == pytest.approx(2 * (gamma**6 * progress[-1] - progress[0]))


def test_the_environments_own_reward_is_added() -> None:
    shaped, _ = play(PotentialReward(Ending(), Ramp(), own=3.0), steps=99)
    alone, _ = play(PotentialReward(Ending(), Ramp(), own=0.0), steps=99)
    assert np.array(shaped) - alone == pytest.approx([0.0] * (len(alone) - 1) + [3.0])
    # A terminal state has the potential 0, whatever it shows: else good ends would be paid twice.
    assert alone[-1] == pytest.approx(-0.1 * len(alone))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["nearest", "dtw", "goal"])
def test_a_reward_sees_what_the_library_sees_in_the_same_frames(run: Path, method: Method) -> None:
    how = ReadingConfig(nearest=2)
    env = AlignmentReward(ToyEnv(), run, "view_1", ["demo_0", "demo_1"], method, how)
    embedder = FrameEmbedder.load(run)
    references = Demonstrations(["demo_0", "demo_1"]).embed(run, embedder, progress=False)
    for _ in range(2):  # the second episode does not remember the first
        _, progress = play(env)
        raw = embedder.encode_frames(frames("view_1"))
        wanted = causal_progress(raw, references, method, how)
        assert progress == pytest.approx(wanted, abs=1e-5)


def states() -> Iterator[ToyEnv]:
    """The environment in each state of `play`."""
    env = ToyEnv()
    env.reset(seed=3)
    yield env
    for step in islice(env.expert(np.random.default_rng(0)), 6):
        env.step(step.action)
        yield env


def frames(view: str) -> np.ndarray:
    """The frames of a camera in `play`."""
    return np.stack([env.render_view(view) for env in states()])


@pytest.mark.slow
def test_frames_before_a_moment_are_remembered(dots: Path, tmp_path: Path) -> None:
    run = trained(dots, tmp_path / "run", time=TimeConfig(3, 2, causal=True))
    _, progress = play(AlignmentReward(ToyEnv(), run))
    embedder = FrameEmbedder.load(run)
    references = Demonstrations().embed(run, embedder, progress=False)
    raw = embedder.encode_frames(frames("view_0"))
    wanted = causal_progress(raw, references, "nearest", ReadingConfig())
    assert progress == pytest.approx(wanted, abs=1e-5)


@pytest.mark.slow
def test_a_run_that_needs_keypoints_gets_those_of_the_world(dots: Path, tmp_path: Path) -> None:
    run = trained(dots, tmp_path / "run", "paab")
    embedder = FrameEmbedder.load(run)
    references = Demonstrations().embed(run, embedder, progress=False)
    _, progress = play(AlignmentReward(ToyEnv(), embedder, "view_0", references))
    seen = [
        (env.cameras()["view_0"].project(env.keypoints())[0], env.visible()["view_0"])
        for env in states()
    ]
    points, visible = (np.stack(part) for part in zip(*seen, strict=True))
    scale = embedder.image_size / ToyEnv().size
    given = torch.from_numpy(points.astype(np.float32)) * scale
    poses = embedder.pose_inputs(given, torch.from_numpy(visible))
    wanted = causal_progress(
        embedder.encode_frames(frames("view_0"), poses), references, "nearest", ReadingConfig()
    )
    assert progress == pytest.approx(wanted, abs=1e-4)


@pytest.mark.slow
def test_what_cannot_reward_is_named(run: Path, dots: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown view of the environment 'view_7'"):
        AlignmentReward(ToyEnv(), run, "view_7")
    with pytest.raises(TypeError, match="pass embedded `References`"):
        AlignmentReward(ToyEnv(), FrameEmbedder.load(run))
    around = trained(dots, tmp_path / "run", time=TimeConfig(3, 2))
    with pytest.raises(OptionError, match="cannot be causal"):
        AlignmentReward(ToyEnv(), around)
    with pytest.raises(SimulatorError, match="toy does not say how far"):
        PotentialReward(ToyEnv(), OraclePotential(ToyEnv())).reset(seed=0)


@pytest.mark.parametrize(
    "numbers", [{"gamma": 1.5}, {"gamma": float("nan")}, {"scale": -1.0}, {"own": float("inf")}]
)
def test_numbers_out_of_range_are_named(numbers: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=next(iter(numbers))):
        PotentialReward(ToyEnv(), Ramp(), **numbers)


def test_an_environment_without_views_is_refused_before_a_run_is_read() -> None:
    for env in (gymnasium.make("CartPole-v1"), gymnasium.make_vec("CartPole-v1", 2), None):
        with pytest.raises(OptionError, match=r"renders no views: wrap one .* sims\.make"):
            AlignmentReward(env, "nowhere")  # type: ignore[arg-type]


@pytest.mark.slow
def test_cameras_that_stand_elsewhere_are_told(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    embedder = FrameEmbedder.load(run)
    learned = embedder.plan.meta.views
    warn_of_cameras(embedder, learned, "view_0")
    warn_of_cameras(embedder, learned[:2], "ego")
    assert not caplog.text
    warn_of_cameras(embedder, learned[:2], "view_0")
    assert "view_0 stands elsewhere" in caplog.text and "views=2" in caplog.text


@pytest.mark.slow
def test_one_reference_and_an_unknown_method(run: Path) -> None:
    one = AlignmentReward(ToyEnv(), run, references="demo_0")
    assert play(one) == play(AlignmentReward(ToyEnv(), run, references=["demo_0"]))
    with pytest.raises(UnknownNameError, match="did you mean 'nearest'"):
        AlignmentReward(ToyEnv(), run, method="nearset")  # type: ignore[arg-type]


@pytest.mark.slow
def test_an_agent_sees_an_ordinary_environment(run: Path) -> None:
    env = AlignmentReward(ToyEnv(), run)
    assert env.action_space == ToyEnv().action_space
    observation, info = env.reset(seed=1)
    assert env.observation_space.contains(observation) and 0 <= info["progress"] <= 1
    assert "success" in info
