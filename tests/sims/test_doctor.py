"""The doctor prints what works, what is missing, and the remedy."""

import os
import subprocess
import sys

import pytest

from sims import doctor
from sims.gl import is_software


def run(**environment):
    return subprocess.run(
        [sys.executable, "-m", "sims.doctor"],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.mark.slow
def test_a_working_machine():
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    optional = ("robomimic", "minerl")
    missing = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("MISSING")]
    assert set(missing) <= set(optional)
    lift = next(line for line in done.stdout.splitlines() if " lift " in line)
    assert "ms per frame" in lift
    assert "software" in lift or "hardware" in lift
    assert "python -m sims.generate" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="about Linux's drivers")
def test_without_a_screen_for_glfw():
    done = run(MUJOCO_GL="glfw", DISPLAY="", WAYLAND_DISPLAY="", PYTHONWARNINGS="ignore")
    assert done.returncode == 1
    assert "MISSING lift" in done.stdout
    assert "apt-get install" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_missing_package_is_named_with_its_command(monkeypatch):
    package = "a-package-that-is-not-there"
    monkeypatch.setitem(doctor.PACKAGES, package, ("nothing", "pip install it"))
    fine, said = next((fine, said) for name, fine, said in doctor.examine() if name == package)
    assert not fine
    assert said == "missing (nothing). Run: pip install it"


@pytest.mark.parametrize(
    ("name", "software"),
    [
        ("llvmpipe (LLVM 15.0.6, 256 bits)", True),
        ("softpipe", True),
        ("NVIDIA H100 PCIe/PCIe/SSE2", False),
        ("Mesa Intel(R) UHD Graphics 620 (KBL GT2)", False),
    ],
)
def test_software_renderers_are_distinguished_from_hardware(name, software):
    assert is_software(name) == software
