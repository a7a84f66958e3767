"""The controls of pose maps, random patches and noise, in the maps that PAAB gets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from align.config import PoseMapConfig
from align.embedder import FrameEmbedder
from align.plan import RunPlan
from datasets.episodes import EpisodeDataset
from tests.align.conftest import tiny_config


def maps(data: EpisodeDataset, seed: int = 0, **options: object) -> dict[tuple[int, str], Tensor]:
    """The pose maps that PAAB gets for every view of two episodes."""
    control = PoseMapConfig(**options)  # type: ignore[arg-type]
    config = tiny_config(data.root, data.root, "paab", pose_map=control, seed=seed)
    embedder = FrameEmbedder(RunPlan.of(config, data.meta))
    found = {}
    for i in range(2):
        for view in data.views:
            given = embedder.view_inputs(data, i, view).pose_map
            assert given is not None
            found[i, view] = given
            times = np.array([3, 1])
            some = embedder.view_inputs(data, i, view, times).pose_map
            assert some is not None and torch.equal(some, given[times])
    return found


@pytest.mark.slow
def test_random_maps_mark_as_many_patches_as_true_ones(dots: Path) -> None:
    data = EpisodeDataset(dots, "train")
    true, random = maps(data), maps(data, random=True)
    for key, given in random.items():
        assert torch.equal(given.sum(-1), true[key].sum(-1))
        assert not torch.equal(given, true[key])


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"random": True}, {"noise": 24}])
def test_every_view_of_every_episode_draws_its_own(dots: Path, options: dict[str, object]) -> None:
    data = EpisodeDataset(dots, "train")
    true, found, again = maps(data), maps(data, **options), maps(data, **options)
    other = maps(data, seed=1, **options)
    drawn = {}
    for key, given in found.items():
        assert torch.equal(given, again[key])
        assert not torch.equal(given, other[key])
        drawn[key] = (given ^ true[key])[:18]  # the shortest episode's length
    keys = list(drawn)
    for n, one in enumerate(keys):
        for two in keys[:n]:
            assert not torch.equal(drawn[one], drawn[two])
