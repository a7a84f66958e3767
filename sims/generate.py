"""Generate a data set of multi-view episodes with a scripted expert.

Examples:
    python -m sims.generate --env lift --views 4
    python -m sims.generate --env pick --preset ftpv
    python -m sims.generate --env lift --views 9 --episodes 20 --size 112 --out data/lift9
    python -m sims.generate --env can --random-cameras   (for tests on unseen views)
    python -m sims.generate --env lift --views 3 --moving-cameras   (as if held in hands)
    python -m sims.generate --env lift --random-scenes --depth --masks  (other looks; all pixels)
    python -m sims.generate --env lift --cameras rig.json              (your own cameras)
    python -m sims.generate --env mine.door:DoorEnv --episodes 20      (your own simulator)
    python -m sims.generate --env gymnasium:Reacher-v5 --episodes 20   (any of Gymnasium on MuJoCo)
    python -m sims.generate --env mocap --views 3        (people; see `sims.mocap.generate`)
    python -m sims.generate --env mocap --as episodes    (people, for alignment)

It can be stopped with Ctrl-C, or killed, at any time: the same command resumes. The result is the
same to the byte, whatever the number of workers and interruptions. A killed worker is replaced.
Episodes on disk are checked first; damaged ones are named and made again.

On many machines that share a file system, use a Ray cluster:
    RAY_ADDRESS=head:6379 python -m sims.generate --env can --preset ftpv --cluster ray
or an array of Slurm jobs, each with one shard, and a last job that joins the shards:
    #SBATCH --array=0-15 --cpus-per-task=8
    python -m sims.generate --env can --preset ftpv --shard $SLURM_ARRAY_TASK_ID/16 --workers 8
then, after all of them (sbatch --dependency=afterany:…), the same command without --shard. It makes
the episodes that a failed job left out, and writes the index; before that, the data set cannot be
read.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote

import numpy as np

from datasets.cameras import Camera
from datasets.command import command, parse, preset_of
from datasets.episodes import EpisodeWriter
from datasets.errors import counted, length_range, require_known
from datasets.skeletons import SKELETONS
from datasets.storage.checks import open_episode
from datasets.storage.episode_file import EGO, FAILURE
from datasets.storage.meta import DatasetMeta
from sims.config import GenerateConfig
from sims.contract import require_contract
from sims.env import MultiViewEnv
from sims.errors import ContractError, OptionError
from sims.given_cameras import warn_of_blind_views
from sims.mocap.config import MocapConfig, MocapEpisodesConfig
from sims.production.run import RESUME, make_missing, progress, require_same_split, versions
from sims.production.worker import MAX_ATTEMPTS, Generation
from sims.registry import ENVIRONMENTS, make
from sims.rollout import attempt_of, episode_seed

log = logging.getLogger(__name__)

PROG = "python -m sims.generate"
MOCAP_PROG = f"{PROG} --env {MocapConfig.env}"
MOCAP_EPISODES_PROG = f"{MOCAP_PROG} --as {MocapEpisodesConfig.as_}"


def describe(config: GenerateConfig) -> DatasetMeta:
    """Return the description of the data set for its `meta.json`."""
    env = make(config.env, views=config.num_views, size=config.size, **config.env_options)
    try:
        if ":" in config.env:
            _require_contract(config, env)
        require_known("skeleton", env.skeleton.name, SKELETONS)
        if config.random_cameras:
            env.place_cameras(np.random.default_rng(0))  # raises when they cannot be moved
        if config.moving_cameras:
            env.move_cameras(_third_person(env))  # raises when they cannot be moved
        if config.random_scenes:
            env.draw_scene(np.random.default_rng(0))  # raises when they cannot be drawn
        if config.given_cameras is not None:
            env.use_cameras(config.given_cameras.cameras)
            env.reset(seed=episode_seed(config.seed, 0, 0))
            warn_of_blind_views(env, config.given_cameras, "--cameras", "episode")
        if config.on_paths is not None:
            env.move_cameras(config.on_paths.at(0.0))  # raises when they cannot be moved
        if config.keep_failures:
            env.failing_expert(*map(np.random.default_rng, (0, 1)))  # raises when it cannot fail
        # Raises when the world measures neither depth nor masks.
        instances = env.instances() if config.depth or config.masks else ()
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
            moving_cameras=config.moving_cameras or config.on_paths is not None,
            random_scenes=config.random_scenes,
            depth=config.depth,
            masks=list(instances) if config.masks else [],
            rig="" if config.given_cameras is None else config.given_cameras.digest,
        )
    finally:
        env.close()


def _require_contract(config: GenerateConfig, env: MultiViewEnv) -> None:
    """Checks a user's own world before any work."""
    try:
        require_contract(env, episode_seed(config.seed, 0, 0))
    except ContractError as error:
        raise ContractError(
            f"{config.env} breaks the contract of MultiViewEnv: {error} "
            "sims.checker.check_multi_view_env checks all of it."
        ) from None


