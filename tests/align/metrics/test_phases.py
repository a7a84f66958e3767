"""Phase metrics against known answers and naive loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from align.metrics.phases import (
    PHASE_METRICS,
    PhaseEpisode,
    PhaseResult,
    key_events,
    mean_phase_metrics,
    phase_metrics,
    progression,
)


def episode(length: int, views: int = 2, seed: int | None = None) -> PhaseEpisode:
    """Embeddings that encode the relative time and, by a large step, the phase; or noise."""
    time = np.arange(length) / length
    phases = np.digitize(time, [0.3, 0.6])
    if seed is None:
        z = torch.tensor(np.stack([30.0 * time, 10.0 * phases], axis=1), dtype=torch.float32)
        return PhaseEpisode({f"view_{i}": z for i in range(views)}, phases)
    generator = torch.Generator().manual_seed(seed)
    noise = {f"view_{i}": torch.randn(length, 4, generator=generator) for i in range(views)}
    return PhaseEpisode(noise, phases)


def measure(labelled: list[PhaseEpisode], test: list[PhaseEpisode]) -> dict[str, float]:
    return mean_phase_metrics(phase_metrics(labelled, test, np.random.default_rng(0)))


@pytest.mark.slow
def test_embeddings_that_encode_the_phase_are_perfect() -> None:
    found = measure([episode(n) for n in (40, 50, 60)], [episode(n) for n in (60, 70)])
    assert set(found) == {p + name for p in ("", "across_") for name in PHASE_METRICS}
    for name, value in found.items():
        assert value == pytest.approx(1, abs=0.02), name


@pytest.mark.slow
def test_noise_is_no_better_than_guessing() -> None:
    labelled = [episode(50, seed=i) for i in range(4)]
    found = measure(labelled, [episode(50, seed=10 + i) for i in range(3)])
    # Phases have 15, 15 and 20 of 50 frames: a frame at random shares them with chance 0.34.
    assert found["ap10"] == pytest.approx(0.34, abs=0.05)
    assert found["phase_f1"] < 0.5
    assert found["phase_r2"] < 0.1


@pytest.mark.slow
def test_phases_learned_in_one_view_may_not_carry_over_to_another() -> None:
    def flipped(length: int) -> PhaseEpisode:
        own = episode(length)
        return PhaseEpisode(
            {"a": own.embeddings["view_0"], "b": -own.embeddings["view_0"]}, own.phases
        )

    found = measure([flipped(40), flipped(50)], [flipped(60), flipped(70)])
    for name in PHASE_METRICS:
        assert found[name] > 0.95 > 0.8 > found[f"across_{name}"], name


@pytest.mark.slow
def test_retrieval_agrees_with_a_loop() -> None:
    test = [episode(12, seed=1), episode(9, seed=2), episode(10, seed=3)]
    (within, across, _, _) = phase_metrics(test[:2], test, np.random.default_rng(0))
    for result, asked in ((within, "view_0"), (across, "view_1")):
        for k in (5, 10, 15):
            shares = []
            for own in test:
                for z, phase in zip(own.embeddings[asked], own.phases, strict=True):
                    others = [
                        ((z - other).norm().item(), other_phase == phase)
                        for gallery in test
                        if gallery is not own
                        for other, other_phase in zip(
                            gallery.embeddings["view_0"], gallery.phases, strict=True
                        )
                    ]
                    shares.append(np.mean([same for _, same in sorted(others)[:k]]))
            assert result.metrics[f"ap{k}"] == pytest.approx(np.mean(shares))


@pytest.mark.slow
def test_one_test_episode_leaves_nothing_to_retrieve() -> None:
    found = measure([episode(40), episode(50)], [episode(45)])
    assert math.isnan(found["ap5"]) and found["phase_f1"] == pytest.approx(1, abs=0.02)


def test_progression_is_the_time_since_each_phase_began() -> None:
    phases = np.array([0, 0, 2, 2, 1])
    np.testing.assert_allclose(
        progression(phases, [1, 2]) * 5, np.array([[-4, -3, -2, -1, 0], [-2, -1, 0, 1, 2]]).T
    )
    # Phase 3 is not in both episodes, and 0 begins with the first frame, so neither is an event.
    assert key_events([phases, np.array([0, 1, 1, 2, 3])]) == [1, 2]


@pytest.mark.slow
def test_episodes_of_one_labelled_phase_predict_that_phase() -> None:
    one = PhaseEpisode(episode(30).embeddings, np.zeros(30, dtype=np.int64))
    found = measure([one], [episode(40), episode(50)])
    # Always the first of three phases of 30 %, 30 % and 40 %: precision 0.3, recall 1.
    assert found["phase_f1"] == pytest.approx(0.3 * 2 * 0.3 / 1.3, abs=0.01)
    assert math.isnan(found["phase_r2"])


@pytest.mark.slow
def test_few_labels_are_some_of_the_labelled_episodes() -> None:
    good = episode(40)
    bad = PhaseEpisode(good.embeddings, 2 - good.phases)  # phases the wrong way round
    tests = [good, good]
    sound, misled = (measure([one] * 10, tests)["phase_f1_10"] for one in (good, bad))
    assert sound == pytest.approx(1, abs=0.01) and misled < 0.5
    # The only good one of ten, at each place in turn: every draw of one episode finds it once.
    found = [measure([bad] * i + [good] + [bad] * (9 - i), tests) for i in range(10)]
    few = sum(metrics["phase_f1_10"] for metrics in found) / 10
    assert few == pytest.approx((sound + 9 * misled) / 10, abs=1e-6)
    assert all(metrics["phase_f1"] == pytest.approx(misled) for metrics in found)


def test_means_separate_within_from_across_and_skip_nan() -> None:
    def result(first: str, second: str, value: float) -> PhaseResult:
        return PhaseResult(first, second, dict.fromkeys(PHASE_METRICS, value))

    found = mean_phase_metrics(
        [
            result("a", "a", 0.5),
            result("b", "b", math.nan),
            result("a", "b", 0.1),
            result("b", "a", 0.3),
        ]
    )
    assert found["ap5"] == 0.5
    assert found["across_ap5"] == pytest.approx(0.2)
    assert mean_phase_metrics([]) == {}
