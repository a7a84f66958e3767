"""The confusion of phases, against a count of frame after frame."""

from itertools import permutations

import numpy as np
import pytest
import torch

from align.metrics.alignment import (
    EGO_ERROR,
    THIRD_ERROR,
    alignment_error,
    episode_metrics,
    view_errors,
)
from align.metrics.confusions import phase_confusions

PHASES = 4  # the last one has no frames


@pytest.fixture
def episodes():
    made = torch.Generator().manual_seed(0)
    return [
        (
            {view: torch.randn(length, 3, generator=made) for view in ("ego", "view_0", "view_1")},
            np.repeat(np.arange(3, dtype=np.uint8), parts),
        )
        for length, parts in ((12, (5, 4, 3)), (20, (2, 8, 10)))
    ]


def is_first_person(pair):
    return "ego" in pair


@pytest.mark.parametrize("kind", [EGO_ERROR, THIRD_ERROR])
def test_every_frame_counts_once_for_each_other_view(episodes, kind):
    counts, errors = np.zeros((PHASES, PHASES)), [[] for _ in range(PHASES)]
    for views, phases in episodes:
        for pair in permutations(views, 2):
            if is_first_person(pair) != (kind == EGO_ERROR):
                continue
            first, second = (views[view] for view in pair)
            for i, frame in enumerate(first):
                nearest = int((second - frame).norm(dim=1).argmin())
                counts[phases[i], phases[nearest]] += 1
                errors[phases[i]].append(abs(i - nearest) / len(first))
    found = phase_confusions(episodes, PHASES)[kind]
    np.testing.assert_array_equal(found.counts, counts)
    assert found.seen == [0, 1, 2]
    assert found.errors[:3] == pytest.approx([np.mean(of) for of in errors[:3]])
    assert np.isnan(found.errors[3])
    assert found.kept == pytest.approx(np.trace(counts) / counts.sum())


def test_errors_of_phases_add_up_to_the_alignment_error(episodes):
    views, _ = one = episodes[0]
    found = phase_confusions([one], PHASES)
    wanted = view_errors(episode_metrics("demo_0", views))
    assert list(found) == list(wanted) == [EGO_ERROR, THIRD_ERROR]
    for kind, each in found.items():
        both = [
            alignment_error(views[a], views[b])
            for a, b in permutations(views, 2)
            if is_first_person((a, b)) == (kind == EGO_ERROR)
        ]
        overall = np.average(each.errors[:3], weights=each.frames[:3])
        assert overall == pytest.approx(np.mean(both))


def test_equal_views_confuse_nothing():
    z = torch.arange(6.0)[:, None]
    phases = np.array([0, 0, 1, 1, 1, 2], np.uint8)
    (found,) = phase_confusions([({"ego": z, "view_0": z}, phases)], PHASES).values()
    np.testing.assert_array_equal(found.counts, np.diag([4, 6, 2, 0]))
    assert found.kept == 1 and not found.distances.any()
