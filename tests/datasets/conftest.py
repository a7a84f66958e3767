import shutil
from pathlib import Path

import pytest

from datasets.convert import ConvertConfig, convert
from tests.datasets.synthetic import make_data_set


@pytest.fixture(scope="session")
def dots(tmp_path_factory) -> Path:
    """A data set for tests that only read it."""
    return make_data_set(tmp_path_factory.mktemp("data") / "dots")


@pytest.fixture
def own_dots(dots, tmp_path) -> Path:
    """A copy of the data set for tests that damage it."""
    return Path(shutil.copytree(dots, tmp_path / "dots"))


@pytest.fixture(scope="session")
def one_file(dots, tmp_path_factory) -> Path:
    """The same data set as a robomimic file."""
    out = tmp_path_factory.mktemp("robomimic") / "dots.hdf5"
    convert(ConvertConfig(dots, out, "robomimic"))
    return out
