"""Rollouts: an expert acts in an environment, and every step is recorded from every view."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from datasets.cameras import Camera
from datasets.episodes import Episode
from sims.contract import require_one_shape, require_step
from sims.env import EXPERT_STREAM, FAILURE_STREAM, MultiViewEnv, Step
from sims.errors import ContractError
from sims.given_cameras import GivenCameras
from sims.moving_cameras import CameraMotion, draw_motion
from sims.survey import Survey, millimetres

# An expert that goes on for longer has lost its way, and its pictures would fill the memory.
MOST_STEPS = 20_000


def episode_seed(base_seed: int, index: int, attempt: int) -> int:
    """The seed of an attempt at an episode; it does not depend on the worker or the order."""
    return int(np.random.SeedSequence([base_seed, index, attempt]).generate_state(1)[0])


def attempt_of(base_seed: int, index: int, seed: int, limit: int) -> int | None:
    """Number of the attempt at an episode that has this seed; None if none below `limit` has."""
    return next((a for a in range(limit) if episode_seed(base_seed, index, a) == seed), None)


# Measures depth and instances of every view.
Surveyor = Callable[[], Mapping[str, Survey]]


class Seen(Protocol):
    """A recorded moment: state, the cameras that see it, and its keypoints; see `MultiViewEnv`."""

    @property
    def views(self) -> tuple[str, ...]: ...  # noqa: D102
    def cameras(self) -> dict[str, Camera]: ...  # noqa: D102
    def render_views(self) -> dict[str, UInt8[np.ndarray, "height width 3"]]: ...  # noqa: D102
    def keypoints(self) -> Float[np.ndarray, "keypoints 3"]: ...  # noqa: D102
    def visible(self) -> dict[str, Bool[np.ndarray, " keypoints"]]: ...  # noqa: D102
    def state(self) -> Float[np.ndarray, " state"]: ...  # noqa: D102
    def model_file(self) -> str | None: ...  # noqa: D102


class Recording:
    """The record of one episode: state, pictures and keypoints of each time step."""

    def __init__(self, env: Seen, survey: Surveyor | None = None, *streams: str) -> None:
        """Begins a recording of the environment's current episode.

        Args:
            env: The environment.
            survey: Measures depth and instances of its current state, where they are recorded.
            *streams: `depth`, `masks`, or both.
        """
        self._env, self._survey_views, self._streams = env, survey, streams
        self._intrinsics = {view: camera.intrinsics for view, camera in env.cameras().items()}
        self._frames: dict[str, dict[str, list[np.ndarray]]] = {
            part: {view: [] for view in env.views}
            for part in ("images", "keypoints", "visible", "extrinsics", "depth", "masks")
        }
        self._steps: dict[str, list[np.ndarray]] = defaultdict(list)
        self._observations: dict[str, list[np.ndarray]] = defaultdict(list)

    def look(self, observation: Mapping[str, np.ndarray]) -> None:
        """Adds the current state, and the actor's observation of it, as the next time step.

        All arrays are copied: a simulator may fill the same arrays at every step.
        """
        env, frames = self._env, self._frames
        keypoints, images, visible = env.keypoints(), env.render_views(), env.visible()
        for view, camera in env.cameras().items():
            frames["images"][view].append(images[view].copy())
            frames["keypoints"][view].append(camera.project(keypoints)[0].astype(np.float32))
            frames["visible"][view].append(visible[view].copy())
            frames["extrinsics"][view].append(camera.world_to_camera.copy())
        if self._survey_views is not None:
            self._add_survey(self._survey_views())
        for name, value in observation.items():
            self._observations[name].append(np.array(value))
        self._steps["keypoints_world"].append(keypoints.copy())
        self._steps["states"].append(env.state().copy())

    def _add_survey(self, views: Mapping[str, Survey]) -> None:
        for view, survey in views.items():
            if "depth" in self._streams:
                self._frames["depth"][view].append(millimetres(survey.depth))
            if "masks" in self._streams:
                self._frames["masks"][view].append(survey.instances.copy())

    def _survey_of(self, stream: str) -> dict[str, np.ndarray]:
        return _stacked(self._frames[stream]) if stream in self._streams else {}

    def episode(self, phases: Sequence[int], **parts: Any) -> Episode:
        """The episode of all steps so far, which ends the recording.

        Args:
            phases: The phase of each step.
            **parts: The episode's other parts, such as actions, rewards and seed.
        """
        frames = self._frames
        extrinsics = _stacked(frames["extrinsics"])
        return Episode(
            images=_stacked(frames["images"]),
            keypoints=_stacked(frames["keypoints"]),
            visible=_stacked(frames["visible"]),
            intrinsics=self._intrinsics,
            world_to_camera={view: _fixed_or_moving(value) for view, value in extrinsics.items()},
            depth=self._survey_of("depth"),
            masks=self._survey_of("masks"),
            keypoints_world=np.stack(self._steps["keypoints_world"]),
            states=_of_one_shape("state", self._steps["states"], len(phases)),
            phases=np.array(phases, np.uint8),
            observations={
                name: _of_one_shape(f"observation {name!r}", values, len(phases))
                for name, values in self._observations.items()
            },
            model_file=self._env.model_file(),
            **parts,
        )


def _begin(env: MultiViewEnv, depth: bool, masks: bool) -> Recording:
    streams = ["depth"] * depth + ["masks"] * masks
    return Recording(env, env.survey_views if streams else None, *streams)


def record(
    env: MultiViewEnv,
    seed: int,
    random_cameras: bool = False,
    *,
    moving_cameras: bool = False,
    on_paths: GivenCameras | None = None,
    random_scenes: bool = False,
    depth: bool = False,
    masks: bool = False,
) -> Episode | None:
    """Records one episode of the environment's expert.

    Time step t holds the state before action t, as in robomimic. All random draws, of the
    environment and of the expert, come from `seed`.

    Args:
        env: The environment.
        seed: Seed of the episode.
        random_cameras: Whether the seed also draws the third-person cameras.
        moving_cameras: Whether the third-person cameras move about their places; see
            `sims.moving_cameras`.
        on_paths: Third-person cameras that move on given paths, instead of about their places.
        random_scenes: Whether the seed also draws textures, colours and lights.
        depth: Whether depth is recorded too.
        masks: Whether instances are recorded too.

    Returns:
        The episode, or None when the expert failed by the environment's own rule.

    Raises:
        SimulatorError: When the environment cannot do what is asked for.
        MismatchError: When the episode goes on after the end of a path.
    """
    options = {"random_cameras": random_cameras, "random_scenes": random_scenes}
    observation, info = env.reset(seed=seed, options=options)
    steps = env.expert(np.random.default_rng([seed, EXPERT_STREAM]))
    recording = _begin(env, depth, masks)
    moving = _moving(env, seed, moving_cameras, on_paths)
    return _recorded(env, seed, steps, observation, recording, moving, success=True)


def record_failure(
    env: MultiViewEnv,
    seed: int,
    random_cameras: bool = False,
    *,
    moving_cameras: bool = False,
    on_paths: GivenCameras | None = None,
    random_scenes: bool = False,
    depth: bool = False,
    masks: bool = False,
) -> Episode | None:
    """Records one episode in which the environment's expert is made to fail.

    The arguments and errors are those of `record`; None is returned when the task is solved at the
    end all the same.
    """
    options = {"random_cameras": random_cameras, "random_scenes": random_scenes}
    observation, _ = env.reset(seed=seed, options=options)
    expert, failure = (
        np.random.default_rng([seed, stream]) for stream in (EXPERT_STREAM, FAILURE_STREAM)
    )
    recording = _begin(env, depth, masks)
    steps = env.failing_expert(expert, failure)
    moving = _moving(env, seed, moving_cameras, on_paths)
    return _recorded(env, seed, steps, observation, recording, moving, success=False)


def _moving(
    env: MultiViewEnv, seed: int, moving_cameras: bool, on_paths: GivenCameras | None
) -> CameraMotion | GivenCameras | None:
    """The motion of the third-person cameras in an episode that `reset` began."""
    return draw_motion(env, seed) if moving_cameras else on_paths


def _recorded(
    env: MultiViewEnv,
    seed: int,
    steps: Iterator[Step],
    observation: Mapping[str, np.ndarray],
    recording: Recording,
    moving: CameraMotion | GivenCameras | None,
    success: bool,
) -> Episode | None:
    """The episode of an expert's steps; None where it does not end as it should."""
    actions: list[np.ndarray] = []
    phases, rewards = [], []
    for step in steps:
        require_step(env, step)
        if len(actions) == MOST_STEPS:
            raise ContractError(
                f"the expert of {env.name} has not ended after {MOST_STEPS} steps: let it end, or "
                "let `step` return truncated."
            )
        if moving is not None:
            env.move_cameras(moving.at(len(actions) / env.control_hz))
        recording.look(observation)
        observation, reward, terminated, truncated, info = env.step(step.action)
        actions.append(np.array(step.action))
        phases.append(step.phase)
        rewards.append(reward)
        if terminated or truncated:
            break
    if info["success"] != success:
        return None
    return recording.episode(
        phases,
        actions=np.stack(actions),
        rewards=np.array(rewards),
        dones=done_at_end(len(actions)),
        seed=seed,
        success=success,
    )


def done_at_end(steps: int) -> Int[np.ndarray, " time"]:
    """1 at the last time step, 0 before."""
    dones = np.zeros(steps, np.int64)
    dones[-1] = 1
    return dones


def _stacked(steps: dict[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    """Each view's arrays in one, taken out of `steps`: two copies of all pictures are large."""
    return {view: np.stack(steps.pop(view)) for view in list(steps)}


def _of_one_shape(name: str, values: Sequence[np.ndarray], steps: int) -> np.ndarray:
    require_one_shape(values, name, steps)
    return np.stack(values)


def _fixed_or_moving(extrinsics: np.ndarray) -> np.ndarray:
    """(4, 4) for a camera that never moves, else (T, 4, 4)."""
    return extrinsics[0] if (extrinsics == extrinsics[0]).all() else extrinsics
