"""Triplets a second: every frame of a step encoded once, against one triplet of two views a step.

Run: python tests/benchmarks/bench_triplets.py

The baseline is the published way: anchor, positive and negative in two views, six frames encoded
for one triplet. The compared form encodes T moments of V views once and forms the triplets on the
embeddings. Triplets are counted in two ways: one for each anchor and pair of views, which is the
number of steps that the baseline needs for as many, and all triplets that the loss averages over.
Forward, backward and optimizer step of DeiT-Tiny, medians over interleaved rounds.
"""

from collections.abc import Callable
from itertools import combinations

import torch
from measuring import Row, in_turns, note, one_thread, times

from align.engine.device import keep_freed_memory
from align.losses.pairs import time_gaps
from align.losses.time_contrastive import published_triplet
from align.models.pose_aware import ModelConfig, build_model

ROUNDS = 3
WINDOW = 2
CASES = ((224, 2, 12), (112, 2, 24), (112, 5, 12))  # image size, views, moments
BASELINE_TIMES = torch.tensor([[0, 1, 10]])  # anchor, positive, negative


def step(size: int, views: int, times: torch.Tensor) -> Callable[[], None]:
    """One training step on random frames, whose content does not affect the time."""
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


def count_triplets(times: torch.Tensor, views: int, window: int) -> int:
    """Number of (pair of views, anchor, positive, negative) that the loss averages over."""
    gap = time_gaps(times)
    near = ((gap > 0) & (gap <= window)).sum(-1)
    far = (gap > window).sum(-1)
    return int((near * far).sum()) * views * (views - 1) // 2


def main() -> None:
    """Print triplets a second and their ratios."""
    one_thread()
    keep_freed_memory()
    for size, views, moments in CASES:
        drawn = torch.arange(moments)[None] * 2
        forms = {"one": step(size, 2, BASELINE_TIMES), "all": step(size, views, drawn)}
        took = in_turns(forms, ROUNDS)
        slow, fast = took["one"], took["all"]
        anchored = moments * len(list(combinations(range(views), 2)))
        every = count_triplets(drawn, views, WINDOW)
        note(
            Row(
                f"triplets a second in training DeiT-Tiny {size}², {views} views × {moments} "
                "moments, every frame encoded once",
                "one triplet of two views a step, six frames encoded",
                f"{times(anchored * slow / fast)} by anchors, {times(every * slow / fast)} in all",
                f"{anchored / fast:.1f} and {every / fast:.0f} against {1 / slow:.2f} triplets/s; "
                f"{views * moments / fast:.1f} against {6 / slow:.1f} images/s",
            )
        )


if __name__ == "__main__":
    main()
