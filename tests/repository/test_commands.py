"""Every command: console script, help text, start-up, and what it imports for its help text."""

import json
import subprocess
import sys
from importlib import import_module

import pytest
import tomllib

from tests import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
SCRIPTS = PROJECT["scripts"]
# These take seconds to import, and neither a help text nor the answer to a typo needs them.
HEAVY = {
    "matplotlib",
    "mediapipe",
    "mujoco",
    "panda3d",
    "pybullet",
    "robosuite",
    "scipy.ndimage",
    "scipy.optimize",
    "scipy.spatial",
    "sklearn",
    "timm",
    "torch",
}

START = """
import json, sys
from importlib import import_module

def main():
    module, _, name = sys.argv[1].partition(":")
    codes = []
    for word in ("--help", "--hlep"):
        try:
            getattr(import_module(module), name)([word])
        except SystemExit as end:
            codes.append(end.code)
    print(json.dumps([codes, [name for name in sys.argv[2:] if name in sys.modules]]))

main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_console_script_prints_its_help(script, capsys):
    module, _, name = SCRIPTS[script].partition(":")
    with pytest.raises(SystemExit) as end:
        getattr(import_module(module), name)(["--help"])
    assert end.value.code == 0
    assert f"python -m {module.removesuffix('.__main__')}" in capsys.readouterr().out


def test_every_command_has_a_console_script():
    modules = {target.partition(":")[0] for target in SCRIPTS.values()}
    named = {
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        for package in ("action", "align", "datasets", "sims")
        for path in (REPOSITORY / package).rglob("*.py")
        if "\ndef main(arguments: Sequence[str] | None = None)" in path.read_text()
    }
    assert named == modules


@pytest.mark.slow
@pytest.mark.parametrize("target", SCRIPTS.values())
def test_help_and_typos_import_no_heavy_library(target):
    done = subprocess.run(
        [sys.executable, "-c", START, target, *HEAVY],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [[0, 2], []]


@pytest.mark.parametrize("words", [["--help"], ["--env", "lift", "--help"]])
def test_help_of_generate_explains_mocap_as_well(words, capsys):
    from sims.generate import main

    with pytest.raises(SystemExit):
        main(words)
    text = capsys.readouterr().out
    for option in ("--preset", "--random-cameras", "--env mocap [-h]", "--layout", "--subjects"):
        assert option in text
    assert len(text.splitlines()) < 100


def test_help_of_mocap_has_its_own_options_only(capsys):
    from sims.generate import main

    with pytest.raises(SystemExit):
        main(["--env", "mocap", "--help"])
    text = capsys.readouterr().out
    assert "--layout" in text and "--random-cameras" not in text


@pytest.mark.slow
@pytest.mark.parametrize("module", ["datasets.info", "datasets.convert", "sims.generate"])
def test_a_closed_pipe_ends_a_help_text_quietly(module):
    shell = f"set -o pipefail; {sys.executable} -m {module} --help | true"
    done = subprocess.run(["bash", "-c", shell], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.returncode in (0, 141)
