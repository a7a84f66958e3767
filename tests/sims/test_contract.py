"""What a class of one's own returns is checked by the checker, and before generation begins."""

from pathlib import Path

import numpy as np
import pytest

import sims
from datasets.errors import UserError
from sims import contract, rollout
from sims.checker import check_multi_view_env
from sims.contract import require_contract
from sims.env import MultiViewEnv, Step
from sims.errors import ContractError
from sims.rollout import record
from tests.sims.toy import ToyEnv


def returning(method, change):
    """The toy with another return value of one method."""

    def changed(self, *arguments, **options):
        return change(getattr(ToyEnv, method)(self, *arguments, **options))

    return type("Changed", (ToyEnv,), {method: changed})


def of_views(change):
    return lambda found: {view: change(value) for view, value in found.items()}


def steps(change):
    return lambda found: (change(step) for step in found)


BROKEN = [
    ("render_views", of_views(lambda image: image / 255), "ego: its type is float64, not uint8"),
    ("render_views", of_views(lambda image: image.astype(np.uint16)), "type is uint16, not uint8"),
    ("render_views", of_views(lambda image: image[..., 0]), r"ego: its shape is \(32, 32\)"),
    ("render_views", of_views(np.ndarray.tolist), "ego is a list, not a numpy array"),
    ("render_views", lambda found: None, "render_views returned None, not a dict of views"),
    ("render_views", lambda found: tuple(found.values()), "render_views returned a tuple"),
    ("keypoints", lambda found: found * np.nan, "keypoints: some of its values are not finite"),
    ("visible", of_views(lambda seen: seen.astype(int)), "visible of ego: its type is int64"),
    ("visible", of_views(np.ndarray.tolist), "visible of ego is a list"),
    ("cameras", of_views(lambda camera: {"K": camera.intrinsics}), "ego's camera is a dict"),
    ("actor_masks", of_views(lambda mask: mask * 255), "actor_masks of ego: its type is"),
    ("actor_masks", of_views(lambda mask: mask[:-1]), "actor_masks of ego: its shape is"),
    ("state", lambda found: None, "state is None"),
    ("state", lambda found: found[None], r"state: its shape is \(1, 6\), not \(6,\)"),
    ("state", lambda found: found * np.inf, "state: some of its values are not finite"),
    ("observe", lambda found: found["hand"], "the observation is a ndarray, not a dict"),
    ("observe", lambda found: {"hand": found["hand"] * np.nan}, "observation 'hand': some"),
    ("step", lambda found: found[:4], "step returned a tuple, not .observation, reward"),
    ("step", lambda found: None, "step returned None"),
    ("step", lambda found: (*found[:4], {}), "the info of step lacks `success`"),
    ("step", lambda found: (found[0], np.nan, *found[2:]), "the reward is nan, not a finite"),
    ("reset", lambda found: found[0], r"reset returned a dict, not \(observation, info\)"),
    ("reset", lambda found: (found[0], {}), "the info of reset lacks `success`"),
    ("success", lambda found: None, "is None, not True or False"),
    ("expert", steps(lambda step: step.action), "expert yielded a ndarray, not a sims.env.Step"),
    ("expert", steps(lambda step: Step(step.action, "reach")), "phase 'reach' has no name"),
    ("expert", steps(lambda step: Step(step.action, -1)), "phase -1 has no name"),
    ("expert", steps(lambda step: Step(step.action * np.nan, 0)), "the action: some of its values"),
    ("expert", lambda found: iter(()), "expert ended without a step"),
    ("expert", lambda found: None, "expert returned None, not an iterator"),
    ("env_args", lambda found: None, "env_args returned None, not a dict"),
    ("env_args", lambda found: {"place": np.zeros(3)}, "env_args cannot be written as JSON"),
    ("model_file", lambda found: Path("scene.xml"), "model_file returned a PosixPath, not text"),
]


@pytest.mark.parametrize(("method", "change", "complaint"), BROKEN)
def test_a_wrong_return_value_is_named(method, change, complaint):
    env = returning(method, change)(views=1)
    for check in (require_contract, check_multi_view_env):
        with pytest.raises(ContractError, match=complaint):
            check(env)


