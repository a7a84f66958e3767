"""Named recipes for data sets: how many views and episodes, and how they are split and tested.

`ftpv` is the protocol of the paper's four first- and third-person-view sets.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

# The real game, whose environment goes by its path, is recorded as the blocks that stand for it.
ALIKE: Mapping[str, str] = {"sims.minecraft.minerl.env:MinerlEnv": "minecraft"}
# Third-person views, and the time-contrastive window, of an environment that no preset knows.
OTHER_VIEWS = 4
OTHER_WINDOW = 2


@dataclass(frozen=True)
class Preset:
    """How one environment's data set is made and used.

    The first-person view takes part in training and testing in every protocol; what is counted
    here are third-person views.

    Attributes:
        env: Public name of the environment.
        views: Number of third-person views, besides `ego`.
        train: Number of training episodes.
        valid: Number of validation episodes.
        test: Number of test episodes.
        window: The time-contrastive window, in time steps.
        train_views: Unseen-view protocol: training sees the first so many views.
        test_views: Unseen-view protocol: testing takes the last so many views.
    """

    env: str
    views: int
    train: int
    valid: int
    test: int
    window: int
    train_views: int
    test_views: int

    @property
    def split(self) -> tuple[int, int, int]:
        """Number of training, validation and test episodes."""
        return (self.train, self.valid, self.test)

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return sum(self.split)


def _by_env(*presets: Preset) -> dict[str, Preset]:
    return {preset.env: preset for preset in presets}


# Preset to environment to its recipe.
PRESETS: Mapping[str, Mapping[str, Preset]] = {
    # 3DTRL's four sets, as the paper's section 4.1 uses them. Training and testing on unseen views
    # have no view in common.
    "ftpv": _by_env(
        Preset("pick", 9, train=10, valid=5, test=5, window=3, train_views=6, test_views=3),
        Preset("minecraft", 8, train=4, valid=2, test=2, window=3, train_views=5, test_views=3),
        Preset("can", 4, train=200, valid=50, test=50, window=2, train_views=3, test_views=1),
        Preset("lift", 4, train=200, valid=50, test=50, window=2, train_views=3, test_views=1),
    ),
}


def get_preset(name: str, env: str) -> Preset:
    """Looks up what a preset says of an environment.

    Raises:
        ValueError: For an unknown preset, naming the nearest, or an environment that it lacks.
    """
    if name not in PRESETS:
        nearest = difflib.get_close_matches(name, PRESETS, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"unknown preset {name!r}; did you mean {nearest!r}? Valid: {', '.join(PRESETS)}."
        )
    if env not in PRESETS[name]:
        raise ValueError(
            f"the preset {name!r} has nothing for {env!r}, only for {', '.join(PRESETS[name])}."
        )
    return PRESETS[name][env]


def usual_views(env: str) -> int:
    """How many third-person views an environment has when nothing else is asked for."""
    recipe = _usual(env)
    return OTHER_VIEWS if recipe is None else recipe.views


def usual_window(env: str) -> int:
    """The time-contrastive window of an environment, in time steps, unless another is asked for."""
    recipe = _usual(env)
    return OTHER_WINDOW if recipe is None else recipe.window


def _usual(env: str) -> Preset | None:
    return PRESETS["ftpv"].get(ALIKE.get(env, env))
