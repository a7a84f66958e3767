"""Progress of hand-made embeddings: known answers, causality, and warping's two forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from jaxtyping import Float
from scipy.stats import kendalltau
from torch import Tensor

from align.metrics.alignment import distances
from align.metrics.decoding import Costs, dtw_picks, warp
from align.models.encoder import FrameEncoder
from align.progress.measures import order_measures, success_auc
from align.progress.methods import causal_progress, offline_progress
from align.progress.options import METHODS, Method, ReadingConfig
from align.progress.references import References
from datasets.errors import OptionError


def warped(cost: Costs, open_end: bool = False) -> tuple[np.ndarray, np.ndarray]:
    return warp(lambda rows: cost[:, rows], *cost.shape, open_end)


class PlainEncoder(FrameEncoder):
    """Compares as a trained encoder does; it encodes nothing."""

    def __init__(self, center: bool = True, unit: bool = True) -> None:
        torch.nn.Module.__init__(self)
        self.center, self.unit = center, unit


def walk(length: int, offset: float = 0.0, end: float = 1.0) -> Float[Tensor, "time 4"]:
    """A way along a half circle, as a camera sees it that shifts all embeddings."""
    angle = torch.linspace(0, np.pi * end, length)
    flat = torch.zeros_like(angle)
    return torch.stack([angle.cos() + offset, angle.sin(), flat, flat], dim=1)


def references(centre: str = "references", **head: bool) -> References:
    videos = [walk(20), walk(31), walk(40)]
    return References(PlainEncoder(**head), videos, centre)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", METHODS)
def test_a_video_like_the_references_progresses_evenly(method: Method) -> None:
    for read in (offline_progress, causal_progress):
        progress = read(walk(25), references(), method, ReadingConfig())
        assert progress[0] == pytest.approx(0, abs=0.06)
        assert progress[-1] == pytest.approx(1, abs=0.06)
        assert (np.diff(progress) > -0.03).all()
    if method != "goal":  # its distance is no time
        assert progress == pytest.approx(np.linspace(0, 1, 25), abs=0.06)


@pytest.mark.parametrize("method", METHODS)
def test_no_later_frame_changes_causal_progress(method: Method) -> None:
    generator = torch.Generator().manual_seed(0)
    video = walk(24) + 0.1 * torch.randn(24, 4, generator=generator)
    whole = causal_progress(video, references(), method, ReadingConfig())
    for length in (1, 7, 15):
        part = causal_progress(video[:length], references(), method, ReadingConfig())
        assert part == pytest.approx(whole[:length])


def test_offline_progress_centres_a_video_over_itself() -> None:
    seen, shifted = walk(25), walk(25, offset=5.0)
    whole = [offline_progress(z, references(), "nearest", ReadingConfig()) for z in (seen, shifted)]
    assert whole[0] == pytest.approx(whole[1])
    # The references do not know this camera, so the causal form loses its way, …
    causal = causal_progress(shifted, references(), "nearest", ReadingConfig())
    assert np.abs(causal - whole[0]).mean() > 0.1
    # … but not where the video's start says how the camera shifts embeddings.
    started = causal_progress(shifted, references("start"), "nearest", ReadingConfig())
    assert started == pytest.approx(np.linspace(0, 1, 25), abs=0.06)


def test_a_video_that_stops_half_way_does_not_reach_the_end() -> None:
    half = walk(15, end=0.5)
    for method in METHODS:
        assert causal_progress(half, references(), method, ReadingConfig())[-1] < 0.65
    # Offline, a video's mean is part of what it shows, so embeddings are compared uncentred here.
    plain = references(center=False)
    assert offline_progress(half, plain, "dtw", ReadingConfig())[-1] == pytest.approx(0.5, abs=0.06)


@pytest.mark.slow
def test_warping_ends_where_the_offline_path_of_the_frames_so_far_ends() -> None:
    generator = torch.Generator().manual_seed(1)
    video = walk(18) + 0.2 * torch.randn(18, 4, generator=generator)
    one = References(PlainEncoder(), [walk(26)])
    causal = causal_progress(video, one, "dtw", ReadingConfig())
    cost = distances(one.place(video, video[0]), one.causal[0]).double().numpy()
    for time in range(len(video)):
        ends = cost[: time + 1].shape[1]
        means = [warped(cost[None, : time + 1, : end + 1])[1][0] for end in range(ends)]
        assert causal[time] == pytest.approx(int(np.argmin(means)) / (ends - 1))
    picks, mean = warped(cost[None], open_end=True)
    assert mean[0] == pytest.approx(min(means))
    assert (np.diff(picks[0]) >= 0).all()


def test_an_open_end_is_the_closed_one_of_the_columns_up_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cost = np.random.default_rng(0).random((3, 12, 9))
    cost[1, :, 5:] += 3
    picks, mean = warped(cost, open_end=True)
    for pair in range(3):
        of_each = [warped(cost[pair : pair + 1, :, :end])[1][0] for end in range(1, 10)]
        end = int(np.argmin(of_each)) + 1
        assert mean[pair] == pytest.approx(of_each[end - 1])
        assert np.array_equal(picks[pair], dtw_picks(cost[pair : pair + 1, :, :end])[0])
    monkeypatch.setattr("align.metrics.alignment.BLOCK", 30)  # one row at a time
    again, mean_again = warped(cost, open_end=True)
    assert np.array_equal(picks, again) and mean_again == pytest.approx(mean)


def test_shuffled_references_know_no_order() -> None:
    known = offline_progress(walk(40), references(), "nearest", ReadingConfig(nearest=1))
    mixed = references().shuffled(torch.Generator().manual_seed(0))
    lost = offline_progress(walk(40), mixed, "nearest", ReadingConfig(nearest=1))
    assert kendalltau(known, range(40)).statistic > 0.95
    assert abs(kendalltau(lost, range(40)).statistic) < 0.3


def test_the_goal_is_scaled_by_the_references() -> None:
    videos = [torch.linspace(0, 2, 9)[:, None].repeat(1, 3)] * 2
    same = References(PlainEncoder(center=False, unit=False), videos)
    there = torch.tensor([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [-1.0, -1.0, -1.0]])
    assert causal_progress(there, same, "goal", ReadingConfig()) == pytest.approx([0.5, 1, 0])
    still = References(PlainEncoder(center=False), [torch.ones(4, 3)])
    assert offline_progress(there, still, "goal", ReadingConfig()).tolist() == [0, 0, 0]


@pytest.mark.parametrize("videos", [[], [torch.zeros(1, 4)]])
def test_references_that_tell_nothing_are_refused(videos: list[Tensor]) -> None:
    with pytest.raises(OptionError, match="needs a --reference"):
        References(PlainEncoder(), videos)


def test_a_given_centre_takes_the_place_of_the_mean() -> None:
    encoder = PlainEncoder()
    video = walk(9, offset=2.0)
    assert torch.equal(encoder.compare(video, video.mean(dim=0)), encoder.compare(video))


def test_order_measures_have_known_answers() -> None:
    rising, phases = np.linspace(0, 1, 8), np.array([0, 0, 0, 1, 1, 2, 2, 2])
    right = order_measures(rising, phases)
    names = ("spearman_time", "kendall_time", "kendall_phase")
    assert [right[name] for name in names] == pytest.approx([1, 1, 1])
    assert 0.9 < right["spearman_phase"] < 1
    wrong = order_measures(rising[::-1], phases)
    assert [wrong[name] for name in names] == pytest.approx([-1, -1, -1])
    assert set(order_measures(np.ones(8), phases).values()) == {0}
    unknown = order_measures(rising, None)
    assert np.isnan([unknown["spearman_phase"], unknown["kendall_phase"]]).all()
    assert unknown["kendall_time"] == pytest.approx(1)


def test_auc_is_the_chance_that_a_success_ends_further() -> None:
    assert success_auc([0.9, 0.8], [0.1, 0.2]) == 1
    assert success_auc([0.5], [0.5]) == 0.5
    assert success_auc([0.1, 0.9], [0.5, 0.5]) == 0.5
    assert np.isnan(success_auc([0.9], []))
