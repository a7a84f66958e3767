"""Where the zoo's models lie: those of the package, and those that were fetched."""

from __future__ import annotations

import os
from pathlib import Path

from datasets.errors import UnknownNameError, require_known
from datasets.storage.user_cache import user_cache

PREFIX = "zoo:"
SUFFIX = ".safetensors"
BUNDLED = Path(__file__).parent / "models"
# Another folder for fetched models, as a cluster's home directories are small.
_VARIABLE = "POSEALIGN_ZOO"


def fetched_folder() -> Path:
    """The folder of fetched models: $POSEALIGN_ZOO, or one in the user's cache."""
    if named := os.environ.get(_VARIABLE):
        return Path(named)
    return user_cache() / "zoo"


def stored() -> dict[str, Path]:
    """All models by name, with their files. A fetched model replaces a bundled one of its name."""
    files = [*_files(BUNDLED), *_files(fetched_folder())]
    return {path.name.removesuffix(SUFFIX): path for path in files}


def names() -> list[str]:
    """Names of all models that are on this machine."""
    return sorted(stored())


def hides_bundled(path: Path) -> bool:
    """Whether a fetched model takes the place of one that comes along."""
    return path.parent == fetched_folder() and (BUNDLED / path.name).exists()


def find(name: str) -> Path:
    """The file of a model, named with or without `zoo:`.

    Raises:
        UnknownNameError: When no model has this name.
    """
    models, name = stored(), name.removeprefix(PREFIX)
    require_known("model of the zoo", name, models)
    return models[name]


def resolve(run: Path | str) -> Path:
    """The path of a run, a checkpoint, or a model of the zoo given as `zoo:NAME`.

    Raises:
        UnknownNameError: When the zoo has no such model, or a model is named without `zoo:`.
    """
    text = str(run)
    if text.startswith(PREFIX):
        return find(text)
    if (name := text.lower().removeprefix(PREFIX)) in stored() and not Path(run).exists():
        raise UnknownNameError(f"{run} is no folder; did you mean {PREFIX}{name}?")
    return Path(run)


def _files(folder: Path) -> list[Path]:
    # A leading dot marks a file that is being written.
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith("."))
