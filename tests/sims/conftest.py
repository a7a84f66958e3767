"""One Lift environment for all tests that only look."""

import pytest

import sims


@pytest.fixture(scope="session")
def lift():
    """Lift seen by `ego` and three cameras at 112x112; tests reset it themselves."""
    env = sims.make("lift", views=3, size=112)
    yield env
    env.close()
