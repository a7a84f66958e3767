"""Pick's rule of success and its physics, restored and repeated anywhere."""

import hashlib
import subprocess
import sys
from itertools import islice

import numpy as np
import pytest

import sims
from datasets.errors import UnknownNameError
from sims.bullet import client as bullet
from sims.bullet.pick_expert import CARRY
from sims.bullet.pick_scene import MIN_DISTANCE, Layout
from sims.errors import SimulatorError

STAY_OPEN = np.array([0, 0, 0, 0, 0, 0, -1.0])


def act_until(env, phase, seed):
    """Lets the expert act up to the first step of a phase."""
    env.reset(seed=seed)
    for step in env.expert(np.random.default_rng(seed)):
        if step.phase == phase:
            return
        env.step(step.action)


def put_cube(env, place):
    """Puts the cube upright and at rest somewhere."""
    env._client.call("resetBasePositionAndOrientation", env._cube, list(place), [0, 0, 0, 1])


def test_a_cube_that_was_never_lifted_does_not_count(pick):
    pick.reset(seed=1)
    put_cube(pick, pick.cube_on_spot())
    *_, info = pick.step(STAY_OPEN)
    assert not info["success"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("offset", "solved"),
    [((0, 0, 0), True), ((0.025, 0, 0), True), ((0.04, 0, 0), False), ((0, 0, 0.02), False)],
)
def test_a_lifted_cube_counts_when_it_stands_on_the_spot(pick, offset, solved):
    act_until(pick, CARRY, seed=1)
    assert not pick.success()
    put_cube(pick, pick.cube_on_spot() + offset)
    assert pick.success() == solved


@pytest.mark.slow
def test_the_cube_hangs_on_contact_alone(pick):
    """Opened fingers drop it, and no constraint ties it to anything."""
    act_until(pick, CARRY, seed=1)
    assert pick.cube_pose()[0][2] > 0.08
    constraints = range(1, 1 + pick._client.call("getNumConstraints"))
    ties = [pick._client.call("getConstraintInfo", number) for number in constraints]
    assert [(tie[0], tie[2]) for tie in ties] == [(pick._panda.body, pick._panda.body)]
    for _ in range(15):
        pick.step(STAY_OPEN)
    assert pick.cube_pose()[0][2] < 0.03


def test_a_full_action_moves_the_hand_its_way_and_none_leaves_it(pick):
    pick.reset(seed=0)
    start, _ = pick.gripper_pose()
    for _ in range(20):
        pick.step(STAY_OPEN)
    rested, _ = pick.gripper_pose()
    assert np.linalg.norm(rested - start) < 2e-3
    for _ in range(5):
        pick.step(STAY_OPEN + [0, 1, 0, 0, 0, 0, 0])
    moved = pick.gripper_pose()[0] - rested
    assert moved[1] > 0.05
    assert np.abs(moved[[0, 2]]).max() < 0.01


def test_layouts_keep_cube_and_spot_apart():
    for seed in range(200):
        layout = Layout.draw(np.random.default_rng(seed))
        assert np.linalg.norm(layout.cube - layout.spot) >= MIN_DISTANCE


@pytest.mark.slow
def test_restored_states_go_on_alike_whatever_was_simulated_between(pick):
    """From before, within and after the grasp; also in an environment that saw nothing else."""
    act_until(pick, len(pick.phases), seed=7)
    states, actions = [], []
    pick.reset(seed=7)
    for step in pick.expert(np.random.default_rng(7)):
        states.append(pick.state())
        actions.append(step.action)
        pick.step(step.action)

    def go_on(env, start):
        env.set_state(states[start])
        for action in actions[start : start + 3]:
            env.step(action)
        return env.state()

    fresh = sims.make("pick", views=1, size=32)
    for start in range(5, len(states) - 3, 9):
        first = go_on(pick, start)
        go_on(pick, (start * 7) % len(states))
        assert np.array_equal(go_on(pick, start), first)
        fresh.reset(seed=7)
        assert np.array_equal(go_on(fresh, start), first)
        # The contact forces of the first time are not part of a state: positions stay close.
        positions = [*range(2, 11), 20, 21, 22]
        assert np.abs(first - states[start + 3])[positions].max() < 3e-3
    fresh.close()


def digest(env):
    env.reset(seed=4)
    for step in islice(env.expert(np.random.default_rng(4)), 40):
        env.step(step.action)
    pictures = b"".join(image.tobytes() for image in env.render_views().values())
    return hashlib.sha256(env.state().tobytes() + pictures).hexdigest()


@pytest.mark.slow
def test_a_seed_gives_the_same_bytes_in_any_process(pick):
    program = (
        "import sims; from tests.sims.bullet.test_pick import digest\n"
        "print(digest(sims.make('pick', views=3, size=112)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr == ""  # nothing of PyBullet's own talk
    act_until(pick, CARRY, seed=9)
    assert done.stdout.strip() == digest(pick)


def test_close_stops_the_server_and_may_be_repeated():
    env = sims.make("pick", views=1, size=32)
    server = env._client.id
    env.close()
    env.close()
    assert not env._client.api.getConnectionInfo(server)["isConnected"]


def test_a_missing_pybullet_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "pybullet", None)
    bullet.import_pybullet.cache_clear()
    with pytest.raises(SimulatorError, match=r"pip install 'posealign\[pybullet\]'"):
        sims.make("pick")


def test_an_unknown_renderer_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="'tyni'.* 'tiny'"):
        sims.make("pick", renderer="tyni")


def test_a_renderer_that_fails_is_refused_or_passed_over(monkeypatch):
    monkeypatch.setattr(bullet, "_egl_complaint", lambda: "eglGetDisplay failed")
    with pytest.raises(SimulatorError, match="eglGetDisplay failed.*renderer='tiny'"):
        sims.make("pick", renderer="egl")
    monkeypatch.setattr(bullet, "GPU_DEVICES", ("/",))
    assert bullet.choose_renderer("auto") == "tiny"


def test_without_a_gpu_egl_is_not_even_tried(monkeypatch):
    monkeypatch.setattr(bullet, "GPU_DEVICES", ("/no/such/device",))
    monkeypatch.setattr(bullet, "_egl_complaint", lambda: pytest.fail("tried"))
    assert bullet.choose_renderer("auto") == "tiny"
