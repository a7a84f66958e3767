from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from align.cloning.config import CloneConfig, PolicyConfig
from align.cloning.observers import StateObserver, require_demonstrated
from align.cloning.policy import train_policy
from align.cloning.rollouts import Rollouts, environment, roll_out
from align.cloning.study import clone_all
from align.cloning.table import Row
from datasets.episodes import EpisodeDataset
from datasets.errors import (
    DamagedDataError,
    FormatError,
    MismatchError,
    UnknownNameError,
    UserError,
)
from datasets.storage.meta import DatasetMeta

SMALL = PolicyConfig(steps=300, batch=32, lr=1e-2, width=32)


@pytest.mark.slow
def test_a_policy_learns_what_its_demonstrations_do(tmp_path: Path) -> None:
    observer, rng = StateObserver(), np.random.default_rng(0)
    sizes = {"robot0_eef_pos": 3, "robot0_eef_quat": 4, "robot0_gripper_qpos": 2, "object": 10}
    with h5py.File(tmp_path / "demos.hdf5", "w") as file:
        for number in range(4):
            group = file.create_group(f"data/demo_{number}")
            for name, size in sizes.items():
                group[f"obs/{name}"] = rng.normal(size=(50, size)).astype(np.float32)
            group["actions"] = 0.3 * np.asarray(group["obs/object"])[:, :7]
            group["rewards"], group["dones"] = np.zeros(50), np.zeros(50, np.int64)
            group.attrs["num_samples"] = 50
        file["data"].attrs["total"] = 200
        file["mask/train"] = np.array([f"demo_{i}" for i in range(4)], dtype="S")
    policy = train_policy(tmp_path / "demos.hdf5", observer, SMALL, 0, tmp_path / "out")
    seen = {name: np.zeros(size) for name, size in sizes.items()}
    seen["object"][2] = 1.0
    np.testing.assert_allclose(policy(seen), [0, 0, 0.3, 0, 0, 0, 0], atol=0.12)
    assert (tmp_path / "out/policy.safetensors").exists()
    assert '"bc"' in (tmp_path / "out/policy.json").read_text()


class Line:
    """An environment of one dimension: from a start that its seed draws to 1."""

    views = ("ego", "view_0", "view_1")
    horizon = 6

    def __init__(self) -> None:
        self.placed: list[str] = []
        self.starts: list[float] = []
        self.action_space = type("Box", (), {"low": -np.ones(1), "high": np.ones(1)})

    def reset(self, *, seed: int, options: Mapping[str, bool]) -> None:
        self.at = np.random.default_rng(seed).uniform(-1, 0)
        self.starts.append(self.at)
        self.placed.append("drawn" if options["random_cameras"] else "default")

    def place_cameras(self, rng: np.random.Generator | None) -> None:
        self.placed.append("default" if rng is None else f"at {rng.random():.6f}")

    def observe(self) -> dict[str, np.ndarray]:
        return {"at": np.array([self.at])}

    def render_view(self, view: str) -> np.ndarray:
        return np.full((2, 2, 3), self.views.index(view), np.uint8)

    def step(self, action: np.ndarray) -> tuple[object, ...]:
        self.at += 0.3 * float(action[0])
        return self.observe(), 0.0, False, False, {"success": self.at >= 1}


class Looking(StateObserver):
    """Remembers which view it has seen."""

    looks = True

    def __init__(self) -> None:
        self.seen: list[int] = []

    def of_moment(self, state, frames):
        self.seen.append(int(frames[-1][0, 0, 0]))
        return state


def test_success_is_counted_until_the_horizon() -> None:
    outcomes = roll_out(Line(), lambda _: np.array([9.0]), Looking(), "view_0", "fixed", 20, 0)
    # Six clipped steps of 0.3 reach 1 from -0.8 on.
    starts = Line()
    roll_out(starts, lambda _: np.zeros(1), Looking(), "view_0", "fixed", 20, 0)
    assert list(outcomes.successes) == [start + 1.8 >= 1 - 1e-9 for start in starts.starts]
    assert 0 < outcomes.success < 1


def test_cameras_stand_where_they_should() -> None:
    env, observer = Line(), Looking()
    roll_out(env, lambda _: np.zeros(1), observer, "view_0", "drawn", 3, 0)
    assert env.placed == ["drawn"] * 3 + ["default"]
    assert observer.seen == [1] * 6 + [2] * 6 + [1] * 6
    moved = Line()
    roll_out(moved, lambda _: np.zeros(1), observer, "view_0", "moved", 2, 0)
    assert moved.placed[1] == moved.placed[3] != "default"
    assert moved.placed[-1] == "default"


