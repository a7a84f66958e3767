"""Making environments by name, and what is said when that cannot be done."""

import ctypes.util
import subprocess
import sys

import pytest

import sims
from datasets.errors import UnknownNameError
from sims import gl
from sims.arm import meshes
from sims.errors import SimulatorError
from sims.robosuite import env as robosuite_env
from sims.robosuite import renderer


def test_an_unknown_name_is_answered_with_the_nearest_and_all():
    with pytest.raises(UnknownNameError, match=r"'litf'.*did you mean 'lift'.*Valid: .*lift"):
        sims.make("litf")


@pytest.mark.parametrize("views", [0, -1])
def test_a_view_is_needed(views):
    with pytest.raises(ValueError, match="views"):
        sims.make("lift", views=views)


@pytest.mark.slow
def test_importing_sims_imports_no_simulator_and_making_lift_no_torch():
    program = (
        "import sys, sims\n"
        "assert not {'mujoco', 'robosuite', 'torch'} & set(sys.modules), 'at import'\n"
        "env = sims.make('lift', views=1, size=32)\n"
        "env.reset(seed=0); env.render_views()\n"
        "assert 'robosuite' in sys.modules\n"
        "assert 'torch' not in sys.modules, 'at make'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no warnings of robosuite, no complaint of a context left open


def test_a_missing_driver_is_named_with_its_command(monkeypatch):
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    with pytest.raises(SimulatorError, match="apt-get install"):
        gl.choose_backend.__wrapped__()


def test_osmesa_serves_where_egl_is_missing(monkeypatch):
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: name == "OSMesa" or None)
    assert gl.choose_backend.__wrapped__() == "osmesa"


def test_a_missing_robosuite_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "robosuite", None)
    with pytest.raises(SimulatorError, match=r"pip install 'posealign\[robosuite\]'"):
        sims.make("lift")


def test_a_mujoco_that_robosuite_cannot_use_is_refused(monkeypatch):
    mujoco = gl.import_mujoco()
    monkeypatch.setattr(mujoco, "__version__", "3.10.1")
    with pytest.raises(SimulatorError, match=r"mujoco>=3.3,<3.10"):
        robosuite_env.import_robosuite()


def test_a_missing_mesh_library_is_named_with_its_command(monkeypatch, lift):
    monkeypatch.setattr(meshes, "find_spec", lambda name: None)
    lift.reset(seed=0)
    with pytest.raises(SimulatorError, match="trimesh is not installed"):
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
