"""AE2's measures of unpaired videos, against loops that follow their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau
from sklearn.linear_model import LinearRegression
from sklearn.metrics import f1_score
from sklearn.svm import SVC

from align.metrics.unpaired import (
    UnpairedVideo,
    average_precision,
    order_tau,
    phase_f1,
    progression_r2,
    retrieval,
    unpaired_metrics,
)
from align.results.chance import unpaired_chance


def video(
    seed: int, viewpoint: str = "ego", length: int = 23, noise: float = 0.3, phases: int = 3
) -> UnpairedVideo:
    """Embeddings on an arc that the phases cut in parts, with noise."""
    rng = np.random.default_rng(seed)
    share = np.sort(rng.uniform(0, 1, length))
    arc = np.stack([np.cos(3 * share), np.sin(3 * share), share], axis=1)
    z = torch.from_numpy((arc + noise * rng.standard_normal((length, 3))).astype(np.float32))
    return UnpairedVideo(viewpoint, z, np.minimum((share * phases).astype(int), phases - 1))


LABELLED = [video(1), video(2, "exo"), video(3), video(4, "exo")]
TEST = [video(5), video(6, "exo", 17), video(7, "exo", 31), video(8)]


def frames(videos: list[UnpairedVideo]) -> tuple[np.ndarray, np.ndarray]:
    return torch.cat([v.embeddings for v in videos]).numpy(), np.concatenate(
        [v.phases for v in videos]
    )


def of(videos: list[UnpairedVideo], viewpoint: str) -> list[UnpairedVideo]:
    return [v for v in videos if v.viewpoint == viewpoint]


def test_classification_learns_from_one_viewpoint_and_is_asked_in_the_other() -> None:
    found = unpaired_metrics(LABELLED, TEST)
    for ending, learned, asked in (
        ("", LABELLED, TEST),
        ("_ego_to_exo", of(LABELLED, "ego"), of(TEST, "exo")),
        ("_exo_to_ego", of(LABELLED, "exo"), of(TEST, "ego")),
    ):
        machine = SVC().fit(*frames(learned))
        z, true = frames(asked)
        expected = f1_score(true, machine.predict(z), average="weighted")
        assert found[f"unpaired_f1{ending}"] == pytest.approx(expected)


def precision_by_loop(queries: list[UnpairedVideo], searched: list[UnpairedVideo]) -> float:
    values = []
    for query in queries:
        for z, phase in zip(query.embeddings, query.phases, strict=True):
            candidates = [
                ((z - w).norm().item(), other)
                for v in searched
                if v is not query
                for w, other in zip(v.embeddings, v.phases, strict=True)
            ]
            hits = [other == phase for _, other in sorted(candidates, key=lambda c: c[0])[:10]]
            ranks = [sum(hits[: k + 1]) / (k + 1) for k in range(10) if hits[k]]
            values.append(sum(ranks) / len(ranks) if ranks else 0.0)
    return sum(values) / len(values)


@pytest.mark.slow
def test_retrieval_searches_the_other_videos() -> None:
    found = unpaired_metrics([], TEST)
    assert found["unpaired_ap10"] == pytest.approx(precision_by_loop(TEST, TEST))
    ego, exo = of(TEST, "ego"), of(TEST, "exo")
    assert found["unpaired_ap10_ego_to_exo"] == pytest.approx(precision_by_loop(ego, exo))
    assert found["unpaired_ap10_exo_to_ego"] == pytest.approx(precision_by_loop(exo, ego))
    assert "unpaired_f1" not in found and "unpaired_r2" not in found


def test_average_precision_counts_the_ranks_of_hits() -> None:
    hits = np.array([[1, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]], bool)
    np.testing.assert_allclose(average_precision(hits), [(1 + 2 / 3) / 2, 1 / 4, 0, 1])


def test_retrieval_needs_ten_frames_of_others() -> None:
    assert math.isnan(retrieval([video(1)], [video(2, length=9)]))
    assert not math.isnan(retrieval([video(1)], [video(2, length=10)]))
    assert math.isnan(retrieval([], [video(2)]))


def test_progression_regresses_the_time_since_a_phase_last_occurred() -> None:
    scores = []
    for phase in range(3):
        targets = [
            np.concatenate(
                [
                    (np.arange(len(v.phases)) - np.flatnonzero(v.phases == phase).max())
                    / len(v.phases)
                    for v in some
                ]
            )
            for some in (LABELLED, TEST)
        ]
        model = LinearRegression().fit(frames(LABELLED)[0], targets[0])
        scores.append(model.score(frames(TEST)[0], targets[1]))
    assert progression_r2(LABELLED, TEST) == pytest.approx(np.mean(scores))


def test_a_video_without_a_phase_says_nothing_about_it() -> None:
    short = video(9, phases=2)
    both = progression_r2([*LABELLED, short], TEST)
    only = [
        UnpairedVideo(v.viewpoint, v.embeddings, np.where(v.phases == 2, 1, v.phases))
        for v in [*LABELLED, short]
    ]
    assert both != pytest.approx(progression_r2(only, TEST))
    other = UnpairedVideo("ego", video(2).embeddings, np.full(23, 4))
    assert math.isnan(progression_r2([video(1, phases=1)], [other]))


def test_the_order_is_measured_between_all_videos_at_every_fifth_frame() -> None:
    taus = []
    for a in TEST:
        for b in TEST:
            if a is not b:
                x, y = a.embeddings[::5], b.embeddings[::5]
                nearest = torch.cdist(x, y).argmin(1)
                taus.append(kendalltau(np.arange(len(x)), nearest.numpy()).statistic)
    assert order_tau([v.embeddings for v in TEST]) == pytest.approx(np.mean(taus))


def test_order_of_a_clock_of_its_reverse_and_of_a_point() -> None:
    clock = torch.linspace(0, 1, 41)[:, None]  # the last frame is measured, too
    assert order_tau([clock, clock + 0.001]) == pytest.approx(1)
    assert order_tau([clock, clock.flip(0)]) == pytest.approx(-1)
    assert math.isnan(order_tau([torch.zeros(40, 1), torch.zeros(40, 1)]))
    assert math.isnan(order_tau([clock]))


def test_labels_of_one_phase_predict_it() -> None:
    one = video(1, phases=1)
    assert phase_f1([one], [one]) == 1
    assert math.isnan(phase_f1([], [one]))


@pytest.mark.slow
def test_chance_is_what_embeddings_without_information_reach() -> None:
    rng = torch.Generator().manual_seed(0)
    blind = [
        UnpairedVideo(v.viewpoint, torch.randn(len(v.phases), 8, generator=rng), v.phases)
        for v in (video(seed, "ego" if seed % 2 else "exo", 60) for seed in range(8))
    ]
    chance = unpaired_chance([v.phases for v in blind], [v.viewpoint for v in blind])
    found = unpaired_metrics([], blind)
    for name, value in found.items():
        assert value == pytest.approx(chance[name], abs=0.06), name
    assert chance["unpaired_f1"] <= found["unpaired_ap10"] + 1
    assert set(unpaired_metrics(LABELLED, TEST)) == set(chance)
