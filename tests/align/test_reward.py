"""Rewards from video: the potential of a running episode, and how it shapes a reward."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from align.embedder import FrameEmbedder
from align.progress.demonstrations import Demonstrations
from align.progress.methods import causal_progress
from align.progress.options import METHODS, Method, ReadingConfig
from align.reward import AlignmentReward, PotentialReward
from align.sampling import TimeConfig
from align.train import make_trainer
from datasets.errors import MismatchError, OptionError, UnknownNameError
from tests.align.conftest import tiny_config
from tests.sims.toy import ToyEnv


@pytest.fixture(scope="module")
def deit(dots: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reward") / "deit_seed0"
    make_trainer(tiny_config(dots, out, epochs=1), progress=False).fit()
    return out


@pytest.mark.parametrize("method", METHODS)
def test_the_progress_of_a_running_episode_is_the_causal_one(deit: Path, method: Method) -> None:
    env = AlignmentReward(ToyEnv(), deit, "view_0", method=method)
    _, info = env.reset(seed=3)
    frames, found = [env.unwrapped.render_view("view_0")], [info["progress"]]
    for _ in range(5):
        *_, info = env.step(np.array([0.5, 0.0, -0.2]))
        frames.append(env.unwrapped.render_view("view_0"))
        found.append(info["progress"])
    embedder = FrameEmbedder.load(deit)
    raw = embedder.encode_frames(np.stack(frames))
    references = Demonstrations().embed(deit, embedder, progress=False)
    expected = causal_progress(raw, references, method, ReadingConfig())
    np.testing.assert_allclose(found, expected, atol=1e-3)


class Steps:
    """A potential that grows by a tenth at each step."""

    def begin(self, env: Any, observation: Any) -> float:
        self.at = 0.1
        return self.at

    def now(self, env: Any, observation: Any) -> float:
        self.at += 0.1
        return self.at


class Scripted(gymnasium.Env):
    """Ends after three steps, solved or cut off."""

    def __init__(self, solved: bool) -> None:
        self.solved = solved
        self.observation_space = self.action_space = gymnasium.spaces.Box(-1, 1, (1,))

    def reset(self, **options: Any) -> tuple[np.ndarray, dict[str, Any]]:
        self.count = 0
        return np.zeros(1), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.count += 1
        last = self.count == 3
        return np.zeros(1), float(last), last and self.solved, last and not self.solved, {}


@pytest.mark.parametrize(("solved", "last"), [(True, 1 - 2 * 0.3), (False, 1 + 2 * (0.36 - 0.3))])
def test_the_change_of_the_potential_is_added(solved: bool, last: float) -> None:
    env = PotentialReward(Scripted(solved), Steps(), gamma=0.9, scale=2.0)
    _, info = env.reset()
    assert info["progress"] == 0.1
    rewards = [env.step(0)[1] for _ in range(3)]
    # 2 (0.9 * 0.2 - 0.1), 2 (0.9 * 0.3 - 0.2); at the end 0 or 0.9 * 0.4, less 0.3.
    assert rewards == pytest.approx([0.16, 0.14, last])


def test_shaping_leaves_the_discounted_return_but_for_the_first_potential() -> None:
    env = PotentialReward(Scripted(True), Steps(), gamma=0.9, scale=1.0)
    env.reset()
    shaped = sum(0.9**t * env.step(0)[1] for t in range(3))
    assert shaped == pytest.approx(0.9**2 * 1.0 - 0.1)


def test_shuffled_references_give_another_progress(deit: Path) -> None:
    def follow(references: Demonstrations) -> list[float]:
        env = AlignmentReward(ToyEnv(), deit, "view_0", references)
        _, info = env.reset(seed=3)
        steps = [env.step(np.array([0.5, 0.0, -0.2]))[4]["progress"] for _ in range(5)]
        return [info["progress"], *steps]

    assert follow(Demonstrations()) != follow(Demonstrations(shuffled=True))


@pytest.mark.parametrize(
    ("method", "time", "error"),
    [("paab", TimeConfig(), MismatchError), ("deit", TimeConfig(frames=3), OptionError)],
)
def test_a_run_that_no_agent_can_use_is_refused(
    dots: Path, tmp_path: Path, method: str, time: TimeConfig, error: type[Exception]
) -> None:
    config = tiny_config(dots, tmp_path / "run", method, epochs=1, time=time)  # type: ignore[arg-type]
    make_trainer(config, progress=False).fit()
    with pytest.raises(error):
        AlignmentReward(ToyEnv(), tmp_path / "run", "view_0")


def test_an_unknown_camera_is_named(deit: Path) -> None:
    with pytest.raises(UnknownNameError, match="view_1"):
        AlignmentReward(ToyEnv(), deit, "view_9")
