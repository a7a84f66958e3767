"""One environment of each world, and recorded demonstrations, for all tests that only look."""

import shutil
from pathlib import Path

import pytest

import sims
from tests.shared import made_once
from tests.sims.recorded import collect, convert

# Views and pixels of worlds from scene files, which tests make in numbers.
SMALL = {"views": 2, "size": 48}


@pytest.fixture
def make():
    """Make worlds from scene files, which are closed after the test."""
    made = []

    def one(kind, *arguments, **settings):
        made.append(kind(*arguments, **SMALL | settings))
        return made[-1]

    yield one
    for env in made:
        env.close()


@pytest.fixture(scope="session")
def lift():
    """Lift seen by `ego` and three cameras at 112x112; tests reset it themselves."""
    env = sims.make("lift", views=3, size=112)
    yield env
    env.close()


@pytest.fixture(scope="session")
def minecraft():
    """The block world seen by `ego` and three cameras at 112x112; tests reset it themselves."""
    env = sims.make("minecraft", views=3, size=112)
    yield env
    env.close()


@pytest.fixture(scope="session")
def pick():
    """Pick seen by `ego` and three cameras at 112x112; tests reset it themselves."""
    env = sims.make("pick", views=3, size=112)
    yield env
    env.close()


@pytest.fixture(scope="session")
def can():
    """Can seen by `ego` and three cameras at 112x112; tests reset it themselves."""
    env = sims.make("can", views=3, size=112)
    yield env
    env.close()


@pytest.fixture(params=["lift", "can"])
def robosuite_world(request):
    """Each of robosuite's worlds in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["lift", "can", "pick", "minecraft"])
def world(request):
    """Each world in turn, for promises that all of them keep."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def collected(tmp_path_factory):
    """Three episodes as robosuite's own collection script writes them."""
    return made_once(tmp_path_factory, "collected", _record) / "demo.hdf5"


@pytest.fixture(scope="session")
def demos(collected):
    """The same episodes after robomimic's own conversion, with one episode for validation."""
    return collected.with_name("lift_real.hdf5")


def _record(folder: Path) -> None:
    path = collect(folder, episodes=3)
    convert(Path(shutil.copy(path, folder / "lift_real.hdf5")), valid=0.34)


@pytest.fixture
def copy(demos, tmp_path):
    """A copy of the file, for tests that damage it."""
    return Path(shutil.copy(demos, tmp_path))
