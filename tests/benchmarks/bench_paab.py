"""Time PAAB on pose tokens only against masked attention over all tokens, forward and backward.

Run: python tests/benchmarks/bench_paab.py
"""

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from align.layout import TokenLayout
from align.paab import PaabVariant, PoseAwareAttentionBlock
from align.pose import pose_map_2d
from tests.align.masked_paab import masked_paab

CASES: list[tuple[str, int, int, PaabVariant, int, int]] = [
    # name, width, heads, variant, images or clips in a batch, frames
    ("DeiT-Tiny width", 192, 3, "spatial", 16, 1),
    ("DeiT-Base width", 768, 12, "spatial", 8, 1),
    ("DeiT-Tiny width, 8 frames", 192, 3, "joint", 2, 8),
    ("DeiT-Base width, 8 frames", 768, 12, "joint", 1, 8),
]
ROUNDS = 7
KEYPOINTS = 11
IMAGE_SIZE = (224, 224)
PATCH_SIZE = 16


def main() -> None:
    """Print one line per case: medians in milliseconds over interleaved rounds, and their ratio."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(f"PAAB, forward and backward, {KEYPOINTS} keypoints, 224x224 pixels in patches of 16")
    print(f"{torch.get_num_threads()} threads, {device}, torch {torch.__version__}")
    print(f"{'case':27}{'variant':>10}{'batch':>7}{'masked ms':>11}{'gathered ms':>13}{'ratio':>8}")
    for name, dim, heads, variant, batch, frames in CASES:
        masked, gathered = measure(dim, heads, variant, batch, frames, device)
        print(
            f"{name:27}{variant:>10}{batch:7}{masked:11.1f}{gathered:13.1f}{masked / gathered:8.1f}"
        )


def measure(
    dim: int, heads: int, variant: PaabVariant, batch: int, frames: int, device: str
) -> tuple[float, float]:
    """Median milliseconds a step of the masked and of the gathered form."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    layout = TokenLayout(frames, IMAGE_SIZE[0] // PATCH_SIZE, IMAGE_SIZE[1] // PATCH_SIZE)
    block = PoseAwareAttentionBlock(dim, heads, variant).to(device)
    tokens = torch.randn(batch, layout.tokens, dim, generator=generator).to(device)
    # An arm: keypoints on a random walk, so that some share a patch and some leave the image.
    steps = 20 * torch.randn(batch, frames, KEYPOINTS, 2, generator=generator)
    pose_map = pose_map_2d(112 + steps.cumsum(dim=2), IMAGE_SIZE, PATCH_SIZE).to(device)
    forms: dict[str, Callable[[Tensor, Tensor, TokenLayout], Tensor]] = {
        "masked": partial(masked_paab, block),
        "gathered": block,
    }
    times: dict[str, list[float]] = {name: [] for name in forms}
    for round_index in range(ROUNDS + 2):
        for name, form in forms.items():
            leaf = tokens.clone().requires_grad_()
            start = now(device)
            form(leaf, pose_map, layout).square().mean().backward()
            if round_index >= 2:  # the first rounds warm up allocators and kernels
                times[name].append(1000 * (now(device) - start))
    return statistics.median(times["masked"]), statistics.median(times["gathered"])


def now(device: str) -> float:
    """Seconds, once the device has done its work."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    main()
