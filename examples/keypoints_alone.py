"""Align the views of a data set by its keypoints alone, to see how far they get without pixels.

    python examples/keypoints_alone.py --data data/lift

The script trains a small network on the coordinates and visibility of the keypoints, with the loss
of `align.train`, in a minute on a CPU. A method that has a lower error on the frames uses more than
the pose. The difference is largest with a first-person view, where the body hardly moves.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from align.engine.config import OptimConfig
from align.engine.optim import build_optimizer, learning_rate_factor
from align.losses import contrastive
from align.metrics.alignment import PairResult, episode_metrics, mean_metrics, view_errors
from align.models.config import LateConfig
from align.models.late_pose import KeypointEncoder, describe_keypoints
from align.results.cells import APART
from datasets.command import command, parse
from datasets.episodes import EpisodeDataset
from datasets.presets import usual_window

MOMENTS = 12


def described(data: EpisodeDataset, i: int) -> Tensor:
    """Keypoints of every frame (views, time, K, 3): x and y from -1 to 1, and 1 where visible."""
    return torch.stack(
        [
            describe_keypoints(
                torch.from_numpy(data.keypoints(i, view)),
                torch.from_numpy(data.visible(i, view)),
                data.meta.image_size,
            )
            for view in data.views
        ]
    )


def embed(network: nn.Module, frames: Tensor) -> Tensor:
    """Embeddings (…, time, dim) as `align.models.encoder` makes them: centred over time, unit."""
    z = network(frames.flatten(0, -3)).reshape(*frames.shape[:-2], -1)
    return F.normalize(z - z.mean(dim=-2, keepdim=True), dim=-1)


def main(
    data: Path, steps: int = 1500, noise: float = 0.01, lr: float = 1e-3, seed: int = 0
) -> None:
    """Train on the training episodes and measure on the test episodes.

    Args:
        data: Folder of episodes.
        steps: Training steps, of two episodes each.
        noise: Standard deviation of the noise on training coordinates, in half images.
        lr: Peak learning rate.
        seed: Seed of weights and batches.
    """
    train, test = EpisodeDataset(data, "train"), EpisodeDataset(data, "test")
    episodes = [described(train, i) for i in range(len(train))]
    moments = min(MOMENTS, *train.lengths)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = KeypointEncoder(episodes[0].shape[-2], LateConfig(noise=noise))
    config = OptimConfig(lr=lr)
    optimizer = build_optimizer(network, config)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * learning_rate_factor(step, steps, config)
        chosen = [episodes[i] for i in rng.integers(0, len(episodes), 2)]
        times = [np.sort(rng.choice(one.shape[1], moments, replace=False)) for one in chosen]
        frames = torch.stack([one[:, t] for one, t in zip(chosen, times, strict=True)])
        z = embed(network, frames)
        when = torch.from_numpy(np.stack(times))
        loss = contrastive(z, when, usual_window(train.meta.env), temperature=0.1, sigma=1.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pairs: list[PairResult] = []
    with torch.no_grad():
        network.eval()
        for i, name in enumerate(test.names):
            z = embed(network, described(test, i))
            pairs += episode_metrics(name, dict(zip(test.views, z, strict=True)))
    print(f"loss {loss.item():.3f} after {steps} steps")
    print(f"alignment error {mean_metrics(pairs)['alignment_error']:.4f}")
    for kind, error in view_errors(pairs).items():
        print(f"{APART.metrics[kind]} {error:.4f}")


if __name__ == "__main__":
    with command():
        parse(main, "python examples/keypoints_alone.py")
