"""Making environments by name, and the errors when that fails."""

import ctypes.util
import os
import subprocess
import sys

import gymnasium
import pytest

import sims
from datasets.errors import OptionError, UnknownNameError
from sims import gl
from sims.arm import meshes
from sims.errors import SimulatorError
from sims.mujoco import renderer
from sims.registry import gymnasium_id
from sims.robosuite import package


def test_the_error_on_an_unknown_name_has_the_nearest_and_all_names():
    with pytest.raises(UnknownNameError, match="'litf'.* 'lift'.* lift"):
        sims.make("litf")


@pytest.mark.parametrize("name", ["pick", "minecraft"])
def test_gymnasium_makes_registered_worlds(name):
    env = gymnasium.make(gymnasium_id(name), views=2, size=32)
    observation, _ = env.reset(seed=3)
    assert env.observation_space.contains(observation)
    assert env.unwrapped.views == ("ego", "view_0", "view_1")
    images = env.unwrapped.render_views()
    assert {image.shape for image in images.values()} == {(32, 32, 3)}
    observation, *_ = env.step(env.action_space.sample())
    assert env.observation_space.contains(observation)
    env.close()


@pytest.mark.parametrize("name", ["pick", "minecraft", "lift"])
def test_gymnasium_gives_a_render_mode(name):
    env = gymnasium.make(gymnasium_id(name), views=1, size=32, render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().shape == (32, 64, 3)
    env.close()
    with pytest.raises(OptionError, match="render_mode is 'depth_array'.*'rgb_array'"):
        sims.make(name, views=1, size=32, render_mode="depth_array")


@pytest.mark.parametrize("name", ["pick", "minecraft"])
def test_a_closed_world_says_so(name):
    env = sims.make(name, views=1, size=32)
    env.reset(seed=0)
    env.close()
    env.close()
    with pytest.raises(SimulatorError, match="was closed: make a new one"):
        env.render()


@pytest.mark.parametrize("name", sims.ENVIRONMENTS)
def test_every_world_is_registered_under_its_own_class(name):
    assert (
        gymnasium.spec(f"posealign/{name.capitalize()}-v0").entry_point == sims.ENVIRONMENTS[name]
    )


def test_gymnasium_suggests_the_nearest_world():
    with pytest.raises(gymnasium.error.NameNotFound, match="`Lift`"):
        gymnasium.make("posealign/Lyft-v0")


@pytest.mark.parametrize("views", [0, -1])
def test_fewer_than_one_view_is_an_error(views):
    with pytest.raises(OptionError, match="views"):
        sims.make("lift", views=views)


@pytest.mark.slow
def test_importing_sims_imports_no_simulator_and_making_lift_no_torch():
    program = (
        "import sys, sims\n"
        "simulators = {'mujoco', 'robosuite', 'pybullet', 'panda3d', 'torch'}\n"
        "assert {'MujocoEnv', 'make'} <= set(dir(sims))\n"
        "assert not simulators & set(sys.modules), 'at import'\n"
        "env = sims.make('lift', views=1, size=32)\n"
        "env.reset(seed=0); env.render_views()\n"
        "assert 'robosuite' in sys.modules\n"
        "assert 'torch' not in sys.modules, 'at make'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no warning of robosuite, and no error about a graphics context


def test_a_missing_driver_is_named_with_its_command(monkeypatch):
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    with pytest.raises(SimulatorError, match="apt-get install"):
        gl.choose_backend.__wrapped__()


def test_osmesa_is_the_fallback_without_egl(monkeypatch):
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: name == "OSMesa" or None)
    assert gl.choose_backend.__wrapped__() == "osmesa"


@pytest.mark.slow
def test_an_empty_name_of_a_back_end_is_none():
    program = "import os, sims.gl; sims.gl.import_mujoco(); print(os.environ['MUJOCO_GL'])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"MUJOCO_GL": ""},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() in ("egl", "osmesa"), done.stderr


def test_a_missing_robosuite_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "robosuite", None)
    with pytest.raises(SimulatorError, match=r"pip install 'posealign\[robosuite\]'"):
        sims.make("lift")


def test_a_mujoco_that_robosuite_cannot_use_is_an_error(monkeypatch):
    mujoco = gl.import_mujoco()
    monkeypatch.setattr(mujoco, "__version__", "3.10.1")
    with pytest.raises(SimulatorError, match=r"mujoco>=3.3,<3.10"):
        package.import_robosuite()


@pytest.mark.slow
def test_a_missing_mesh_library_is_named_with_its_command(monkeypatch, lift):
    monkeypatch.setattr(meshes, "find_spec", lambda name: None)
    lift.reset(seed=0)
    with pytest.raises(SimulatorError, match="trimesh"):
        renderer.lighten(lift._model)


def test_mujoco_imported_first_without_a_screen_is_explained():
    program = (
        "import mujoco, sims\n"
        "try:\n    sims.make('lift')\n"
        "except sims.SimulatorError as error:\n    print(error)\n"
    )
    environment = {"PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert "imported before sims" in done.stdout, done.stderr
