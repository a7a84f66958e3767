"""Check any multi-view environment, as `gymnasium.utils.env_checker` checks any environment."""

from __future__ import annotations

from itertools import islice

import numpy as np
from gymnasium.spaces import Space
from scipy.ndimage import distance_transform_edt

from datasets.storage.episode_file import EGO
from sims.contract import require, require_contract, require_moment, require_outcome, require_step
from sims.env import MultiViewEnv
from sims.errors import SimulatorError
from sims.moving_cameras import draw_motion
from sims.survey import BACKGROUND, ROBOT
from sims.upright import Sightings

# A visible keypoint may lie this far from the body's pixels, as a share of the image's width: 3 of
# 224 pixels, and always at least one pixel. Keypoints inside a thin link project beside its edge.
MAX_OFFSET = 3 / 224
MIN_SHARE_ON_BODY = 0.95
_PICTURE = "picture of"


def check_multi_view_env(env: MultiViewEnv, seed: int = 0, steps: int = 12) -> None:
    """Raise an AssertionError that names the first rule of `MultiViewEnv` that `env` breaks.

    The error is a `sims.errors.ContractError`.

    Pictures that are upside down or mirrored are found by the body that they show; see
    `sims.upright`, which also says when they cannot be.

    Args:
        env: The environment; it is reset.
        seed: Seed of the episode that is checked.
        steps: Number of time steps that are checked.
    """
    require_contract(env, seed)
    _check_names_and_spaces(env, seed)
    first = _record(env, seed, steps)
    require(_equal(first, _record(env, seed, steps)), "the same seed gave another episode")
    _check_seeds(env, seed)
    env.reset(seed=seed)
    state, start = env.state().copy(), _look(env)
    on_body: list[bool] = []
    seen = Sightings()
    fixed = {view: camera.world_to_camera.copy() for view, camera in env.cameras().items()}
    del fixed[EGO]
    for step in islice(env.expert(np.random.default_rng(seed)), steps):
        require_step(env, step)
        inside = env.action_space.contains(step.action)
        require(inside, f"the action {step.action} is outside its space")
        require_moment(env)
        for view, image in env.render_views().items():
            require(image.std() > 0, f"{view} shows nothing")
        on_body += keypoints_on_body(env)
        masks = env.actor_masks()
        everywhere = all(mask.all() for mask in masks.values())
        require(not everywhere, "actor_masks says that every pixel shows the body")
        seen.add(env.render_views(), masks)
        require_outcome(env.step(step.action))
        for view, pose in fixed.items():
            require(np.array_equal(env.cameras()[view].world_to_camera, pose), f"{view} has moved")
    require(bool(on_body), "no keypoint was visible in any view")
    share = float(np.mean(on_body))
    require(share >= MIN_SHARE_ON_BODY, f"only {share:.0%} of visible keypoints lie on the body")
    for view in env.views:
        require((fault := seen.fault(view)) is None, f"{fault}")
    _check_restore(env, state, start)
    _check_survey(env)
    _check_drawn_cameras(env, seed)
    _check_moved_cameras(env, seed)
    _check_drawn_scenes(env, seed)


def _check_names_and_spaces(env: MultiViewEnv, seed: int) -> None:
    expected = (EGO, *(f"view_{i}" for i in range(len(env.views) - 1)))
    require(env.views == expected, f"views are {env.views}, not {expected}")
    for name in ("action_space", "observation_space"):
        require(isinstance(getattr(env, name, None), Space), f"`{name}` is no space of Gymnasium")
    observation, _ = env.reset(seed=seed)
    inside = env.observation_space.contains(observation)
    require(inside, "the observation is outside its space")


def _record(env: MultiViewEnv, seed: int, steps: int) -> list[np.ndarray]:
    """Return all actions and observations of the first steps of an episode."""
    env.reset(seed=seed)
    seen: list[np.ndarray] = []
    for step in islice(env.expert(np.random.default_rng(seed)), steps):
        seen += [np.array(step.action), *_look(env).values()]
        env.step(step.action)
    return seen


def _look(env: MultiViewEnv) -> dict[str, np.ndarray]:
    """Return a copy of everything that the current state shows."""
    # A simulator may write the next state into the same arrays, so they are copied.
    seen = {"state": env.state(), "keypoints": env.keypoints()}
    seen |= {f"{_PICTURE} {view}": image for view, image in env.render_views().items()}
    seen |= {f"visible of {view}": visible for view, visible in env.visible().items()}
    return {name: value.copy() for name, value in seen.items()}


def _check_seeds(env: MultiViewEnv, seed: int) -> None:
    """Require that the start of an episode, without its expert, depends on the seed."""
    starts = []
    # A world with few starts may give two seeds the same one, so three are compared.
    for each in (seed, seed + 1, seed + 2):
        env.reset(seed=each)
        starts.append(list(_look(env).values()))
    same = all(_equal(starts[0], other) for other in starts[1:])
    require(not same, "other seeds began the same episode")