def test_starts_depend_on_the_seed_alone() -> None:
    first, again, other = Line(), Line(), Line()
    for env, seed in ((first, 0), (again, 0), (other, 1)):
        roll_out(env, lambda _: np.zeros(1), Looking(), "view_0", "fixed", 3, seed)
    assert first.starts == again.starts
    assert not set(first.starts) & set(other.starts)
    assert len(set(first.starts)) == 3


def test_a_data_set_of_no_environment_is_refused() -> None:
    meta = DatasetMeta("dots", ["ego", "view_0"], "panda", 32, 0, ["all"], 20.0)
    with pytest.raises(MismatchError, match="dots"), environment(meta):
        pass
    moving = replace(meta, env="lift", moving_cameras=True)
    with pytest.raises(MismatchError, match="--moving-cameras"), environment(moving):
        pass


def test_a_row_has_the_interval_of_all_rollouts() -> None:
    tried = [Rollouts("fixed", (True,) * 8 + (False,) * 2), Rollouts("fixed", (True,) * 10)]
    (row,) = Row.of_all([("states", each) for each in tried])
    assert (row.policies, row.rollouts, row.success) == (2, 20, 0.9)
    assert (round(row.low, 3), round(row.high, 3)) == (0.699, 0.972)  # Wilson's, 18 of 20


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rollouts of a few steps."""
    from sims.robosuite.lift import LiftEnv

    monkeypatch.setattr(LiftEnv, "horizon", 4)


@pytest.mark.slow
@pytest.mark.usefixtures("short")
def test_policies_are_cloned_and_tried_once(lift_dataset: Path, deit: Path, tmp_path: Path) -> None:
    config = CloneConfig(
        lift_dataset,
        observe=("states", "pixels", str(deit)),
        rollouts=1,
        out=tmp_path,
        policy=PolicyConfig(steps=2, batch=8, width=16),
    )
    rows = clone_all(config)
    assert [(row.observed, row.cameras) for row in rows] == [
        (observed, cameras)
        for observed in config.observe
        for cameras in ("fixed", "moved", "drawn")
    ]
    table = (tmp_path / "results.csv").read_text()
    results = sorted(tmp_path.glob("*/seed0/result.json"))
    written = [path.stat().st_mtime_ns for path in results]
    assert clone_all(config) == rows
    assert [path.stat().st_mtime_ns for path in results] == written
    assert (tmp_path / "results.csv").read_text() == table
    with pytest.raises(MismatchError, match="other options"):
        clone_all(replace(config, rollouts=2))
    result = tmp_path / "states" / "seed0" / "result.json"
    result.rename(tmp_path / "kept.json")
    demonstrations = tmp_path / "states" / "demonstrations.hdf5"
    with h5py.File(demonstrations, "a") as file:
        for values in file["data/demo_0/obs"].values():
            values[:] = values[:] + 1
    with pytest.raises(MismatchError, match="trained again"):
        clone_all(config)
    demonstrations.write_bytes(b"")
    with pytest.raises(DamagedDataError, match=r"demonstrations\.hdf5 cannot be read"):
        clone_all(config)
    (tmp_path / "kept.json").rename(result)
    origin = tmp_path / "data.json"
    text = origin.read_text()
    origin.write_text(re.sub(r'"digest": ?"\w+"', f'"digest": "{"0" * 64}"', text))
    with pytest.raises(MismatchError, match="is not the data"):
        clone_all(config)
    origin.write_text(text)
    results[0].write_text("{")
    with pytest.raises(FormatError, match=r"result\.json"):
        clone_all(config)


@pytest.mark.slow
def test_an_unknown_view_is_refused(lift_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="view_1"):
        clone_all(CloneConfig(lift_dataset, views=("view_7",), out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"observe": ("states", "states")}, "--observe names states twice"),
        ({"observe": ("runs/a", "runs_a")}, "would be stored in one folder"),
        ({"seeds": (0, 0)}, "--seeds names 0 twice"),
        ({"observe": ("states", "nowhere")}, "nowhere"),
        ({"episodes": 99}, "99 were requested"),
        ({"policy": PolicyConfig(batch=10_000)}, r"--policy\.batch 10000 is more than"),
    ],
)
def test_a_study_is_checked_before_its_first_policy(
    lift_dataset: Path, tmp_path: Path, options, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        clone_all(CloneConfig(lift_dataset, out=tmp_path / "out", **options))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("spoil", [lambda v: v * np.nan, lambda v: v[:-1]])
def test_actions_that_cannot_be_learned_from_are_named(
    lift_dataset: Path, tmp_path: Path, spoil
) -> None:
    data = EpisodeDataset(lift_dataset, "train")
    broken = spoil(data.actions(0))
    with pytest.raises(DamagedDataError, match=r"actions must be finite numbers for each of its"):
        require_demonstrated(broken, data, 0, "actions")
