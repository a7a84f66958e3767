"""Imports of `datasets` and of the commands, and another package called `datasets` on the path."""

import os
import pkgutil
import subprocess
import sys

import pytest

import datasets
from tests import REPOSITORY


def run_python(code, cwd, *path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
def test_no_module_of_datasets_imports_torch():
    names = [module.name for module in pkgutil.walk_packages(datasets.__path__, "datasets.")]
    assert {"datasets.episodes", "datasets.draw", "datasets.info"} <= set(names)
    code = f"import sys, {', '.join(names)}\nprint(sorted(sys.modules))"
    result = run_python(code, REPOSITORY, REPOSITORY)
    assert result.returncode == 0, result.stderr
    assert "'datasets.episodes'" in result.stdout
    assert "'torch'" not in result.stdout


def hugging_face(folder):
    (folder / "datasets").mkdir(parents=True)
    (folder / "datasets" / "__init__.py").write_text("__version__ = '4.0'\n")


def single_module(folder):
    folder.mkdir(parents=True)
    (folder / "datasets.py").write_text("")


@pytest.mark.parametrize("package", ["align", "sims"])
@pytest.mark.parametrize("make_other", [hugging_face, single_module])
def test_another_datasets_first_on_the_path_is_one_clear_error(tmp_path, make_other, package):
    other = tmp_path / "site-packages"
    make_other(other)
    result = run_python(f"import {package}", tmp_path, other, REPOSITORY)
    assert result.returncode == 1
    error = result.stderr.splitlines()[-1]
    assert error.startswith("ImportError: the package `datasets` of this project is")
    assert str(REPOSITORY / "datasets") in error
    assert str(other / "datasets") in error
    assert f"Run from {REPOSITORY}" in error
    assert "During handling" not in result.stderr


def test_the_error_comes_before_the_other_datasets_is_imported(tmp_path):
    hugging_face(tmp_path / "other")
    (tmp_path / "other/datasets/__init__.py").write_text("raise RuntimeError('was imported')\n")
    result = run_python("import align", tmp_path, tmp_path / "other", REPOSITORY)
    assert "ImportError: the package `datasets`" in result.stderr
    assert "was imported" not in result.stderr


def test_a_plain_folder_called_datasets_is_an_error_too(tmp_path):
    # The packages are installed as links, and the current folder holds another `datasets/`.
    (tmp_path / "datasets").mkdir()
    (tmp_path / "links").mkdir()
    for name in ("align", "posealign.py"):
        (tmp_path / "links" / name).symlink_to(REPOSITORY / name)
    result = run_python("import align", tmp_path, tmp_path / "links")
    assert result.returncode == 1
    assert f"Python finds {tmp_path / 'datasets'}" in result.stderr


@pytest.mark.slow
def test_an_unrelated_path_entry_first_is_no_error(tmp_path):
    result = run_python("import align, datasets.episodes", tmp_path, tmp_path, REPOSITORY)
    assert result.returncode == 0, result.stderr
