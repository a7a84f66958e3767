"""One environment of each world for all tests that only look."""

import pytest

import sims


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
