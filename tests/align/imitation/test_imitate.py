"""Agents that learn from rewards: environments, results, and a whole small study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from align.imitation.config import ImitateConfig
from align.imitation.environments import make_environment
from align.imitation.results import Curve, Point, Row, as_markdown, draw
from align.imitation.study import imitate
from align.imitation.training import CURVE_NAME, _side_by_side, load_curve
from align.imitation.video_rewards import make_trackers, open_run
from align.inputs.sampling import TimeConfig
from align.progress.options import ReadingConfig
from align.reward import AlignmentReward
from align.train import make_trainer
from datasets.episodes import EpisodeDataset
from datasets.errors import DamagedDataError, MismatchError, OptionError, UserError
from datasets.video import write_video
from tests.align.conftest import tiny_config


@pytest.mark.slow
def test_an_agent_sees_a_vector_and_is_rewarded_for_success_alone() -> None:
    env = make_environment(ImitateConfig("minecraft", views=1, image_size=32), "sparse")
    observation, _ = env.reset(seed=0)
    assert observation.shape == env.observation_space.shape == (5,)
    assert observation.dtype == env.action_space.dtype == np.float32
    _, reward, ended, _, info = env.step(env.action_space.sample())
    assert (reward, ended, info["is_success"]) == (0.0, False, False)
    env.unwrapped.success = lambda: True
    _, reward, ended, cut_off, info = env.step(env.action_space.sample())
    assert (reward, ended, cut_off, info["is_success"]) == (1.0, True, False, True)
    env.close()


def curve(reward: Any, seed: int, *successes: float) -> Curve:
    return Curve(reward, seed, tuple(Point(100 * i, s) for i, s in enumerate(successes)))


CURVES = [
    curve("oracle", 0, 0.0, 0.6, 0.8),
    curve("oracle", 1, 0.0, 0.4, 1.0),
    curve("sparse", 0, 0.0, 0.0, 0.2),
]


def test_a_row_sums_up_the_agents_of_a_reward() -> None:
    oracle, sparse = Row.of_all(CURVES)
    assert (oracle.agents, oracle.success, oracle.least, oracle.most) == (2, 0.9, 0.8, 1.0)
    assert oracle.steps_to_half == 150
    assert as_markdown([sparse]).splitlines()[-1] == "| sparse | 1 | 0.20 | 0.20 | 0.20 | never |"


def test_curves_have_a_line_for_each_agent_and_a_mean() -> None:
    (axes,) = draw(CURVES).axes
    lines = [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines]
    assert ([0, 100, 200], [0.0, 0.5, 0.9]) in lines
    assert len(lines) == 3 + 2
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time steps", "success on held-out episodes")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    from sims.minecraft.env import MinecraftEnv

    monkeypatch.setattr(MinecraftEnv, "horizon", 5)


@pytest.mark.slow
@pytest.mark.usefixtures("short")
def test_agents_are_trained_once(dots: Path, tmp_path: Path) -> None:
    run = tmp_path / "deit_seed0"
    make_trainer(tiny_config(dots, run, epochs=1), progress=False).fit()
    config = ImitateConfig(
        "minecraft",
        run,
        seeds=(0,),
        views=1,
        image_size=32,
        steps=20,
        evaluate_every=10,
        episodes=1,
        algorithm="sac",
        envs=2,
        out=tmp_path / "study",
    )
    curves = imitate(config)
    assert [curve.reward for curve in curves] == ["alignment", "sparse", "oracle", "shuffled"]
    assert all([p.steps for p in curve.points] == [0, 10, 20] for curve in curves)
    policies = sorted((tmp_path / "study").glob("*/seed0/policy.safetensors"))
    written = [path.stat().st_mtime_ns for path in policies]
    assert len(policies) == 4
    assert imitate(config) == curves
    assert [path.stat().st_mtime_ns for path in policies] == written
    assert (tmp_path / "study/curves.png").exists()
    with pytest.raises(MismatchError, match=r"options\.json"):
        imitate(replace(config, gamma=0.5))


@pytest.mark.slow
@pytest.mark.usefixtures("short")
def test_environments_that_are_seen_together_are_rewarded_as_each_alone(
    dots: Path, tmp_path: Path
) -> None:
    run = tmp_path / "deit_seed0"
    trained = tiny_config(dots, run, epochs=1, time=TimeConfig(frames=2, step=2, causal=True))
    make_trainer(trained, progress=False).fit()
    reading = ReadingConfig(centre="references")
    config = ImitateConfig(
        "minecraft", run, views=1, image_size=32, envs=2, scale=2.0, reading=reading
    )
    together = _side_by_side(config, "alignment", seed=0)
    together.seed(3)
    together.reset()
    tracker = make_trackers(config, "alignment")[0]
    embedder, references = tracker.embedder, tracker.references
    alone = [
        AlignmentReward(
            make_environment(config, "sparse"), embedder, references=references, scale=2.0
        )
        for _ in range(2)
    ]
    for i, env in enumerate(alone):
        env.reset(seed=3 + i)
    actions = np.random.default_rng(0).uniform(-1, 1, (5, 2, 5)).astype(np.float32)
    for t, pair in enumerate(actions):
        _, rewards, dones, infos = together.step(pair)
        expected = [env.step(action)[1] for env, action in zip(alone, pair, strict=True)]
        assert len({*expected, 0.0}) > 1
        assert np.allclose(rewards, expected, atol=1e-4)
        assert not any("onlooker" in info for info in infos)
        assert dones.tolist() == [t == 4] * 2
    # A new episode has begun, which does not remember the frames of the last one.
    (begun,) = {tuple(map(len, (tracker._seen for tracker in together.venv._trackers)))}
    assert begun == (1, 1)
    together.close()


@pytest.mark.slow
@pytest.mark.usefixtures("short")
def test_a_curve_counts_the_steps_that_were_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("align.imitation.training.ROLLOUT", 64)
    config = ImitateConfig("minecraft", reward=("sparse",), seeds=(0,), views=1, image_size=32)
    config = replace(config, steps=80, evaluate_every=40, episodes=1, envs=4, out=tmp_path)
    (curve,) = imitate(config)
    assert [point.steps for point in curve.points] == [0, 64, 128]


def test_a_reward_from_video_needs_a_run(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--run"):
        imitate(ImitateConfig("minecraft", out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reward": ("sparse", "alignment"), "run": Path("nowhere")}, "nowhere"),
        ({"reward": ("sparse", "sparse")}, "--reward names sparse twice"),
        ({"seeds": (1, 1), "reward": ("sparse",)}, "--seeds names 1 twice"),
    ],
)
def test_a_study_is_checked_before_its_first_agent(
    tmp_path: Path, options: Any, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        imitate(ImitateConfig("minecraft", out=tmp_path / "out", **options))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "steps,success\n", "steps,success\n1\n"])
def test_a_damaged_curve_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / CURVE_NAME).write_text(text)
    with pytest.raises(DamagedDataError, match=r"curve\.csv cannot be read .*train again"):
        load_curve("sparse", 0, tmp_path)


@pytest.mark.slow
def test_references_are_not_seen_by_the_agents_own_camera(
    dots: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_trainer(tiny_config(dots, tmp_path / "run", epochs=1), progress=False).fit()
    config = ImitateConfig("minecraft", run=tmp_path / "run", view="view_1")
    assert config.reading.centre == "start"
    _, chosen = open_run(config, "alignment")
    assert tuple(chosen.views) == ("view_0",) and not caplog.records
    _, chosen = open_run(replace(config, reference_views=("view_0", "view_1")), "alignment")
    assert tuple(chosen.views) == ("view_0", "view_1")
    assert "seen from view_1 too, the agent's own camera" in caplog.text


@pytest.mark.slow
def test_references_may_be_videos_alone(dots: Path, tmp_path: Path) -> None:
    make_trainer(tiny_config(dots, tmp_path / "run", epochs=1), progress=False).fit()
    video = tmp_path / "reference.mp4"
    write_video(video, EpisodeDataset(dots, "train").images(0, "view_0"), 10.0)
    config = ImitateConfig("minecraft", run=tmp_path / "run", references=(str(video),))
    embedder, chosen = open_run(config, "alignment")
    assert [each.source for each in chosen.footage(tmp_path / "run", embedder)] == [video.resolve()]
