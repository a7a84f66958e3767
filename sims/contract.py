"""What every `MultiViewEnv` returns, checked on one moment and one step of a world."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from inspect import signature
from numbers import Integral, Real
from typing import Any

import numpy as np

from datasets.cameras import Camera
from datasets.skeletons import Skeleton
from datasets.storage.episode_file import EGO
from sims.env import MultiViewEnv
from sims.errors import ContractError

# Letters of numpy's kinds of numbers.
NUMBERS = "fiub"


def require_contract(env: MultiViewEnv, seed: int = 0) -> None:
    """Checks the types and shapes of all that a world returns, in one episode's first step.

    Args:
        env: The world; it is reset.
        seed: Seed of the episode.

    Raises:
        ContractError: At the first part that breaks the contract of `MultiViewEnv`; names it.
    """
    require_whole(type(env))
    _require_facts(env)
    _require_options(env)
    outcome = env.reset(seed=seed)
    require(_is_tuple(outcome, 2), f"reset returned {_kind(outcome)}, not (observation, info)")
    observation, info = outcome
    _require_observation(observation)
    _require_info(info, "reset")
    require_moment(env)
    steps = env.expert(np.random.default_rng(seed))
    require(hasattr(steps, "__next__"), f"expert returned {_kind(steps)}, not an iterator of steps")
    step = next(steps, None)
    if step is None:
        raise ContractError("expert ended without a step.")
    require_step(env, step)
    require_outcome(env.step(step.action))


def require_one_shape(values: Sequence[np.ndarray], name: str, steps: int) -> None:
    """Checks that every step of an episode has a value, and that all have one shape.

    Args:
        values: The values, in the order of the steps.
        name: What they are, for messages.
        steps: Number of steps of the episode.

    Raises:
        ContractError: When they do not; names the first step that differs.
    """
    require(len(values) == steps, f"{name} is there in {len(values)} of {steps} steps")
    for index, value in enumerate(values):
        first, own = values[0].shape, value.shape
        require(own == first, f"{name} has the shape {own} in step {index}, and {first} before")


def require(condition: bool | np.bool_, message: str) -> None:
    """Raises a ContractError with this message where the condition does not hold."""
    if not condition:
        raise ContractError(f"{message}.")


def require_whole(kind: type[MultiViewEnv]) -> None:
    """Raises a ContractError that names the methods that a class of worlds does not have."""
    names = sorted(n for n in dir(kind) if getattr(getattr(kind, n), "__isabstractmethod__", False))
    require(not names, f"{kind.__name__} lacks {', '.join(names)}: write these methods")


def _kind(value: Any) -> str:
    """What a value is, for messages."""
    return "None" if value is None else f"a {type(value).__name__}"


def _is_tuple(value: Any, length: int) -> bool:
    return isinstance(value, tuple) and len(value) == length


def _require_facts(env: MultiViewEnv) -> None:
    """The attributes of a world, which do not change."""
    for name, kind, words in (
        ("views", tuple | list, "a tuple of names"),
        ("phases", tuple | list, "a tuple of names"),
        ("skeleton", Skeleton, "a Skeleton"),
        ("size", Integral, "a whole number"),
        ("control_hz", Real, "a number"),
        ("name", str, "a word"),
    ):
        value = getattr(env, name, None)
        require(isinstance(value, kind), f"`{name}` is {_kind(value)}, not {words}")
    require(tuple(env.views[:1]) == (EGO,), f"the views {env.views} do not begin with {EGO!r}")
    require(len(env.phases) > 0, "`phases` names no phase")
    require(0 < env.control_hz < np.inf, f"`control_hz` is {env.control_hz}, not above 0")
    arguments = env.env_args()
    try:
        json.dumps(arguments)
    except TypeError as error:
        raise ContractError(f"env_args cannot be written as JSON ({error}).") from None
    require(isinstance(arguments, dict), f"env_args returned {_kind(arguments)}, not a dict")


def _require_options(env: MultiViewEnv) -> None:
    """Checks that `reset` can be called as Gymnasium calls it."""
    try:
        signature(env.reset).bind(seed=0, options={})
    except TypeError as error:
        raise ContractError(
            f"reset cannot be called with seed and options ({error}): write `def reset(self, *, "
            "seed=None, options=None)`, or override `begin` instead."
        ) from None


def require_moment(env: MultiViewEnv) -> None:
    """Checks all that is read from the current state; errors as of `require_contract`."""
    cameras = _of_views(env, "cameras")
    for view, camera in cameras.items():
        _require_camera(env, view, camera)
    for view, image in _of_views(env, "render_views").items():
        require_array(image, view, (env.size, env.size, 3), "uint8")
    points = env.keypoints()
    require_array(points, "keypoints", (len(env.skeleton), 3), NUMBERS)
    for view, visible in _of_views(env, "visible").items():
        require_array(visible, f"visible of {view}", (len(env.skeleton),), "bool")
        inside = cameras[view].contains(cameras[view].project(points)[0])
        require(bool(inside[visible].all()), f"keypoints are visible outside {view}")
    for view, mask in _of_views(env, "actor_masks").items():
        require_array(mask, f"actor_masks of {view}", (env.size, env.size), "bool")
    state, model, success = env.state(), env.model_file(), env.success()
    require_array(state, "state", (np.size(state),), NUMBERS)
    require(isinstance(model, str | None), f"model_file returned {_kind(model)}, not text or None")
    _require_truth(success, "success")


def _of_views(env: MultiViewEnv, method: str) -> Mapping[str, Any]:
    found = getattr(env, method)()
    require(isinstance(found, Mapping), f"{method} returned {_kind(found)}, not a dict of views")
    require(tuple(found) == tuple(env.views), f"{method} names {tuple(found)}, not {env.views}")
    return dict(found)


def _require_camera(env: MultiViewEnv, view: str, camera: Any) -> None:
    require(isinstance(camera, Camera), f"{view}'s camera is {_kind(camera)}, not a Camera")
    size = camera.height, camera.width
    require(size == (env.size, env.size), f"{view}'s camera is for pictures of {size}")
    rotation = camera.world_to_camera[:3, :3]
    orthonormal = np.allclose(rotation @ rotation.T, np.eye(3)) and np.linalg.det(rotation) > 0
    require(bool(orthonormal), f"{view}'s rotation is not a rotation matrix")


def require_array(value: Any, name: str, shape: tuple[int, ...], kind: str) -> None:
    """Checks an array.

    Args:
        value: The array.
        name: What it is, for messages.
        shape: Its shape.
        kind: Name of its dtype, or `NUMBERS` for any kind of number.

    Raises:
        ContractError: When it is another, or not finite.
    """
    require(isinstance(value, np.ndarray), f"{name} is {_kind(value)}, not a numpy array")
    require(value.shape == shape, f"{name}: its shape is {value.shape}, not {shape}")
    fits = value.dtype.kind in NUMBERS if kind == NUMBERS else value.dtype.name == kind
    wanted = "numbers" if kind == NUMBERS else kind
    require(fits, f"{name}: its type is {value.dtype}, not {wanted}")
    require(bool(np.isfinite(value).all()), f"{name}: some of its values are not finite")


def _require_truth(value: Any, name: str) -> None:
    require(
        isinstance(value, bool | int | np.bool_), f"`{name}` is {_kind(value)}, not True or False"
    )


def _require_observation(observation: Any) -> None:
    require(isinstance(observation, dict), f"the observation is {_kind(observation)}, not a dict")
    for name, value in observation.items():
        array = np.asarray(value)
        require_array(array, f"observation {name!r}", array.shape, NUMBERS)


def _require_info(info: Any, method: str) -> None:
    require(isinstance(info, dict), f"the info of {method} is {_kind(info)}, not a dict")
    require("success" in info, f"the info of {method} lacks `success`")
    _require_truth(info["success"], f'info["success"] of {method}')


def require_step(env: MultiViewEnv, step: Any) -> None:
    """Checks a step of the expert; errors as of `require_contract`."""
    whole = hasattr(step, "action") and hasattr(step, "phase")
    require(whole, f"expert yielded {_kind(step)}, not a sims.env.Step")
    phase, action = step.phase, step.action
    named = isinstance(phase, int | np.integer) and 0 <= phase < len(env.phases)
    require(named, f"phase {phase!r} has no name")
    action = np.asarray(action)
    require_array(action, "the action", action.shape, NUMBERS)


def require_outcome(outcome: Any) -> None:
    """Checks what `step` returned; errors as of `require_contract`."""
    what = "(observation, reward, terminated, truncated, info)"
    require(_is_tuple(outcome, 5), f"step returned {_kind(outcome)}, not {what}")
    observation, reward, terminated, truncated, info = outcome
    _require_observation(observation)
    finite = isinstance(reward, Real) and math.isfinite(reward)
    require(finite, f"the reward is {reward!r}, not a finite number")
    _require_truth(terminated, "terminated")
    _require_truth(truncated, "truncated")
    _require_info(info, "step")
