"""The cost of a step that an alignment reward judges, beside the step alone.

Run: python tests/benchmarks/bench_reward.py
     python tests/benchmarks/bench_reward.py --env lift pick --method nearest dtw

The encoder is DeiT-Tiny with 4 blocks at 112 pixels and has learned nothing: weights do not change
the time. The references are random embeddings of 50 videos of 80 frames.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
import tyro
from measuring import Row, note, one_thread, times

import sims
from align.config import BackboneConfig, TrainConfig
from align.embedder import FrameEmbedder
from align.plan import RunPlan
from align.progress.options import Method
from align.progress.references import References
from align.reward import AlignmentReward
from datasets.storage.meta import DatasetMeta

VIDEOS, FRAMES, SIZE = 50, 80, 112


@dataclass(frozen=True)
class Options:
    """Measure the cost of a rewarded step.

    Attributes:
        env: Worlds.
        method: Methods that read progress off references.
        steps: Steps of each measurement.
    """

    env: tuple[str, ...] = ("lift", "pick", "minecraft")
    method: tuple[Method, ...] = ("nearest", "dtw")
    steps: int = 60


def main() -> None:
    """Print processor time of a step with and without the reward."""
    options = tyro.cli(Options)
    one_thread()
    for name in options.env:
        env = sims.make(name, views=1, size=SIZE)
        meta = DatasetMeta(
            env=name,
            views=list(env.views),
            skeleton=env.skeleton.name,
            image_size=SIZE,
            seed=0,
            phases=list(env.phases),
            control_hz=env.control_hz,
        )
        config = TrainConfig(backbone=BackboneConfig(depth=4))
        embedder = FrameEmbedder(RunPlan.of(config, meta))
        embedder.model.eval()
        references = References(
            embedder.model, list(torch.randn(VIDEOS, FRAMES, embedder.model.backbone.embed_dim))
        )
        alone = step_time(env, options.steps)
        for method in options.method:
            rewarded = AlignmentReward(env, embedder, "view_0", references, method)
            cost = step_time(rewarded, options.steps)
            figures = f"{1000 * cost:.1f} against {1000 * alone:.1f} ms of processor"
            what = f"a step of {name}, rewarded by {method}"
            note(Row(what, "the step", times(cost / alone), figures))
        env.close()


def step_time(env: sims.env.MultiViewEnv | AlignmentReward, steps: int) -> float:
    """Median processor seconds of a step under random actions, after a few that warm up."""
    rng, seconds = np.random.default_rng(0), []
    env.reset(seed=0)
    for _ in range(steps):
        action = rng.uniform(-0.3, 0.3, env.action_space.shape)
        start = time.process_time()
        env.step(action)
        seconds.append(time.process_time() - start)
    return median(seconds[5:])


if __name__ == "__main__":
    main()
