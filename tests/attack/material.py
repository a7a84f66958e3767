"""Small data sets and runs, made once, that the rows copy and spoil."""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

import action.analyze
import action.evaluate
import align.analyze
import align.evaluate
import align.zoo.__main__
import sims
import sims.replay
from datasets.convert import ConvertConfig, convert
from datasets.episodes import EpisodeWriter
from tests.attack.material_formats import write_formats, write_recording_of_arm
from tests.datasets.clip_files import add_nucla, add_smarthome
from tests.datasets.synthetic import default_splits, make_data_set, make_episode, make_meta
from tests.repository.tiny_runs import action_run, align_run, trainer_of

# Replays `recorded.hdf5` into the folder that `--out` names.
REPLAY = "--demos recorded.hdf5 --views 1 --size 32 --split 1,1,1 --workers 1"


def make(root: Path) -> Path:
    """Makes all material below a folder and returns it.

    The runs name their data by relative paths. The folder gets its name at the end, so that no
    absolute path leads to the whole material where a row has spoilt its own copy.
    """
    building = root.with_name("building")
    building.mkdir(parents=True)
    before = Path.cwd()
    os.chdir(building)
    try:
        _episodes()
        _clips()
        _write_cloned(Path("cloned"))
        write_formats(Path())
        write_recording_of_arm(Path())
        write_demonstrations(Path("demos.hdf5"))
        _replay(Path("recorded.hdf5"))
    finally:
        os.chdir(before)
    building.rename(root)
    return root


def copy(material: Path, names: tuple[str, ...], here: Path) -> None:
    """Copies parts of the material into a row's folder."""
    for name in names:
        if (material / name).is_dir():
            shutil.copytree(material / name, here / name, symlinks=True)
        else:
            shutil.copy2(material / name, here / name)


def _episodes() -> None:
    config = align_run(Path(), epochs=1)
    for made in (config, replace(config, method="deit", out=Path("deit_run"))):
        trainer_of(made).fit()
        align.evaluate.evaluate(made.out, progress=False)
    _quietly(align.zoo.__main__.main, "mine", "--export", "deit_run", "--out", "zoo")
    _quietly(align.analyze.main, "run", "--out", "run/analysis.png")
    make_data_set(Path("plain"), episodes=3, views=1, size=32, steps=12)
    for name, target in (
        ("ftpv", "ftpv"),
        ("lerobot", "lerobot"),
        ("videos", "mp4"),
        ("robomimic.hdf5", "robomimic"),
    ):
        convert(ConvertConfig(Path("plain"), Path(name), to=target))  # type: ignore[arg-type]


def _clips() -> None:
    trainer_of(action_run(Path(), epochs=1, out=Path("clip_run"))).fit()
    _quietly(action.evaluate.main, "clip_run")
    for camera in (1, 2, 3):
        add_smarthome(Path("smarthome"), f"Drink.Fromcup_p03_r00_v0{camera}_c0{camera}")
        add_nucla(Path("nucla"), action=1, view=camera, subject=10)


def _write_cloned(root: Path) -> None:
    """Dots with the states of Lift that policies observe."""
    meta = replace(make_meta(views=1, size=32), env="lift")
    writer = EpisodeWriter(root, meta)
    for index in range(4):
        episode = make_episode(meta, index, steps=12)
        states = {"robot0_eef_quat": np.zeros((12, 4)), "object": np.zeros((12, 10))}
        writer.write(index, replace(episode, observations={**episode.observations, **states}))
    writer.write_index(default_splits(4))


def _replay(demos: Path) -> None:
    """A recording that can be replayed, and a replay of it that lacks its last episode."""
    write_recording(demos)
    _quietly(sims.replay.main, *shlex.split(REPLAY), "--out", "replayed")
    Path("replayed/episodes/000002.hdf5").unlink()


def _quietly(main: Callable[[Sequence[str]], None], *words: str) -> None:
    with redirect_stdout(io.StringIO()):
        main(list(words))


def write_recording(path: Path) -> None:
    """A file like robomimic's of Lift at rest, which can be replayed."""
    env = sims.make("lift", views=1, size=32)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps(env.env_args())
        for number in range(3):
            env.reset(seed=number)
            states = [env.state().copy()]
            for _ in range(2):
                env.step(np.zeros(env.action_space.shape))
                states.append(env.state().copy())
            demo = data.create_group(f"demo_{number}")
            demo.attrs["model_file"] = env.model_file()
            demo.attrs["num_samples"] = len(states)
            demo["states"] = np.stack(states)
            demo["actions"] = np.zeros((len(states), *env.action_space.shape))
    env.close()


def write_demonstrations(path: Path) -> None:
    """A file like robomimic's, with states and a model but without pictures."""
    env = {"env_name": "Lift", "type": 1, "env_version": "1.5.1", "env_kwargs": {"robots": "Panda"}}
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps(env)
        for number in range(2):
            demo = data.create_group(f"demo_{number}")
            demo.attrs["model_file"] = "<mujoco/>"
            demo.attrs["num_samples"] = 5
            demo["actions"] = np.zeros((5, 7))
            demo["states"] = np.zeros((5, 32))
