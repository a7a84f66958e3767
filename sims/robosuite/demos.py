"""The reader of robosuite demonstrations in robomimic's HDF5 files."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import Any

import h5py
import numpy as np
from jaxtyping import Float

from datasets.errors import (
    DamagedDataError,
    FormatError,
    MismatchError,
    MissingDataError,
    shortened,
)
from datasets.storage.episode_file import SPLITS
from datasets.storage.index import demo_number, read_splits
from datasets.storage.inside import (
    require_links_inside,
    require_own_content,
    require_plain_name,
)
from sims.robosuite.arrays import AXES, COPY_AGAIN, OBSERVATION, arrays, model_text, require_alike
from sims.robosuite.env import ROBOMIMIC_ROBOSUITE_TYPE

ROBOT = "Panda"
CONVERT = "python -m robomimic.scripts.conversion.convert_robosuite --dataset {}"
OTHER_SPLIT = "--split 4,1,1"
# Names that a message lists.
_NAMED = 3


@dataclass(frozen=True)
class Demonstration:
    """One recorded episode of T time steps; parts that the recording lacks are None.

    Attributes:
        states: (T, S): time, positions and velocities of MuJoCo before each action.
        actions: (T, A).
        model_file: Model of this episode, as MJCF.
        rewards: (T,).
        dones: (T,).
        observations: Name to (T, …), without pictures.
    """

    states: Float[np.ndarray, "time state"]
    actions: Float[np.ndarray, "time action"]
    model_file: str
    rewards: np.ndarray | None = None
    dones: np.ndarray | None = None
    observations: dict[str, np.ndarray] = field(default_factory=dict)


class DemonstrationFile:
    """A file of robosuite demonstrations, low-dimensional or with pictures, checked when opened.

    Attributes:
        path: The file.
        env_args: Arguments that made the environment, in robomimic's form.
        names: Names of the demonstrations by the numbers in them, in order.
        robots: robosuite's names of the robots.
    """

    def __init__(self, path: Path) -> None:
        """Opens and checks the file without reading its states.

        Raises:
            DataError: When the file has no demonstrations that can be restored; gives the remedy.
        """
        self.path = path
        with self._open() as file:
            data = file.get("data")
            if not isinstance(data, h5py.Group) or not len(data):
                raise MissingDataError(
                    f"{path} holds no demonstrations data/demo_0, data/demo_1 …: it is no file of "
                    "robomimic. --demos takes files such as robomimic's lift/ph/low_dim_v15.hdf5."
                )
            require_links_inside(file, path, "data")  # this project's own indices have such links
            self.env_args = self._read_env_args(data)
            require_plain_name(self.world, path)  # it becomes the name of a file
            self.names = {demo_number(name)[0]: name for name in sorted(data, key=demo_number)}
            if len(self.names) < len(data) or -1 in self.names:
                kept = {name for number, name in self.names.items() if number >= 0}
                wrong = sorted(set(data) - kept)
                raise FormatError(
                    f"{path}: demonstrations must be named demo_NUMBER, each another number; "
                    f"rename or remove {shortened(wrong, _NAMED)}."
                )
            require_alike({name: data[name] for name in self.names.values()}, path)

    @property
    def env_version(self) -> str | None:
        """Version of robosuite that recorded the file; None where the file does not say."""
        return self.env_args.get("env_version")

    @property
    def task(self) -> str:
        """Name of the task, robosuite's or MimicGen's."""
        return str(self.env_args["env_name"])

    @property
    def world(self) -> str:
        """Name of the task, with those of its robots that are no Pandas."""
        return "-".join([self.task, *dict.fromkeys(r for r in self.robots if r != ROBOT)])

    @property
    def control_hz(self) -> float | None:
        """Time steps a second; None where the file does not say."""
        hz = self.env_args.get("env_kwargs", {}).get("control_freq")
        return None if hz is None else float(hz)

    @cached_property
    def splits(self) -> dict[str, list[int]] | None:
        """Numbers of the demonstrations of `train`, `valid` and `test`; None without masks.

        Raises:
            MismatchError: When a mask names a demonstration that the file does not hold; another
                split can replace the masks.
        """
        numbers = {name: number for number, name in self.names.items()}
        masks = read_splits(self.path, f"Replace its masks: {OTHER_SPLIT}")
        for split in SPLITS:
            if unknown := [name for name in masks.get(split, ()) if name not in numbers]:
                raise MismatchError(
                    f"{self.path}: its mask {split} names {unknown[:3]}, which it does not hold. "
                    f"Replace its masks: {OTHER_SPLIT}"
                )
        splits = {split: sorted(numbers[name] for name in masks.get(split, ())) for split in SPLITS}
        if not splits["train"] and any(splits.values()):
            raise MismatchError(
                f"{self.path}: its masks valid and test have demonstrations, and train has none. "
                f"Replace its masks: {OTHER_SPLIT}"
            )
        return splits if splits["train"] else None

    def states(self, number: int) -> Float[np.ndarray, "time state"]:
        """The states of a demonstration."""
        with self._open() as file:
            return file[f"data/{self.names[number]}/states"][:]

    def read(self, number: int) -> Demonstration:
        """Reads a demonstration.

        Raises:
            DataError: When its bytes are damaged, its model is no text, or its numbers are not all
                finite.
        """
        with self._open() as file:
            demo = file[f"data/{self.names[number]}"]
            where = f"{self.path}: {self.names[number]}"
            read = {name: array[:] for name, array in arrays(demo, where).items()}
            for name, values in read.items():
                if not np.isfinite(values).all():
                    raise FormatError(
                        f"{where}: its {name} are not all finite numbers. Remove it from the file, "
                        "or from its masks."
                    )
            return Demonstration(
                model_file=model_text(demo, where),
                **{name: values for name, values in read.items() if name in AXES},
                observations={
                    name.removeprefix(OBSERVATION): values
                    for name, values in read.items()
                    if name not in AXES
                },
            )

    @contextmanager
    def _open(self) -> Iterator[h5py.File]:
        try:
            file = h5py.File(self.path, "r", locking=False)
        except FileNotFoundError:
            raise MissingDataError(
                f"{self.path} does not exist; --demos takes an HDF5 file."
            ) from None
        except IsADirectoryError:
            raise FormatError(f"{self.path} is a folder; --demos takes an HDF5 file.") from None
        except PermissionError:  # whose own text names the file in the middle of much else
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.path)) from None
        except OSError as error:
            raise DamagedDataError(
                f"{self.path} cannot be read as HDF5, truncated or something else ({error}). "
                f"{COPY_AGAIN}"
            ) from None
        with file:
            require_own_content(file, self.path, links_in="data")
            try:
                yield file
            # h5py raises these for a missing name and for bytes that do not decode.
            except (KeyError, OSError, RuntimeError) as error:
                raise DamagedDataError(f"{self.path} is damaged: {error}. {COPY_AGAIN}") from error

    def _read_env_args(self, data: h5py.Group) -> dict[str, Any]:
        if "env_args" not in data.attrs:
            raise MissingDataError(
                f"{self.path} does not say which environment it is of (data.attrs['env_args']). "
                "For a file that robosuite has just collected, run: "
                f"{CONVERT.format(quote(str(self.path)))}"
            )
        try:
            env_args = json.loads(data.attrs["env_args"])
            kind, name, kwargs = (env_args[key] for key in ("type", "env_name", "env_kwargs"))
            robots = kwargs.get("robots", ROBOT)
            robots = [robots] if isinstance(robots, str) else list(robots)
            if not robots or not all(isinstance(word, str) for word in (name, *robots)):
                raise TypeError("env_name and robots must be names")
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise FormatError(
                f"{self.path}: data.attrs['env_args'] is not robomimic's JSON of env_name, type "
                f"and env_kwargs ({type(error).__name__}: {error}). {COPY_AGAIN}"
            ) from None
        if kind != ROBOMIMIC_ROBOSUITE_TYPE:
            raise FormatError(
                f"{self.path} is of {env_args['env_name']}, an environment of robomimic's type "
                f"{kind}; only robosuite's (type {ROBOMIMIC_ROBOSUITE_TYPE}) can be replayed."
            )
        hz = kwargs.get("control_freq")
        if hz is not None and not (isinstance(hz, int | float) and 0 < hz < math.inf):
            raise FormatError(
                f"{self.path}: data.attrs['env_args'] has control_freq {hz!r}, which is no number "
                f"of time steps a second. {COPY_AGAIN}"
            )
        self.robots = robots
        return env_args
