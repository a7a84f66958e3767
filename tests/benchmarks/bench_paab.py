"""Time PAAB on pose tokens only against masked attention over all tokens, forward and backward.

Run: python tests/benchmarks/bench_paab.py
"""

from collections.abc import Callable
from functools import partial

import torch
from measuring import Row, clock_of, in_turns, note, one_thread, times
from torch import Tensor

from align.layout import TokenLayout
from align.paab import PaabVariant, PoseAwareAttentionBlock
from align.pose import pose_map_2d
from tests.align.masked_paab import masked_paab

CASES: list[tuple[str, int, int, PaabVariant, int, int]] = [
    # name, width, heads, variant, images or clips in a batch, frames
    ("width 192", 192, 3, "spatial", 16, 1),
    ("width 768", 768, 12, "spatial", 8, 1),
    ("width 192, 8 frames", 192, 3, "joint", 2, 8),
    ("width 768, 8 frames", 768, 12, "joint", 1, 8),
]
ROUNDS = 7
KEYPOINTS = 11
IMAGE_SIZE = (224, 224)
PATCH_SIZE = 16


def main() -> None:
    """Print one line per case: medians in milliseconds over interleaved rounds, and their ratio."""
    one_thread()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(f"PAAB, {KEYPOINTS} keypoints, 224x224 pixels in patches of 16, {device}")
    for name, dim, heads, variant, batch, frames in CASES:
        masked, gathered = measure(dim, heads, variant, batch, frames, device)
        note(
            Row(
                f"PAAB {variant} on pose tokens, forward and backward, {name}",
                "masked attention over all tokens",
                times(masked / gathered),
                f"{1000 * gathered:.1f} against {1000 * masked:.1f} ms, batch {batch}",
            )
        )


def measure(
    dim: int, heads: int, variant: PaabVariant, batch: int, frames: int, device: str
) -> tuple[float, float]:
    """Median seconds a step of the masked and of the gathered form."""
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

    def step(form: Callable[[Tensor, Tensor, TokenLayout], Tensor]) -> None:
        leaf = tokens.clone().requires_grad_()
        form(leaf, pose_map, layout).square().mean().backward()

    steps_of = {name: partial(step, form) for name, form in forms.items()}
    took = in_turns(steps_of, ROUNDS, clock_of(device))
    return took["masked"], took["gathered"]


if __name__ == "__main__":
    main()