def _equal(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def keypoints_on_body(env: MultiViewEnv) -> list[bool]:
    """Return for each visible keypoint of each view whether it lies on the body or next to it."""
    found: list[bool] = []
    visible, masks, points = env.visible(), env.actor_masks(), env.keypoints()
    for view, camera in env.cameras().items():
        pixels, _ = camera.project(points[visible[view]])
        columns, rows = np.floor(pixels).astype(int).T
        offset = distance_transform_edt(~masks[view])
        found += (offset[rows, columns] <= max(1.0, MAX_OFFSET * env.size)).tolist()
    return found


def _check_restore(env: MultiViewEnv, state: np.ndarray, start: dict[str, np.ndarray]) -> None:
    """Require that the start of the episode can be restored from its current state."""
    env.set_state(state)
    # The tolerance is for rounding of floating-point numbers; images, of integers, must be equal.
    differing = [name for name, now in _look(env).items() if not np.allclose(now, start[name])]
    require(not differing, f"a restored state differs in {', '.join(differing)}")


def _check_moved_cameras(env: MultiViewEnv, seed: int) -> None:
    """Require that cameras which can move are seen to move, and are back in the next episode."""
    if not env.cameras_can_move:
        return
    usual = _third_person_cameras(env, seed)
    before = env.render_views()
    env.move_cameras(draw_motion(env, seed).at(0.0))
    after = env.render_views()
    for view in env.views[1:]:
        require(not np.array_equal(before[view], after[view]), f"{view} moved, but shows the same")
    on_body = keypoints_on_body(env)
    require(bool(on_body), "no keypoint was visible from moved cameras")
    share = float(np.mean(on_body))
    require(share >= MIN_SHARE_ON_BODY, f"from moved cameras, only {share:.0%} lie on the body")
    require(_equal(usual, _third_person_cameras(env, seed)), "moved cameras were kept")


def _check_drawn_cameras(env: MultiViewEnv, seed: int) -> None:
    """Require that drawn cameras depend on the seed, see the body, and last one episode only."""
    usual = _third_person_cameras(env, seed)
    try:
        drawn = _third_person_cameras(env, seed, random_cameras=True)
    except SimulatorError:
        return  # this environment does not draw cameras
    on_body = keypoints_on_body(env)
    require(bool(on_body), "no keypoint was visible from drawn cameras")
    share = float(np.mean(on_body))
    require(share >= MIN_SHARE_ON_BODY, f"from drawn cameras, only {share:.0%} lie on the body")
    again = _third_person_cameras(env, seed, random_cameras=True)
    require(_equal(drawn, again), "the same seed drew other cameras")
    other = _third_person_cameras(env, seed + 1, random_cameras=True)
    require(not _equal(drawn, other), "another seed drew the same cameras")
    require(
        _equal(usual, _third_person_cameras(env, seed)),
        "drawn cameras were kept",
    )


def _check_survey(env: MultiViewEnv) -> None:
    """Require that depth and instances, where there are any, show the robot where it is."""
    try:
        names, surveys = env.instances(), env.survey_views()
    except SimulatorError:
        return  # this environment measures neither
    require(names[:2] == (BACKGROUND, ROBOT), f"instances begin with {names[:2]}")
    require(tuple(surveys) == env.views, f"survey_views names {tuple(surveys)}, not {env.views}")
    body = env.actor_masks()
    for view, (depth, instances) in surveys.items():
        shapes = {depth.shape, instances.shape}
        require(shapes == {(env.size, env.size)}, f"depth and instances of {view} have {shapes}")
        require(instances.dtype == np.uint8, f"instances of {view} are {instances.dtype}")
        require(int(instances.max()) < len(names), f"instances of {view} have no name")
        sound = np.isfinite(depth).all() and (depth >= 0).all()
        require(bool(sound), f"depth of {view} is not finite, or negative")
        robot = instances == names.index(ROBOT)
        require(not (body[view] & ~robot).any(), f"instances of {view} miss parts of the robot")
        require(bool((depth[robot] > 0).all()), f"the robot in {view} has no depth")


def _check_drawn_scenes(env: MultiViewEnv, seed: int) -> None:
    """Require that drawn scenes change all pictures, nothing else, and last one episode only."""
    env.reset(seed=seed)
    usual = _look(env)
    try:
        env.reset(seed=seed, options={"random_scenes": True})
    except SimulatorError:
        return  # this environment does not draw scenes
    drawn = _look(env)
    for name, value in usual.items():
        same = np.array_equal(value, drawn[name])
        if name.startswith(_PICTURE):
            require(not same, f"{name} is the same in a drawn scene")
        else:
            require(same, f"{name} differs in a drawn scene")
    env.reset(seed=seed)
    require(_equal(list(_look(env).values()), list(usual.values())), "a drawn scene was kept")


def _third_person_cameras(
    env: MultiViewEnv, seed: int, random_cameras: bool = False
) -> list[np.ndarray]:
    env.reset(seed=seed, options={"random_cameras": random_cameras})
    return [env.cameras()[view].world_to_camera.copy() for view in env.views[1:]]
