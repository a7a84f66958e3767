"""Presets of data sets: the number of views and episodes, and how they are split and tested.

`ftpv` is the protocol of the paper's four first- and third-person-view data sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from datasets.errors import UnknownNameError, require_known

# The real game, an environment that is named by its class, has the preset of its stand-in.
ALIKE: Mapping[str, str] = {"sims.minecraft.minerl.env:MinerlEnv": "minecraft"}
# Third-person views and time-contrastive window of an environment that is in no preset.
OTHER_VIEWS = 4
OTHER_WINDOW = 2


@dataclass(frozen=True)
class Preset:
    """Preset of one environment: how its data set is made and used.

    The first-person view is part of training and testing in every protocol; the numbers here count
    third-person views.

    Attributes:
        env: Public name of the environment.
        views: Number of third-person views.
        train: Number of training episodes.
        valid: Number of validation episodes.
        test: Number of test episodes.
        window: The time-contrastive window, in time steps.
        train_views: Number of views that training sees in the unseen-view protocol, the first ones.
        test_views: Number of views that testing takes in the unseen-view protocol, the last ones.
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
        """Numbers of training, validation and test episodes."""
        return (self.train, self.valid, self.test)

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return sum(self.split)


def _by_env(*presets: Preset) -> dict[str, Preset]:
    return {preset.env: preset for preset in presets}


# The name of a preset to its environments.
PRESETS: Mapping[str, Mapping[str, Preset]] = {
    # 3DTRL's four data sets, as in section 4.1 of the paper. In the unseen-view protocol, training
    # and testing share no third-person view.
    "ftpv": _by_env(
        Preset("pick", 9, train=10, valid=5, test=5, window=3, train_views=6, test_views=3),
        Preset("minecraft", 8, train=4, valid=2, test=2, window=3, train_views=5, test_views=3),
        Preset("can", 4, train=200, valid=50, test=50, window=2, train_views=3, test_views=1),
        Preset("lift", 4, train=200, valid=50, test=50, window=2, train_views=3, test_views=1),
    ),
}


def get_preset(name: str, env: str) -> Preset:
    """Return the preset of an environment.

    Raises:
        UnknownNameError: For an unknown preset, or an environment that the preset does not have.
    """
    require_known("preset", name, PRESETS)
    if env not in PRESETS[name]:
        raise UnknownNameError(
            f"the preset {name!r} has no environment {env!r}, only {', '.join(PRESETS[name])}. "
            "Leave out --preset, or choose one of these."
        )
    return PRESETS[name][env]


def usual_views(env: str) -> int:
    """Return the default number of third-person views of an environment."""
    preset = _usual(env)
    return OTHER_VIEWS if preset is None else preset.views


def usual_window(env: str) -> int:
    """Return the default time-contrastive window of an environment, in time steps."""
    preset = _usual(env)
    return OTHER_WINDOW if preset is None else preset.window


def _usual(env: str) -> Preset | None:
    return PRESETS["ftpv"].get(ALIKE.get(env, env))
