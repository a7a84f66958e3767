"""Models of the zoo from and to a folder or the Hugging Face Hub."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError

from align.engine.checkpoint_header import read_about
from align.plan import RunPlan
from align.zoo.card import Card
from align.zoo.store import SUFFIX, fetched_folder, find
from datasets.command import command_line
from datasets.errors import MissingDataError, OptionError, UserError, require_known
from datasets.storage.atomic import atomic_path

# What the Hub asks of the first lines of a model's page.
_HEADER = "---\nlibrary_name: posealign\npipeline_tag: feature-extraction\n---\n\n# posealign\n"

# The library below the Hub's client differs by version (requests, httpx). All of its errors belong
# to the family that the Hub's own errors belong to.
_FAILURES: tuple[type[Exception], ...] = (OSError, *HfHubHTTPError.__bases__)


class HubError(UserError, OSError):
    """Raised when the Hub cannot be reached, or refuses; names the repository and the remedy."""


def pull(source: str, names: Sequence[str] = ()) -> list[Path]:
    """Fetches models into this user's folder of the zoo.

    Args:
        source: A folder that holds models, or a repository of the Hub, `OWNER/NAME`.
        names: Names of the models; all of the source by default.

    Returns:
        The files, in the order of the names.

    Raises:
        MissingDataError: When the source has no models.
        UnknownNameError: When it has no model of a name.
        HubError: When the Hub does not answer, or has no such repository.
        OptionError: When the source is a file, or neither a folder nor named as a repository.
        FormatError: When a file is no model of the zoo, or of a newer version; nothing replaces an
            older file then.
    """
    folder = Path(source)
    if folder.is_dir():
        return _pull_folder(folder, names)
    return _pull_repository(_repository(source), names)


def push(target: str, names: Sequence[str]) -> str:
    """Uploads models and a page with their cards to a repository of the Hub.

    The repository is made where it does not exist. `hf auth login`, or the variable HF_TOKEN, says
    who uploads.

    Args:
        target: The repository, `OWNER/NAME`.
        names: Names of the models, at least one.

    Returns:
        The address of the repository.

    Raises:
        OptionError: When no model is named.
        UnknownNameError: When no model has a name.
        HubError: When the Hub does not answer, or refuses.
    """
    if not names:
        raise OptionError("name the models to upload: `python -m align.zoo NAME … --push TARGET`.")
    paths = [find(name) for name in names]
    page = _HEADER + "\n".join(["", *(Card.of(path).markdown() for path in paths)])
    api, repository = HfApi(), _repository(target)
    try:
        address = api.create_repo(repository, exist_ok=True)
        for path in paths:
            api.upload_file(path_or_fileobj=path, path_in_repo=path.name, repo_id=repository)
        api.upload_file(path_or_fileobj=page.encode(), path_in_repo="README.md", repo_id=repository)
    except _FAILURES as error:
        raise _explained(repository, error) from error
    return str(address)


def _pull_folder(folder: Path, names: Sequence[str]) -> list[Path]:
    found = {path.name.removesuffix(SUFFIX): path for path in folder.glob(f"*{SUFFIX}")}
    return [_stored(found[name]) for name in _wanted(names, sorted(found), str(folder))]


def _pull_repository(repository: str, names: Sequence[str]) -> list[Path]:
    try:
        # All files are of the commit that was listed, whatever is uploaded meanwhile.
        info = HfApi().model_info(repository)
        files = [file.rfilename for file in info.siblings or ()]
        offered = sorted(file.removesuffix(SUFFIX) for file in files if file.endswith(SUFFIX))
        return [
            _stored(Path(hf_hub_download(repository, name + SUFFIX, revision=info.sha)))
            for name in _wanted(names, offered, repository)
        ]
    except _FAILURES as error:
        if isinstance(error, UserError):
            raise
        raise _explained(repository, error) from error


def _wanted(names: Sequence[str], offered: Sequence[str], source: str) -> Sequence[str]:
    if not offered:
        raise MissingDataError(f"{source} holds no models: their names end in {SUFFIX}.")
    for name in names:
        require_known(f"model in {source}", name, offered)
    return names or offered


def _stored(source: Path) -> Path:
    """Copies a model into the user's folder, after its card and its plan have been read."""
    Card.of(source)
    RunPlan.stored(read_about(source), source)
    path = fetched_folder() / source.name
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        shutil.copyfile(source, temporary)
    return path


def _repository(name: str) -> str:
    if Path(name).is_file():
        folder, model = Path(name).parent, Path(name).stem
        command = command_line("align.zoo", [model, "--pull", str(folder)])
        raise OptionError(f"{name} is a file. Name its folder, and the model: {command}")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise OptionError(
            f"{name} is neither a folder nor a repository of the Hub, which is named OWNER/NAME."
        )
    return name


def _explained(repository: str, error: Exception) -> HubError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return HubError(
        f"the Hub's repository {repository} cannot be used ({reason}). Check its name, the network "
        "and the token (`hf auth login`), or copy the files and name their folder."
    )
