"""Seen and unseen views, and how many of them take part."""

from __future__ import annotations

from dataclasses import replace

import pytest

from align.config import TrainConfig
from align.inputs.protocols import evaluation_views, held_out_views, training_views
from align.plan import RunPlan
from datasets.errors import MismatchError
from datasets.presets import PRESETS
from datasets.storage.meta import DatasetMeta
from tests.datasets.synthetic import make_meta

SEEN, UNSEEN = TrainConfig(), TrainConfig(protocol="unseen")


def meta(views: int, env: str = "dots") -> DatasetMeta:
    return replace(make_meta(views), env=env)


def test_seen_views_are_all_views() -> None:
    all_views = ["ego", "view_0", "view_1", "view_2"]
    assert training_views(SEEN, meta(3)) == evaluation_views(SEEN, meta(3), "seen") == all_views


@pytest.mark.parametrize("env", PRESETS["ftpv"])
def test_unseen_views_are_those_of_the_preset(env: str) -> None:
    preset = PRESETS["ftpv"][env]
    described = meta(preset.views, env)
    train = training_views(UNSEEN, described)
    test = evaluation_views(UNSEEN, described, "unseen")
    assert train == ["ego", *(f"view_{i}" for i in range(preset.train_views))]
    assert test == ["ego", *(f"view_{i}" for i in range(preset.train_views, preset.views))]
    assert len(test) - 1 == preset.test_views


@pytest.mark.parametrize(("views", "held_out"), [(2, 1), (4, 1), (6, 2), (9, 3)])
def test_other_numbers_of_views_hold_out_the_last_third(views: int, held_out: int) -> None:
    assert held_out_views("minecraft", views) == held_out
    train = training_views(UNSEEN, meta(views))
    test = evaluation_views(UNSEEN, meta(views), "unseen")
    assert len(test) == 1 + held_out
    assert set(train) & set(test) == {"ego"}
    assert set(train) | set(test) == set(meta(views).views)


def test_cameras_drawn_for_every_episode_are_all_trained_on() -> None:
    drawn = replace(meta(4, "lift"), random_cameras=True)
    assert training_views(UNSEEN, drawn) == drawn.views
    assert evaluation_views(UNSEEN, drawn, "unseen") == ["ego", "view_3"]


def test_fewer_views_to_train_on() -> None:
    config = replace(UNSEEN, train_views=2)
    assert training_views(config, meta(4)) == ["ego", "view_0", "view_1"]
    assert evaluation_views(config, meta(4), "unseen") == ["ego", "view_3"]
    with pytest.raises(MismatchError, match="--train-views is 4.* 3 "):
        training_views(replace(UNSEEN, train_views=4), meta(4))


def test_views_chosen_by_name_are_what_the_protocol_divides() -> None:
    config = replace(UNSEEN, views=("ego", "view_0", "view_2"))
    assert training_views(config, meta(4)) == ["ego", "view_0"]
    assert evaluation_views(config, meta(4), "unseen") == ["ego", "view_2"]


def test_too_few_views_are_refused_with_the_remedy() -> None:
    with pytest.raises(MismatchError, match=r"\['ego'\].*--protocol seen"):
        training_views(UNSEEN, meta(1))


@pytest.mark.parametrize(("env", "window"), [("pick", 3), ("minecraft", 3), ("lift", 2)])
def test_the_window_is_that_of_the_preset_unless_another_is_asked_for(
    env: str, window: int
) -> None:
    of_env, config = meta(4, env), TrainConfig()
    assert RunPlan.of(config, of_env).loss.window == window
    assert RunPlan.of(replace(config, method="tcn"), of_env).loss.window == window
    other = replace(config, loss=replace(config.loss, window=5))
    assert RunPlan.of(other, of_env).loss.window == 5


def test_single_view_tcn_measures_its_window_in_seconds() -> None:
    of_env = replace(meta(4, "pick"), control_hz=20.0)
    assert RunPlan.of(TrainConfig(method="tcn-single"), of_env).loss.window == 4


def test_tcn_brings_its_loss_along_and_tcn_with_paat_takes_ours() -> None:
    of_env = meta(4, "lift")
    plans = [RunPlan.of(TrainConfig(method=m), of_env) for m in ("tcn", "tcn+paat", "deit")]
    names = [plan.loss.name for plan in plans]
    assert names == ["margin_triplet", "contrastive", "contrastive"]
