"""`meta.json`, the facts that all episodes of a data set have in common, and where it is found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from shlex import quote
from typing import Any

from pydantic import TypeAdapter, ValidationError

from datasets.errors import (
    DamagedDataError,
    FormatError,
    MismatchError,
    MissingDataError,
    shortened,
)
from datasets.skeletons import BUILT_IN, SKELETONS, Skeleton, get_skeleton
from datasets.storage.atomic import atomic_path
from datasets.storage.inside import require_plain_name

META_NAME = "meta.json"
MAKE_ONE = "Make one with `python -m sims.generate --env lift --views 4`."
_AGAIN = "make the data set again."
# An episode stores its phases as bytes.
MOST_PHASES = 256
# The largest height and width of frames, in pixels.
MOST_PIXELS = 8192
# A mask stores the instance of a pixel as a byte.
MOST_INSTANCES = 256
# The most time steps a second.
MOST_HZ = 10_000
# The most characters of a value in an error.
_BRIEF = 60
# Fields that may differ between two runs that add episodes to one data set.
_INFORMATIVE = {"command", "versions", "preset"}
# Fields that were added later, so that older data sets lack them.
_OPTIONAL = {
    "preset",
    "own_skeleton",
    "random_cameras",
    "moving_cameras",
    "random_scenes",
    "rig",
    "depth",
    "masks",
    "viewpoints",
}
# Fields that `meta.json` leaves out where they say nothing, so that data sets without
# them stay as they were, to the byte.
_UNSAID: dict[str, object] = {
    "moving_cameras": False,
    "random_scenes": False,
    "rig": "",
    "depth": False,
    "masks": [],
    "viewpoints": [],
}
# Types of the fields that reading an episode depends on.
_KINDS: dict[str, type | tuple[type, ...]] = {
    "env": str,
    "views": list,
    "skeleton": str,
    "image_size": int,
    "seed": int,
    "phases": list,
    "control_hz": (int, float),
    "env_args": dict,
}


def short_name(env: str) -> str:
    """The name that an environment has in file names: `Class` for `package.module:Class`."""
    return env.rpartition(":")[2]


@dataclass(frozen=True)
class DatasetMeta:
    """Facts that all episodes of a data set have in common.

    Attributes:
        env: Public name of the environment; it also names the index file.
        views: `ego` and `view_0` … in storage order.
        skeleton: Name of the skeleton that the keypoints follow.
        image_size: Height and width of the square images, in pixels.
        seed: Base seed; an episode's own seed is derived from it and the episode's index. 0 for
            episodes that were not generated.
        phases: Names of the values of an episode's `phases`; at least one.
        control_hz: Time steps a second.
        env_args: Arguments from which robomimic makes the environment.
        versions: Versions of the simulator's packages; all versions where episodes were made under
            several.
        command: The command that generated the data set.
        preset: Name of the preset that the data set follows, see `datasets.presets`; empty without
            one.
        random_cameras: Whether every episode drew its own third-person cameras.
        moving_cameras: Whether the third-person cameras move during an episode.
        random_scenes: Whether every episode drew its own textures, colours and lights.
        depth: Whether the episodes hold the depth of every pixel.
        masks: Names of the instances that the episodes' masks number, from 0 on; empty without
            masks.
        rig: Digest of the third-person cameras that were given in place of the world's own; empty
            without any.
        viewpoints: Names of the viewpoints of unpaired videos, of which each is an episode of its
            own with one view; empty where the views of an episode show it at the same time.
        own_skeleton: Definition of the skeleton, where this project has no skeleton of that name.
    """

    env: str
    views: list[str]
    skeleton: str
    image_size: int
    seed: int
    phases: list[str]
    control_hz: float
    env_args: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    command: str = ""
    preset: str = ""
    random_cameras: bool = False
    moving_cameras: bool = False
    random_scenes: bool = False
    depth: bool = False
    masks: list[str] = field(default_factory=list)
    rig: str = ""
    viewpoints: list[str] = field(default_factory=list)
    own_skeleton: Skeleton | None = None

    def __post_init__(self) -> None:
        """Stores the definition of a user's own skeleton, so that others can read the data set."""
        if self.own_skeleton is None and self.skeleton not in BUILT_IN:
            object.__setattr__(self, "own_skeleton", SKELETONS.get(self.skeleton))

    def get_skeleton(self) -> Skeleton:
        """The skeleton named by `skeleton`."""
        return get_skeleton(self.skeleton) if self.own_skeleton is None else self.own_skeleton

    @property
    def index_name(self) -> str:
        """File name of the index that joins the episodes."""
        return f"{short_name(self.env)}.hdf5"

    def save(self, root: Path) -> None:
        """Writes `meta.json` under `root`."""
        with atomic_path(root / META_NAME) as temporary:
            temporary.write_text(self.to_json())

    def to_json(self) -> str:
        """The text of `meta.json`."""
        said = {k: v for k, v in asdict(self).items() if k not in _UNSAID or v != _UNSAID[k]}
        return json.dumps(said, indent=2) + "\n"

    @classmethod
    def load(cls, root: Path | str) -> DatasetMeta:
        """Reads `meta.json` under `root`.

        Raises:
            DataError: When the file is missing, not JSON, or lacks a field.
        """
        root = Path(root)
        path = root / META_NAME
        try:
            text = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise MissingDataError(
                f"{path} does not exist: {root} is no data set of episodes. {_remedy(root)}"
            ) from None
        return cls.from_json(text, path)

    @classmethod
    def from_json(cls, text: str | bytes, path: Path) -> DatasetMeta:
        """Reads the text of a `meta.json`.

        Args:
            text: Text that `to_json` returned.
            path: File of the text, for messages.

        Raises:
            DataError: When the text is not JSON, lacks a field, or has a path instead of a name.
        """
        try:
            stored = json.loads(text)
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise DamagedDataError(
                f"{path} is not valid JSON ({error}); delete it and make the data set again: "
                "generation keeps complete episodes, a conversion needs another folder."
            ) from None
        if not isinstance(stored, dict):
            raise FormatError(f"{path} holds no JSON object; {_AGAIN}")
        known = {f.name for f in fields(cls)}
        if missing := known - _OPTIONAL - stored.keys():
            raise FormatError(f"{path} lacks {sorted(missing)}; {_AGAIN}")
        for name, kind in _KINDS.items():
            if not isinstance(stored[name], kind) or isinstance(stored[name], bool):
                wanted = kind.__name__ if isinstance(kind, type) else "number"
                raise FormatError(
                    f"{path}: `{name}` must be a {wanted}, got {stored[name]!r}; {_AGAIN}"
                )
        _require_sound(stored, path)
        stored["own_skeleton"] = _own_skeleton(stored, path)
        # These become names of files, so a path would reach outside the data set's folder.
        for name in (short_name(stored["env"]), *stored["views"]):
            require_plain_name(name, path)
        return cls(**{name: stored[name] for name in known & stored.keys()})

    def require_same_data_set(self, other: DatasetMeta, root: Path) -> None:
        """Raises a DataError when `other` would make different episodes than those under `root`."""
        # JSON turns tuples into lists, so both are compared after a round trip.
        stored, asked = (json.loads(json.dumps(asdict(meta))) for meta in (self, other))
        decisive = [name for name in stored if name not in _INFORMATIVE]
        differing = [
            text for name in decisive for text in _differences(name, stored[name], asked[name])
        ]
        if differing:
            raise MismatchError(
                f"{root} holds episodes made with other options ({shortened(differing, 3, '; ')}). "
                "Use the same options to resume, or another --out."
            )


