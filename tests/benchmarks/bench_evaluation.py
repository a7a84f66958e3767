"""Time the evaluation of an episode of ten views against encoding every pair of views again.

Run: python tests/benchmarks/bench_evaluation.py

The episode is as long as the median of Pick, the world with ten views.

The baseline is the published way: for every pair of views, both videos are encoded frame by frame,
and the nearest frames, the errors and Kendall's tau are found by Python's own loops. Ours encodes
every frame once, many at a time, and takes the metrics from one matrix a pair. The frames are
noise, of which time does not depend; both ways must come to the same figures.
"""

from __future__ import annotations

from itertools import combinations

import torch
from measuring import Row, in_turns, note, one_thread, times
from torch import Tensor

from align.engine.device import keep_freed_memory
from align.metrics.alignment import episode_metrics, mean_metrics
from align.models.encoder import FrameEncoder, HeadConfig
from align.models.pose_aware import ModelConfig, build_model

VIEWS, FRAMES, SIZE, DEPTH, ROUNDS = 10, 95, 112, 4, 1
PLAIN = HeadConfig(whiten=False, center=False)


def main() -> None:
    """Print seconds an episode of both ways, and their ratio."""
    one_thread()
    keep_freed_memory()
    torch.manual_seed(0)
    encoder = FrameEncoder(build_model(ModelConfig(image_size=SIZE, depth=DEPTH)), PLAIN).eval()
    videos = {
        f"view_{i}": torch.randint(0, 256, (FRAMES, 3, SIZE, SIZE), dtype=torch.uint8)
        for i in range(VIEWS)
    }
    found: dict[str, dict[str, float]] = {}

    def ours() -> None:
        found["ours"] = once(encoder, videos)

    def published() -> None:
        found["published"] = pair_by_pair(encoder, videos)

    took = in_turns({"published": published, "ours": ours}, ROUNDS)
    for name, value in found["published"].items():
        assert abs(found["ours"][name] - value) < 1e-3, f"the two ways differ in {name}: {found}"
    note(
        Row(
            f"evaluation of an episode, {VIEWS} views × {FRAMES} frames, {DEPTH} blocks, {SIZE}²",
            "every pair of views encoded again, Python's loops",
            times(took["published"] / took["ours"]),
            f"{took['ours']:.1f} against {took['published']:.0f} s",
        )
    )


@torch.no_grad()
def once(encoder: FrameEncoder, videos: dict[str, Tensor]) -> dict[str, float]:
    """Metrics of the episode, every frame encoded once."""
    embeddings = {view: encoder.compare(encoder(frames)[0]) for view, frames in videos.items()}
    return mean_metrics(episode_metrics("episode", embeddings))


@torch.no_grad()
def pair_by_pair(encoder: FrameEncoder, videos: dict[str, Tensor]) -> dict[str, float]:
    """The same metrics, but every pair of views is encoded again, frame by frame, in loops."""
    sums = {"alignment_error": 0.0, "cycle_error": 0.0, "kendalls_tau": 0.0}
    pairs = list(combinations(videos, 2))
    for pair in pairs:
        first, second = (
            [encoder.compare(encoder(frame[None])[0])[0] for frame in videos[view]] for view in pair
        )
        there, back = nearest(first, second), nearest(second, first)
        length = len(there)
        for i in range(length):
            sums["alignment_error"] += abs(i - there[i]) / length / length / len(pairs)
            sums["cycle_error"] += abs(i - back[there[i]]) / length / length / len(pairs)
        concordant = sum(there[i] < there[j] for i, j in combinations(range(length), 2))
        every = length * (length - 1) // 2
        sums["kendalls_tau"] += (2 * concordant - every) / every / len(pairs)
    return sums


def nearest(anchors: list[Tensor], others: list[Tensor]) -> list[int]:
    """For each of the anchors, which of the others is nearest."""
    found = []
    for anchor in anchors:
        away = [torch.linalg.vector_norm(anchor - other).item() for other in others]
        found.append(away.index(min(away)))
    return found


if __name__ == "__main__":
    main()