@pytest.mark.parametrize(
    ("attribute", "value", "complaint"),
    [
        ("phases", (), "`phases` names no phase"),
        ("phases", "rh", "`phases` is a str, not a tuple of names"),
        ("skeleton", None, "`skeleton` is None, not a Skeleton"),
        ("control_hz", 0, "`control_hz` is 0, not above 0"),
        ("control_hz", "10", "`control_hz` is a str, not a number"),
        ("name", None, "`name` is None, not a word"),
        ("views", "ego", "`views` is a str, not a tuple of names"),
        ("views", ("front", "side"), "the views .* do not begin with 'ego'"),
        ("size", 32.0, "`size` is a float, not a whole number"),
    ],
)
def test_a_wrong_attribute_is_named(attribute, value, complaint):
    env = ToyEnv()
    setattr(env, attribute, value)
    with pytest.raises(ContractError, match=complaint):
        require_contract(env)


def test_visible_keypoints_outside_a_picture_are_named():
    class Far(ToyEnv):
        def keypoints(self):
            return super().keypoints() + [0, 0, 50]

        def visible(self):
            return {view: np.ones_like(seen) for view, seen in super().visible().items()}

    with pytest.raises(ContractError, match="keypoints are visible outside ego"):
        require_contract(Far())


def test_methods_that_a_class_lacks_are_named():
    class Half(MultiViewEnv):
        def keypoints(self):
            return np.zeros((1, 3))

    with pytest.raises(ContractError, match="Half lacks actor_masks, begin, cameras, env"):
        require_contract(Half())


class WithoutArguments(ToyEnv):
    def __init__(self):
        super().__init__()


class ItsOwnSize(ToyEnv):
    def __init__(self, views=2, size=32):
        super().__init__(views, 64)


class ItsOwnViews(ToyEnv):
    def __init__(self, views=2, size=32):
        super().__init__(3, size)


class Grey(ToyEnv):
    def render_views(self):
        return {view: image[..., 0] for view, image in super().render_views().items()}


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        (WithoutArguments, "cannot be made with views, size .*let its __init__ take these"),
        (ItsOwnSize, "has pictures of 64 pixels, not of 48"),
        (ItsOwnViews, "has the views .*, not 1"),
    ],
)
def test_a_class_that_does_not_take_views_and_size_is_named(kind, complaint):
    with pytest.raises(ContractError, match=f"{__name__}:{kind.__name__} {complaint}"):
        sims.make(f"{__name__}:{kind.__name__}", views=1, size=48)


def test_generation_checks_the_contract_before_any_work(tmp_path):
    from sims.generate import GenerateConfig, generate

    config = GenerateConfig(f"{__name__}:Grey", episodes=1, size=32, out=tmp_path / "none")
    with pytest.raises(UserError, match=f"{__name__}:Grey breaks the contract .*: ego: its shape"):
        generate(config)
    assert not config.root.exists()


def test_an_expert_that_does_not_end_is_stopped(monkeypatch):
    class Endless(ToyEnv):
        def expert(self, rng):
            while True:
                yield Step(np.zeros(3), 0)

    monkeypatch.setattr(rollout, "MOST_STEPS", 5)
    with pytest.raises(ContractError, match="the expert of toy has not ended after 5 steps"):
        record(Endless(views=1), seed=0)


class Growing(ToyEnv):
    def state(self):
        return np.zeros(6 if self._hand[0] < 0.35 else 7)


class Forgetful(ToyEnv):
    def observe(self):
        return super().observe() if self._hand[0] < 0.35 else {}


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        (Growing, r"state has the shape \(7,\) in step \d+, and \(6,\) before"),
        (Forgetful, r"observation 'hand' is there in \d+ of \d+ steps"),
    ],
)
def test_what_changes_during_an_episode_is_named(kind, complaint):
    with pytest.raises(ContractError, match=complaint):
        record(kind(views=1), seed=0)


class Stubborn(ToyEnv):
    def reset(self, seed=None):
        return super().reset(seed=seed)


def test_a_reset_without_options_is_named():
    with pytest.raises(ContractError, match=r"reset cannot be called with seed and options"):
        require_contract(Stubborn(views=1))


def test_masks_of_everything_are_named():
    everything = returning("actor_masks", of_views(np.ones_like))(views=1)
    contract.require_contract(everything)
    with pytest.raises(ContractError, match="every pixel shows the body"):
        check_multi_view_env(everything)