def _differences(name: str, stored: Any, asked: Any) -> Iterator[str]:
    """The parts in which two values differ, each with both; those of dictionaries by their keys."""
    if isinstance(stored, dict) and isinstance(asked, dict):
        for key in {**stored, **asked}:
            yield from _differences(f"{name}.{key}", stored.get(key), asked.get(key))
    elif stored != asked:
        yield f"{name}: {_brief(stored)} on disk, {_brief(asked)} asked for"


def _brief(value: Any) -> str:
    """A value as code, cut to a length that an error can hold."""
    text = repr(value)
    return text if len(text) <= _BRIEF else f"{text[: _BRIEF - 1]}…"


def _require_sound(stored: dict[str, Any], path: Path) -> None:
    """Checks the values of a `meta.json` whose fields have the right types."""
    for name in ("views", "phases"):
        values = stored[name]
        if not values or not all(isinstance(value, str) for value in values):
            raise FormatError(f"{path}: `{name}` must be a list of names, got {values}; {_AGAIN}")
        if repeated := [value for value in values if values.count(value) > 1]:
            raise FormatError(f"{path}: `{name}` names {repeated[0]!r} twice; {_AGAIN}")
    for name in ("masks", "viewpoints"):
        values = stored.get(name, [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise FormatError(f"{path}: `{name}` must be a list of names, got {values!r}; {_AGAIN}")
    masks, depth = stored.get("masks", []), stored.get("depth", False)
    if len(masks) > MOST_INSTANCES:
        raise FormatError(f"{path}: `masks` names more than {MOST_INSTANCES} instances; {_AGAIN}")
    if not isinstance(depth, bool):
        raise FormatError(f"{path}: `depth` must be true or false, got {depth!r}; {_AGAIN}")
    size, hz, phases = stored["image_size"], stored["control_hz"], len(stored["phases"])
    if not 1 <= size <= MOST_PIXELS:
        raise FormatError(
            f"{path}: `image_size` must be from 1 to {MOST_PIXELS}, got {size}; {_AGAIN}"
        )
    if not 0 < hz <= MOST_HZ:
        raise FormatError(f"{path}: `control_hz` must be positive, got {hz}; {_AGAIN}")
    if phases > MOST_PHASES:
        raise FormatError(f"{path}: `phases` must be at most {MOST_PHASES}, got {phases}; {_AGAIN}")


def _own_skeleton(stored: dict[str, Any], path: Path) -> Skeleton | None:
    """The skeleton that a `meta.json` defines; None where it names one of this project's."""
    name, parts = stored["skeleton"], stored.get("own_skeleton")
    if parts is None or name in BUILT_IN:
        if name not in SKELETONS:
            raise FormatError(
                f"{path} names the skeleton {name!r}, which is not one of {list(SKELETONS)}; "
                f"{_AGAIN}"
            )
        return None
    if not isinstance(parts, dict):
        raise FormatError(f"{path}: `own_skeleton` is no object; {_AGAIN}")
    try:
        return TypeAdapter(Skeleton).validate_python({**parts, "name": name})
    except ValidationError as error:
        wrong = error.errors()[0]
        place = "/".join(map(str, ("own_skeleton", *wrong["loc"])))
        raise FormatError(f"{path}: `{place}` cannot be used: {wrong['msg']}; {_AGAIN}") from None


def _remedy(path: Path) -> str:
    """Advice where a path is given that is no data set of episodes."""
    for above in path.absolute().parents[:2]:  # that of episodes/000000.hdf5, and of lift.hdf5
        if path.exists() and (above / META_NAME).is_file():
            return f"Name the folder that holds it: {above}"
    if path.exists():
        words = f"python -m datasets.convert {quote(str(path))} OUT --to episodes"
        return f"Convert a recording with `{words}`, or {MAKE_ONE[0].lower()}{MAKE_ONE[1:]}"
    return MAKE_ONE


def newest_data_set(root: Path | str = Path("data")) -> Path:
    """The folder under `root` whose finished data set was written last.

    An unfinished data set is returned only when there is no finished one; opening it then raises
    an error that says how to finish it.

    Raises:
        DataError: When there is no data set under `root`, or a `meta.json` is not valid.
    """
    root = Path(root)
    folders = [path.parent for path in root.glob(f"*/{META_NAME}")]
    if not folders:
        raise MissingDataError(f"there is no data set under {root.absolute()}. {MAKE_ONE}")
    return max(folders, key=_finished_and_time)


def _finished_and_time(folder: Path) -> tuple[bool, float]:
    index = folder / DatasetMeta.load(folder).index_name
    finished = index.exists()
    return finished, (index if finished else folder / META_NAME).stat().st_mtime
