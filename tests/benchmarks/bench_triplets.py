"""Triplets a second: every frame of a step encoded once, against one triplet of two views a step.

Run: python tests/benchmarks/bench_triplets.py

The baseline is the published way: anchor, positive and negative in two views, six frames encoded
for one triplet. Ours encodes T moments of V views once and forms the triplets on the embeddings.
Two counts are given: one triplet for each anchor and pair of views, which is what the baseline
would need so many steps for, and all triplets that the loss averages over. Forward, backward and
optimizer step of DeiT-Tiny, medians over interleaved rounds.
"""

import statistics
import sys
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from align.allocator import keep_freed_memory  # noqa: E402
from align.losses import count_triplets, published_triplet  # noqa: E402
from align.models import ModelConfig, build_model  # noqa: E402

ROUNDS = 3
WINDOW = 2
CASES = ((224, 2, 12), (112, 2, 24), (112, 5, 12))  # image size, views, moments
BASELINE_TIMES = torch.tensor([[0, 1, 10]])  # anchor, positive, negative


def step(size: int, views: int, times: torch.Tensor) -> Callable[[], None]:
    """One training step on random frames, of which time does not depend."""
    torch.manual_seed(0)
    model = build_model(ModelConfig(image_size=size)).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-6)
    frames = torch.randn(views * times.shape[1], 3, size, size)

    def run() -> None:
        z = model(frames).embedding.reshape(1, views, times.shape[1], -1)
        published_triplet(z, times, WINDOW, 30.0).backward()
        optimizer.step()
        optimizer.zero_grad()

    return run


def seconds(run: Callable[[], None]) -> float:
    """Wall-clock time of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    """Print triplets a second and their ratios."""
    keep_freed_memory()
    print(f"DeiT-Tiny, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for size, views, moments in CASES:
        times = torch.arange(moments)[None] * 2
        baseline, ours = step(size, 2, BASELINE_TIMES), step(size, views, times)
        baseline(), ours()
        took = [(seconds(baseline), seconds(ours)) for _ in range(ROUNDS)]
        slow, fast = (statistics.median(column) for column in zip(*took, strict=True))
        anchored = moments * len(list(combinations(range(views), 2)))
        every = count_triplets(times, views, WINDOW)
        print(
            f"{size}x{size}, {views} views x {moments} moments: one triplet a step "
            f"{1 / slow:.2f}/s; encoded once {anchored / fast:.1f}/s by anchors "
            f"({anchored * slow / fast:.1f}x), {every / fast:.0f}/s in all "
            f"({every * slow / fast:.0f}x); images {views * moments / fast:.1f}/s "
            f"against {6 / slow:.1f}/s"
        )


if __name__ == "__main__":
    main()
