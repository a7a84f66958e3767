"""Plans of runs: methods are composed, recipes chosen, and the rest follows from both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

import align.config
from align.config import Recipe, TrainConfig, recipe
from align.methods import METHODS, Method, Pose, compose
from align.plan import RunPlan, resolve
from datasets.errors import UnknownNameError
from tests.datasets.synthetic import make_data_set, make_meta


@pytest.mark.parametrize(
    ("method", "pose", "composed"),
    [
        ("deit", None, "deit"),
        ("deit", "paab", "paab"),
        ("deit", "paab+paat", "paab+paat"),
        ("3dtrl", "paat", "3dtrl+paat"),
        ("paab", "paat", "paab+paat"),
        ("deit", "late-predicted", "late-predicted"),
        ("tcn+paat", "late", "tcn+paat+late"),
    ],
)
def test_pose_modules_are_added_to_a_method(method: Method, pose: Pose, composed: Method) -> None:
    assert compose(method, pose) == composed


@pytest.mark.slow
def test_every_method_with_pose_modules_can_be_composed() -> None:
    made = set()
    for method in METHODS:
        for pose in get_args(Pose):
            try:
                made.add(compose(method, pose))
            except ValueError:
                continue
    assert made == {method for method, parts in METHODS.items() if parts.trains_on_poses}


def test_what_cannot_be_composed_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"tcn\+paab"):
        compose("tcn", "paab")
    with pytest.raises(UnknownNameError, match=r"paat\+paab"):
        compose("paat", "paab")


@pytest.mark.parametrize(("gpus", "chosen"), [(0, "small"), (2, "full")])
def test_the_usual_recipe_suits_the_machine(
    monkeypatch: pytest.MonkeyPatch, gpus: int, chosen: Recipe
) -> None:
    monkeypatch.setattr(align.config, "count_gpus", lambda: gpus)
    assert recipe("auto") == recipe(chosen)
    assert recipe("auto").recipe == chosen


def test_the_small_recipe_is_a_fraction_of_the_full_one() -> None:
    small, full = recipe("small"), recipe("full")
    assert small.backbone.depth == 4 and full.backbone.depth is None
    assert small.epochs < full.epochs
    assert small.backbone.freeze_patches and full.backbone.freeze_patches


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stored", "asked", "name", "used"),
    [
        (128, None, "small", 112),
        (48, None, "small", 48),
        (128, 64, "small", 64),
        (128, None, "full", 128),
    ],
)
def test_the_small_recipe_shrinks_large_frames(
    tmp_path: Path, stored: int, asked: int | None, name: Recipe, used: int
) -> None:
    data = make_data_set(tmp_path / "dots", episodes=3, views=1, size=stored)
    config = resolve(replace(recipe(name), data=data, image_size=asked))
    assert RunPlan.of(config, make_meta(1, stored)).image_size == used


@pytest.mark.slow
def test_resolving_fills_in_method_and_folder(tmp_path: Path) -> None:
    data = make_data_set(tmp_path / "dots", episodes=3, views=1, size=32)
    config = resolve(TrainConfig(method="3dtrl", pose="paab", data=data))
    assert (config.method, config.pose) == ("3dtrl+paab", None)
    assert config.out is not None
    assert config.out.parent == Path("runs") and config.out.name.startswith("3dtrl_paab_dots_")
    assert resolve(config) == config


def test_a_plan_has_the_modules_of_its_method_alone() -> None:
    for method, parts in METHODS.items():
        plan = RunPlan.of(TrainConfig(method=method), make_meta(1))
        assert (plan.paab is not None) == parts.paab
        assert (plan.paat is not None) == parts.paat
        assert (plan.model.trl3d is not None) == parts.trl3d
        assert (plan.model.pose_free is not None) == parts.pose_free
