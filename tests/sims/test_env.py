"""Rules that every world keeps; `test_checker` has those that the checker checks."""

from itertools import islice

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import sims


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*Box observation space m.*imum value is:UserWarning")
def test_gymnasium_accepts(world):
    check_env(world, skip_render_check=True)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_the_first_observation_is_of_the_state(world, seed):
    first, _ = world.reset(seed=seed)
    world.set_state(world.state())
    np.testing.assert_equal(world.observe(), first)
    world.set_state(world.state())
    np.testing.assert_equal(world.observe(), first)


@pytest.mark.slow
def test_observations_are_of_the_state_after_the_step(robosuite_world):
    """This holds after a restored state too, which is observed one more time."""
    robosuite_world.reset(seed=0)
    action = np.full(robosuite_world.action_space.shape, 0.5)
    for _ in range(2):
        for _ in range(3):
            observation, *_ = robosuite_world.step(action)
            joints = robosuite_world.state()[1:8]  # after the time
            assert np.array_equal(observation["robot0_joint_pos"], joints)
        robosuite_world.set_state(robosuite_world.state())


@pytest.mark.slow
def test_an_episode_does_not_depend_on_the_one_before(world):
    def beginning(env):
        env.reset(seed=11)
        for step in islice(env.expert(np.random.default_rng(0)), 10):
            env.step(step.action)
        return env.state(), env.render_views()

    world.reset(seed=5)
    world.render_views()
    state, images = beginning(world)
    fresh = sims.make(world.name, views=3, size=112)
    fresh_state, fresh_images = beginning(fresh)
    fresh.close()
    assert np.array_equal(state, fresh_state)
    for view in images:
        assert np.array_equal(images[view], fresh_images[view])


@pytest.mark.slow
def test_the_model_file_is_that_of_its_own_environment(lift, can):
    """MuJoCo itself writes out the model that was loaded last, whoever asks."""
    lift.reset(seed=1)
    model = lift.model_file()
    can.reset(seed=1)
    assert lift.model_file() == model
    assert "cube_main" in model and "Can_main" in can.model_file()


@pytest.mark.slow
def test_cubes_differ_between_seeds_and_are_rendered_at_their_size(lift):
    """The renderer is shared by all episodes and must take the sizes of each episode's model."""
    sizes = []
    for seed in (1, 2):
        lift.reset(seed=seed)
        lift.render_views()
        geom = lift._model.geom("cube_g0_vis").id
        sizes.append(lift._model.geom_size[geom].copy())
        scene = lift._renderer._loaded()._scene
        (drawn,) = [g for g in scene.geoms[: scene.ngeom] if g.objid == geom]
        assert np.allclose(drawn.size, sizes[-1])
    assert not np.array_equal(*sizes)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lift", "can", "pick", "minecraft"])
def test_keypoints_lie_on_the_body_at_full_size(name):
    """At 224x224, 95 % of the visible keypoints are within 3 pixels of the body's pixels."""
    from sims.checker import keypoints_on_body

    env = sims.make(name, views=4, size=224)
    env.reset(seed=3)
    on_body = []
    for index, step in enumerate(env.expert(np.random.default_rng(3))):
        if index % 12 == 0:
            on_body += keypoints_on_body(env)
        env.step(step.action)
    env.close()
    assert len(on_body) > 100
    assert np.mean(on_body) >= 0.95


@pytest.mark.slow
def test_one_view_is_rendered_as_among_all(world):
    world.reset(seed=0)
    for view, image in world.render_views().items():
        np.testing.assert_array_equal(world.render_view(view), image)
