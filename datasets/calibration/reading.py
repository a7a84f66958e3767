"""Calibrations of files and folders, in whatever format they are."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from datasets.calibration import droid, kalibr, opencv, own, plain, ros
from datasets.calibration.chains import placed_by_chains
from datasets.calibration.parts import CameraParts
from datasets.console.home import expanded
from datasets.errors import (
    DamagedDataError,
    FormatError,
    MissingDataError,
    OptionError,
    require_known,
)
from datasets.kinematics.rig import RigCamera
from datasets.storage.episode_file import Episode
from datasets.storage.own_files import own_files

# In this order: a camera_info and a chain have keys that no rig has.
_FORMATS = (plain, ros, kalibr, droid, own)
_KNOWN = "OpenCV's YAML, ROS's camera_info, Kalibr's chain, DROID's poses, or a rig as JSON"
_SUFFIXES = {".json", ".yaml", ".yml", ".xml"}
# OpenCV's header, which is no YAML, also begins chains that were copied for other programs.
_HEADER = re.compile(r"\A\s*%YAML:[\d.]+\s*\n")


def read_cameras(words: Sequence[str]) -> dict[str, CameraParts]:
    """The parts of cameras that some files give, view by view.

    Args:
        words: Each a file, a folder of files, or `VIEW=FILE`. A file with one camera is of the view
            of its own name, one with several of the views that they are called by.
            `VIEW=FILE:CAMERA` takes one of several. What two files say about one view is joined.

    Raises:
        DataError: When a file is missing, cannot be read, or holds a camera that cannot be.
        UnknownNameError: When a file does not hold the camera.
    """
    found: dict[str, CameraParts] = {}
    for word in words:
        for view, parts in _named(word).items():
            found[view] = found[view].joined(parts) if view in found else parts
    return placed_by_chains(found)


def whole_cameras(
    found: Mapping[str, CameraParts], episode: Episode, name: str
) -> dict[str, RigCamera]:
    """The camera of each view of an episode, for its pictures.

    Args:
        found: What is known about the cameras.
        episode: The episode.
        name: The episode, for messages.

    Raises:
        DataError: When a view has no camera, one without intrinsics or pose, or one of other
            pictures.
    """
    if missing := [view for view in episode.images if view not in found]:
        raise MissingDataError(
            f"--cameras lacks {', '.join(missing)} of {name}; it has {', '.join(found)}. Name a "
            f"file of each view: --cameras {missing[0]}=FILE; or keep other views alone: --views"
        )
    return {
        view: found[view].camera(view).of_frames(frames, view)
        for view, frames in episode.images.items()
    }


def read_file(path: Path) -> dict[str, CameraParts]:
    """The cameras of one file by name; the name of an only camera is empty.

    Raises:
        DataError: See `read_cameras`.
    """
    text = _text(path)
    if opencv.recognizes(text):
        return opencv.read(str(path), text)
    stored = _parsed(path, text)
    for form in _FORMATS:
        if form.recognizes(stored):
            return form.read(str(path), stored)
    raise FormatError(f"{path} is no calibration that can be read: it must be {_KNOWN}.")


def _named(word: str) -> dict[str, CameraParts]:
    path = expanded(Path(word))
    if path.is_dir():
        return _folder(path)
    view, equals, file = word.partition("=")
    if path.exists() or not equals:
        return _by_view(path)
    if not file:
        raise OptionError(f"--cameras {word} names no file. Give one: --cameras {word}FILE")
    file, camera = _split(str(expanded(Path(file))))
    cameras = read_file(Path(file))
    if not camera and len(cameras) > 1:
        raise FormatError(
            f"{file} holds the cameras {', '.join(cameras)}: say which one {view} is, such as "
            f"{view}={file}:{next(iter(cameras))}"
        )
    if camera:
        require_known(f"camera of {file}", camera, cameras)
    return {view: cameras[camera or next(iter(cameras))]}


def _split(word: str) -> tuple[str, str]:
    """The file and the camera of FILE:CAMERA."""
    file, colon, camera = word.rpartition(":")
    return (file, camera) if colon and not Path(word).exists() else (word, "")


def _by_view(path: Path) -> dict[str, CameraParts]:
    return {name or path.stem: parts for name, parts in read_file(path).items()}


def _folder(folder: Path) -> dict[str, CameraParts]:
    files = [f for f in own_files(folder.iterdir()) if f.suffix.lower() in _SUFFIXES]
    if not files:
        raise MissingDataError(
            f"{folder} holds no calibrations ({', '.join(sorted(_SUFFIXES))}). Name another folder."
        )
    return read_cameras([str(file) for file in files])


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise MissingDataError(f"{path} does not exist. Check the path.") from None
    except UnicodeDecodeError:
        raise DamagedDataError(f"{path} is no text. Name a calibration: {_KNOWN}.") from None


def _only(path: Path, documents: list[Any]) -> Any:
    """The document of a file; ROS prints one for each message, which differ in their header."""
    found = [document for document in documents if document is not None]
    contents = [
        {key: value for key, value in document.items() if key != "header"}
        if isinstance(document, dict)
        else document
        for document in found
    ]
    if any(content != contents[0] for content in contents):
        raise FormatError(f"{path} holds {len(found)} calibrations that differ. Leave one of them.")
    return found[0] if found else None


def _distinct(pairs: Sequence[tuple[Any, Any]]) -> dict[Any, Any]:
    """The pairs by their keys; parsers would drop all but the last of one key in silence."""
    counts = Counter(str(key) for key, _ in pairs)
    if repeated := [key for key, count in counts.items() if count > 1]:
        raise ValueError(f"{', '.join(repeated)} stands twice in one place")
    return dict(pairs)


class _DistinctLoader(yaml.SafeLoader):
    """YAML in which a key stands once in one place."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping, once its keys are found to differ."""
        _distinct([(key.value, None) for key, _ in node.value])
        return super().construct_mapping(node, deep)


def _parsed(path: Path, text: str) -> Any:
    kind = "JSON" if path.suffix.lower() == ".json" or text.lstrip().startswith("{") else "YAML"
    try:
        if kind == "JSON":
            return json.loads(text, object_pairs_hook=_distinct)
        # _DistinctLoader is a SafeLoader, which makes plain values alone.
        documents = list(yaml.load_all(_HEADER.sub("", text), _DistinctLoader))
    # Both parsers call themselves for each list in a list.
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise DamagedDataError(f"{path} is not valid {kind} ({reason}). Correct it.") from None
    return _only(path, documents)
