"""Count, for every world, the visible keypoints that lie on the body that they belong to.

Run: python tests/benchmarks/bench_keypoints.py

A keypoint that is marked visible counts when a pixel of the robot's (player's) own segmentation
mask is within 3 pixels of it. Looked at are every `--every`-th step of the expert's episodes, from
all of the world's usual views.
"""

from dataclasses import dataclass

import numpy as np
import tyro
from measuring import Row, note

import sims
from datasets.presets import usual_views
from sims.checker import keypoints_on_body
from sims.errors import SimulatorError


@dataclass(frozen=True)
class Options:
    """Count keypoints on bodies.

    Attributes:
        envs: Environments.
        episodes: Of each.
        size: Height and width of the images.
        every: Steps from one look to the next.
    """

    envs: tuple[str, ...] = tuple(sims.ENVIRONMENTS)
    episodes: int = 2
    size: int = 224
    every: int = 10


def main() -> None:
    """Print a line a world."""
    options = tyro.cli(Options)
    for name in options.envs:
        try:
            env = sims.make(name, views=usual_views(name), size=options.size)
        except SimulatorError as error:
            print(f"{name} is left out: {error}")
            continue
        on_body: list[bool] = []
        for seed in range(options.episodes):
            env.reset(seed=seed)
            for index, step in enumerate(env.expert(np.random.default_rng([seed, 1]))):
                if index % options.every == 0:
                    on_body += keypoints_on_body(env)
                _, _, terminated, truncated, _ = env.step(step.action)
                if terminated or truncated:
                    break
        env.close()
        note(
            Row(
                f"visible keypoints of {name} within 3 pixels of the body, {options.size}²",
                "",
                f"{100 * np.mean(on_body):.2f} %",
                f"{sum(on_body)} of {len(on_body)}",
            )
        )


if __name__ == "__main__":
    main()
