"""Generates a data set of multi-view episodes with a scripted expert.

Examples:
    python -m sims.generate --env lift --views 4
    python -m sims.generate --env pick --preset ftpv
    python -m sims.generate --env lift --views 9 --episodes 20 --size 112 --out data/lift9
    python -m sims.generate --env can --random-cameras   (for views that training has not seen)
    python -m sims.generate --env mine.door:DoorEnv --episodes 20      (a simulator of your own)
    python -m sims.generate --env mocap --views 3        (people; it has options of its own)

It can be stopped with Ctrl-C, or killed, at any time: the same command goes on where it stopped,
and the result is the same to the byte, whatever the number of workers. A worker that is killed is
replaced. Episodes that are on disk are checked first; a damaged one is named and made again.

On many machines that share a file system, either over a Ray cluster:
    RAY_ADDRESS=head:6379 python -m sims.generate --env can --preset ftpv --cluster ray
or as an array of Slurm jobs, each with its share, and a last job that joins them:
    #SBATCH --array=0-15 --cpus-per-task=8
    python -m sims.generate --env can --preset ftpv --shard $SLURM_ARRAY_TASK_ID/16 --workers 8
then, once all have ended (sbatch --dependency=afterany:…), the same without --shard. It makes
what a failed share has left out, and writes the index; until then the data set cannot be read.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import tyro

from datasets.episodes import EpisodeWriter
from datasets.errors import require_known
from datasets.skeletons import SKELETONS
from datasets.storage.checks import open_episode
from datasets.storage.meta import DatasetMeta
from sims.config import GenerateConfig
from sims.mocap import generate as mocap
from sims.production.run import ending_in_words, make_missing, progress, talk, versions
from sims.production.worker import MAX_ATTEMPTS, Generation
from sims.registry import make
from sims.rollout import attempt_of

log = logging.getLogger("sims.generate")  # __name__ is __main__ where this is the command


def describe(config: GenerateConfig) -> DatasetMeta:
    """What `meta.json` says of the data set."""
    env = make(config.env, views=config.num_views, size=config.size)
    try:
        require_known("skeleton", env.skeleton.name, SKELETONS)
        if config.random_cameras:
            env.place_cameras(np.random.default_rng(0))  # raises where they cannot be moved
        return DatasetMeta(
            env=config.env,
            views=list(env.views),
            skeleton=env.skeleton.name,
            image_size=config.size,
            seed=config.seed,
            phases=list(env.phases),
            control_hz=env.control_hz,
            env_args=env.env_args(),
            versions=versions(),
            command=config.command,
            preset=config.preset or "",
            random_cameras=config.random_cameras,
        )
    finally:
        env.close()


def generate(config: GenerateConfig) -> Path | None:
    """Makes the episodes that are not on disk yet, then the index.

    Returns:
        The index file; None for a shard, which writes none.

    Raises:
        OptionError: For an option that is not valid.
        DataError: When the folder holds episodes made with other options.
        SimulatorError: When the simulator or the graphics driver is missing, or workers are killed
            again and again.
        OSError: When the disk is full or cannot be written.
    """
    config.check()
    _say_what_the_preset_comes_to(config)
    meta = describe(config)
    root = config.root.absolute()  # the workers of a cluster may be elsewhere
    job = Generation(root, meta, config.seed)
    writer = make_missing(job, config.share, config.workers, config.cluster)
    if config.shard is not None:
        return None
    # Of runs that added to one data set, the last one's command makes all of it.
    replace(DatasetMeta.load(root), command=meta.command, preset=meta.preset).save(root)
    return writer.write_index(config.parts)


def _say_what_the_preset_comes_to(config: GenerateConfig) -> None:
    if config.recipe is None:
        return
    parts = {name: len(members) for name, members in config.parts.items()}
    fewer = config.num_episodes != config.recipe.episodes
    log.info(
        "Preset %s, %s: ego and %d third-person views, %d episodes (%s)%s.",
        config.preset,
        config.env,
        config.num_views,
        config.num_episodes,
        ", ".join(f"{name} {count}" for name, count in parts.items()),
        " in the shares of the protocol's {} ({}/{}/{})".format(
            config.recipe.episodes, *config.recipe.split
        )
        if fewer
        else "",
    )


def summarize(config: GenerateConfig) -> str:
    """What is on disk, and what to run next."""
    if config.shard is not None:
        return (
            f"{config.root}: shard {config.shard} is whole, {len(config.share)} episodes. "
            f"{_progress(config)}\n"
            f"When all shards have ended, join them: {config.command}"
        )
    writer = EpisodeWriter(config.root, DatasetMeta.load(config.root))
    attempts, lengths = 0, []
    for index in config.share:
        with open_episode(writer.path(index)) as file:
            lengths.append(int(file.attrs["num_samples"]))
            attempt = attempt_of(config.seed, index, int(file.attrs["seed"]), MAX_ATTEMPTS)
        attempts += 1 if attempt is None else attempt + 1
    return (
        f"{config.root}: {len(lengths)} episodes in {attempts} attempts "
        f"({attempts - len(lengths)} failures thrown away), "
        f"{min(lengths)} to {max(lengths)} steps (median {int(np.median(lengths))}), "
        f"{', '.join(f'{name} {len(members)}' for name, members in config.parts.items())}.\n"
        f"Look at it:  python -m datasets.info {config.root}\n"
        f"Train on it: python -m align.train --method paab --data {config.root}"
    )


def _progress(config: GenerateConfig) -> str:
    return progress(config.root, range(config.num_episodes))


def _named_env() -> str | None:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--env")
    return parser.parse_known_args()[0].env


def main() -> None:
    """Command line."""
    talk()
    if _named_env() == "mocap":
        mocap.main()
        return
    config = tyro.cli(GenerateConfig, prog="python -m sims.generate")
    with ending_in_words(config.root, lambda: _progress(config)):
        generate(config)
    print(summarize(config))


if __name__ == "__main__":
    main()