def _third_person(env: MultiViewEnv) -> dict[str, Camera]:
    env.reset(seed=0)
    return {view: camera for view, camera in env.cameras().items() if view != EGO}


def generate(config: GenerateConfig) -> Path | None:
    """Make the episodes that are not on disk yet, then the index.

    Returns:
        The index file; None for a shard, which writes no index.

    Raises:
        OptionError: When an option has an invalid value.
        DataError: When the folder holds episodes made with other options or split in other shares.
        SimulatorError: When the simulator or the graphics driver is missing.
        ProductionError: When workers are killed again and again.
        OSError: When the disk is full or cannot be written.
    """
    config.check()
    _log_preset(config)
    meta = describe(config)
    root = config.root.absolute()  # workers of a cluster may have another current folder
    require_same_split(root, meta, lambda numbers: config.deal(len(numbers)))
    job = Generation(
        root, meta, config.seed, tuple(config.env_options.items()), config.given_cameras
    )
    todo = [*config.share, *config.failure_share]
    writer = make_missing(job, todo, config.workers, config.cluster)
    if config.shard is not None:
        return None
    # When runs with more and more episodes extended the data set, the last command makes all of it.
    replace(DatasetMeta.load(root), command=meta.command, preset=meta.preset).save(root)
    failures = {FAILURE: config.failures} if config.failures else {}
    return writer.write_index({**config.parts, **failures})


def _log_preset(config: GenerateConfig) -> None:
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
        " in the same shares as the protocol's {} ({}/{}/{})".format(
            config.recipe.episodes, *config.recipe.split
        )
        if fewer
        else "",
    )


def summarize(config: GenerateConfig) -> str:
    """Describe the episodes on disk, and name the next commands."""
    if config.shard is not None:
        return (
            f"{config.root}: shard {config.shard} is complete, "
            f"{counted(len(config.share), 'episode')}. "
            f"{progress(config.root, range(config.num_episodes))}\n"
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
        f"{config.root}: {counted(len(lengths), 'episode')} in {counted(attempts, 'attempt')} "
        f"({counted(attempts - len(lengths), 'failure')} discarded), "
        f"{length_range(lengths, 'steps')}, "
        f"{', '.join(f'{name} {len(members)}' for name, members in config.parts.items())}.\n"
        f"{_failures_made(config)}"
        f"Look at it:  python -m datasets.info {quote(str(config.root))}\n"
        f"Train on it: python -m align.train --method paab --data {quote(str(config.root))}"
    )


def _failures_made(config: GenerateConfig) -> str:
    if not config.failures:
        return ""
    return f"Beside them, {counted(len(config.failures), 'failure')} in the split {FAILURE!r}.\n"


def _run(config: GenerateConfig) -> None:
    def progress_so_far() -> str:
        return progress(config.root, range(config.num_episodes))

    with command(resume=lambda: f"{config.root}: {progress_so_far()} {RESUME}"):
        generate(config)
        print(summarize(config))


# Options of one form of `--env mocap` that mean nothing in another one, with the reason.
_OUT_OF_PLACE = {
    MocapEpisodesConfig.as_: {
        "--layout": "episodes have one format, and --layout is that of clips"
    },
    MocapConfig.as_: {"--split": "clips are split by the protocols of their --layout"},
}


def _refuse_out_of_place(arguments: Sequence[str], form: str) -> None:
    for option, reason in _OUT_OF_PLACE[form].items():
        if preset_of(arguments, option, ""):
            raise OptionError(f"{reason}: leave out {option}, or choose another --as.")


def _run_mocap(arguments: Sequence[str]) -> None:
    form = preset_of(arguments, "--as", MocapConfig.as_, tuple(_OUT_OF_PLACE))
    with command():
        _refuse_out_of_place(arguments, form)
    # These modules need more libraries than the robots' worlds.
    if form == MocapEpisodesConfig.as_:
        from sims.mocap import episodes

        episodes.run(parse(MocapEpisodesConfig, MOCAP_EPISODES_PROG, arguments))
        return
    from sims.mocap import generate as mocap

    also = {MOCAP_EPISODES_PROG: MocapEpisodesConfig}
    mocap.run(parse(MocapConfig, MOCAP_PROG, arguments, also=also))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    env = preset_of(arguments, "--env", GenerateConfig.env)
    if env == MocapConfig.env:
        _run_mocap(arguments)
        return
    with command():
        # A misspelt --env mocap is named here, before its options are called unknown.
        if ":" not in env:
            require_known("environment", env, (*ENVIRONMENTS, MocapConfig.env))
        if preset_of(arguments, "--as", ""):
            raise OptionError(f"--as is for --env {MocapConfig.env}: {env} is always episodes.")
    _run(parse(GenerateConfig, PROG, arguments, also={MOCAP_PROG: MocapConfig}))


if __name__ == "__main__":
    main()
