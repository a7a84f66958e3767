"""One episode: an expert acts, and every step is recorded from every view."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from datasets.episodes import Episode
from sims.env import MultiViewEnv


def episode_seed(base_seed: int, index: int, attempt: int) -> int:
    """The seed of an attempt at an episode, the same whichever worker makes it and when."""
    return int(np.random.SeedSequence([base_seed, index, attempt]).generate_state(1)[0])


def attempt_of(base_seed: int, index: int, seed: int, limit: int) -> int | None:
    """Which attempt at an episode a seed belongs to; None if none below `limit`."""
    return next((a for a in range(limit) if episode_seed(base_seed, index, a) == seed), None)


def record(env: MultiViewEnv, seed: int) -> Episode | None:
    """Lets the expert act once and records what it does.

    Time step t holds the state as it was before action t, as robomimic has it. Everything random,
    in the environment and in the expert, comes from `seed`.

    Returns:
        The episode, or None when the expert failed by the environment's own rule.
    """
    observation, info = env.reset(seed=seed)
    frames: dict[str, dict[str, list[np.ndarray]]] = {
        part: {view: [] for view in env.views}
        for part in ("images", "keypoints", "visible", "extrinsics")
    }
    steps: dict[str, list] = defaultdict(list)
    observations: dict[str, list[np.ndarray]] = {name: [] for name in observation}
    intrinsics = {view: camera.intrinsics for view, camera in env.cameras().items()}
    for step in env.expert(np.random.default_rng([seed, 1])):
        keypoints, images, visible = env.keypoints(), env.render_views(), env.visible()
        for view, camera in env.cameras().items():
            frames["images"][view].append(images[view])
            frames["keypoints"][view].append(camera.project(keypoints)[0].astype(np.float32))
            frames["visible"][view].append(visible[view])
            frames["extrinsics"][view].append(camera.world_to_camera)
        for name, value in observation.items():
            observations[name].append(value)
        steps["keypoints_world"].append(keypoints)
        steps["states"].append(env.state())
        observation, reward, terminated, truncated, info = env.step(step.action)
        steps["actions"].append(step.action)
        steps["phases"].append(step.phase)
        steps["rewards"].append(reward)
        if terminated or truncated:
            break
    if not info["success"]:
        return None
    dones = np.zeros(len(steps["actions"]), np.int64)
    dones[-1] = 1
    return Episode(
        images={view: np.stack(value) for view, value in frames["images"].items()},
        keypoints={view: np.stack(value) for view, value in frames["keypoints"].items()},
        visible={view: np.stack(value) for view, value in frames["visible"].items()},
        intrinsics=intrinsics,
        world_to_camera={
            view: _fixed_or_moving(np.stack(value)) for view, value in frames["extrinsics"].items()
        },
        keypoints_world=np.stack(steps["keypoints_world"]),
        actions=np.stack(steps["actions"]),
        states=np.stack(steps["states"]),
        rewards=np.array(steps["rewards"]),
        dones=dones,
        phases=np.array(steps["phases"], np.uint8),
        observations={name: np.stack(value) for name, value in observations.items()},
        seed=seed,
        success=True,
        model_file=env.model_file(),
    )


def _fixed_or_moving(extrinsics: np.ndarray) -> np.ndarray:
    """(4, 4) for a camera that never moves, else (T, 4, 4)."""
    return extrinsics[0] if (extrinsics == extrinsics[0]).all() else extrinsics
