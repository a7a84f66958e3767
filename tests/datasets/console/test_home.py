"""Paths of options that begin with the home folder's mark, which some shells leave as it is."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.datasets.test_command import parsed


@dataclass(frozen=True)
class Place:
    """A place.

    Attributes:
        folder: A folder.
    """

    folder: Path = Path("~/inner")


@dataclass(frozen=True)
class Places:
    """Options with paths.

    Attributes:
        out: A path.
        more: Paths.
        place: A group of options.
        name: No path.
    """

    out: Path = Path("here")
    more: tuple[Path, ...] = ()
    place: Place = field(default_factory=Place)
    name: str = ""


def test_paths_lead_to_the_home_folder_where_the_shell_left_the_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    words = ("--out=~/x", "--more", "~", "a/~/b", "--place.folder=~/deep", "--name=~/x")
    options = parsed(*words, kind=Places)
    assert (options.out, options.place.folder) == (tmp_path / "x", tmp_path / "deep")
    assert options.more == (tmp_path, Path("a/~/b"))
    assert options.name == "~/x"
    assert parsed(kind=Places).place.folder == tmp_path / "inner"


def test_paths_of_functions_lead_to_the_home_folder_too(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parsed("--out=~/x", kind=lone_path) == tmp_path / "x"


def lone_path(out: Path) -> Path:
    """Returns the path.

    Args:
        out: A path.
    """
    return out


def test_a_home_folder_of_nobody_is_refused(capsys):
    with pytest.raises(SystemExit) as end:
        parsed("--out=~nobody_of_this_name/x", kind=Places)
    assert end.value.code == 2
    assert "error: ~nobody_of_this_name/x names the home folder" in capsys.readouterr().err
