"""What callers give to any world is checked: views, size, actions and options of `reset`."""

import numpy as np
import pytest

import sims
from datasets.errors import UnknownNameError
from sims.env import view_names
from sims.errors import OptionError
from tests.sims.toy import ToyEnv


@pytest.mark.parametrize("views", [0, -1, 2.5, "2", None])
def test_views_are_a_whole_number(views):
    with pytest.raises(OptionError, match="views must be at least 1"):
        view_names(views)


@pytest.mark.parametrize("name", ["pick", "minecraft", "lift"])
@pytest.mark.parametrize("size", [0, -5, 64.0, "64", None, (64, 64), 100_000])
def test_a_size_that_no_picture_has_is_named(name, size):
    with pytest.raises(OptionError, match="size is .* from 1 to 8192"):
        sims.make(name, views=1, size=size)


def test_numbers_of_numpy_are_numbers():
    assert view_names(np.int64(1)) == ("ego", "view_0")


@pytest.mark.parametrize(
    "action", [np.full(7, np.nan), np.zeros(3), None, "left", np.full(7, np.inf)]
)
def test_an_action_that_is_none_is_refused(world, action):
    world.reset(seed=0)
    before = world.state()
    with pytest.raises(OptionError, match="an action must be finite numbers of the shape"):
        world.step(action)
    np.testing.assert_array_equal(world.state(), before)


def test_a_misspelt_option_of_reset_is_named():
    env = ToyEnv(views=1, size=32)
    with pytest.raises(UnknownNameError, match="'random_camera'; did you mean 'random_cameras'"):
        env.reset(seed=0, options={"random_camera": True})
