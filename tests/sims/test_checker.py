"""The checker accepts every world, and names what is broken in one."""

import numpy as np
import pytest

from sims.bullet.pick import PickEnv
from sims.checker import check_multi_view_env
from sims.env import Step
from sims.survey import Survey
from tests.sims.toy import FrugalEnv, ToyEnv


@pytest.mark.slow
def test_worlds_are_accepted(world):
    check_multi_view_env(world, steps=6)


@pytest.mark.slow
def test_a_world_that_fills_the_same_arrays_at_every_step_is_accepted():
    check_multi_view_env(FrugalEnv())


class ShiftedKeypoints(ToyEnv):
    """Marks keypoints beside the body."""

    def actor_masks(self):
        return {view: np.roll(mask, 8, axis=0) for view, mask in super().actor_masks().items()}


class ForgetfulSeed(ToyEnv):
    """Begins every episode differently."""

    count = 0

    def begin(self, seed):
        self.count += 1
        super().begin(seed + self.count)


class ForgetfulPictures(FrugalEnv):
    """Draws another picture every time, into the same arrays."""

    count = 0

    def render_views(self):
        self.count += 1
        images = super().render_views()
        for image in images.values():
            image[0, 0] = self.count
        return images


class IgnoredSeed(ToyEnv):
    """Begins every episode alike; its expert varies with its own random numbers."""

    def begin(self, seed):
        super().begin(0)


class StayingState(ToyEnv):
    """Restores nothing."""

    def set_state(self, state):
        pass


class HalfRestored(ToyEnv):
    """Restores what the pictures show, and forgets where it was going."""

    def set_state(self, state):
        super().set_state(np.concatenate([state[:3], state[3:] + 0.01]))


class OneSizeTooSmall(ToyEnv):
    """Leaves out a row of one view."""

    def render_views(self):
        images = super().render_views()
        return {**images, "view_0": images["view_0"][1:]}


class OtherNames(ToyEnv):
    """Calls its views as no data set does."""

    def __init__(self):
        super().__init__()
        self.views = ("ego", "left", "right")


class MissingView(ToyEnv):
    """Draws one view less than it has."""

    def actor_masks(self):
        return {view: mask for view, mask in super().actor_masks().items() if view != "view_1"}


class NamelessPhase(ToyEnv):
    """Has a phase less than its expert goes through."""

    phases = ()


class SeedlessCameras(PickEnv):
    """Draws the same cameras for every episode."""

    def place_cameras(self, rng):
        super().place_cameras(None if rng is None else np.random.default_rng(0))


class CamerasThatStay(PickEnv):
    """Leaves cameras where they were drawn last."""

    def place_cameras(self, rng):
        if rng is not None or not hasattr(self, "_ring"):
            super().place_cameras(rng)


class Surveyed(ToyEnv):
    """Measures depth and instances, and draws scenes, as it should."""

    tint = 0

    def draw_scene(self, rng):
        self.tint = 0 if rng is None else int(rng.integers(1, 40))

    def render_views(self):
        return {view: image + np.uint8(self.tint) for view, image in super().render_views().items()}

    def instances(self):
        return ("background", "robot")

    def survey_views(self):
        masks = self.actor_masks().items()
        return {view: Survey(1.0 * mask, mask.astype(np.uint8)) for view, mask in masks}


class BlindSurvey(Surveyed):
    """Misses the robot in one view."""

    def survey_views(self):
        surveys = super().survey_views()
        depth, instances = surveys["view_0"]
        return {**surveys, "view_0": Survey(depth, instances * np.uint8(0))}


class NamelessInstances(Surveyed):
    """Has more instances than names."""

    def survey_views(self):
        surveys = super().survey_views().items()
        return {view: Survey(depth + 1, seen + np.uint8(1)) for view, (depth, seen) in surveys}


class SceneThatMoves(Surveyed):
    """Draws how an episode begins as well."""

    def begin(self, seed):
        super().begin(seed + self.tint)


class SceneThatStays(Surveyed):
    """Keeps the scene that was drawn last."""

    def draw_scene(self, rng):
        if rng is not None:
            super().draw_scene(rng)


class SceneOfOneView(Surveyed):
    """Leaves one view as it is."""

    def render_views(self):
        return {**super().render_views(), "view_1": ToyEnv.render_views(self)["view_1"]}


@pytest.mark.slow
def test_a_world_with_depth_instances_and_drawn_scenes_is_accepted():
    check_multi_view_env(Surveyed())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (BlindSurvey, "instances of view_0 miss parts of the robot"),
        (NamelessInstances, "instances of ego have no name"),
        (SceneThatMoves, "state differs in a drawn scene"),
        (SceneThatStays, "a drawn scene was kept"),
        (SceneOfOneView, "picture of view_1 is the same in a drawn scene"),
        (ShiftedKeypoints, "lie on the body"),
        (ForgetfulSeed, "the same seed gave another episode"),
        (ForgetfulPictures, "the same seed gave another episode"),
        (IgnoredSeed, "other seeds began the same episode"),
        (StayingState, "a restored state differs in state, keypoints, picture of ego"),
        (HalfRestored, "a restored state differs in state"),
        (OneSizeTooSmall, r"view_0: its shape is \(31, 32, 3\)"),
        (OtherNames, r"views are \('ego', 'left', 'right'\), not \('ego', 'view_0', 'view_1'\)"),
        (MissingView, r"actor_masks names \('ego', 'view_0'\)"),
        (NamelessPhase, "`phases` names no phase"),
    ],
)
def test_what_is_broken_is_named(broken, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_multi_view_env(broken())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (SeedlessCameras, "another seed drew the same cameras"),
        (CamerasThatStay, "drawn cameras were kept"),
    ],
)
def test_broken_cameras_are_named(broken, complaint):
    env = broken(views=1, size=64)
    with pytest.raises(AssertionError, match=complaint):
        check_multi_view_env(env, steps=2)
    env.close()


def turned_over(world, view, rows, columns):
    """A class whose pictures of one view are turned; all else stays."""

    class Turned(world):
        def render_views(self):
            images = super().render_views()
            images[view] = images[view][::rows, ::columns]
            return images

    return Turned


@pytest.mark.parametrize(
    ("rows", "columns", "complaint"),
    [(-1, 1, "upside down"), (1, -1, "mirrored"), (-1, -1, "turned by 180 degrees")],
)
def test_pictures_that_are_turned_over_are_found_by_what_moves(rows, columns, complaint):
    with pytest.raises(AssertionError, match=f"pictures of view_1 are {complaint}"):
        check_multi_view_env(turned_over(ToyEnv, "view_1", rows, columns)())


def test_an_upside_down_first_person_picture_is_found_by_its_edges():
    with pytest.raises(AssertionError, match="pictures of ego are "):
        check_multi_view_env(turned_over(ToyEnv, "ego", -1, 1)())


class Motionless(ToyEnv):
    """Its expert does nothing; only the outline of the body is left to judge by."""

    def expert(self, rng):
        for _ in range(4):
            yield Step(np.zeros(3), 0)


def test_pictures_of_a_body_that_stands_still_are_found_by_their_edges():
    check_multi_view_env(Motionless(size=64))
    with pytest.raises(AssertionError, match="pictures of view_1 are upside down"):
        check_multi_view_env(turned_over(Motionless, "view_1", -1, 1)(size=64))


class Bodiless(ToyEnv):
    """The first-person view does not see the body, so nothing can be said of its pictures."""

    def actor_masks(self):
        masks = super().actor_masks()
        return {**masks, "ego": np.zeros_like(masks["ego"])}

    def visible(self):
        seen = super().visible()
        return {**seen, "ego": np.zeros_like(seen["ego"])}


def test_nothing_is_said_of_pictures_without_the_body():
    check_multi_view_env(turned_over(Bodiless, "ego", -1, 1)())
