"""A data set with some of its views, or with other names of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from datasets.errors import OptionError, require_known
from datasets.given import require_names
from datasets.source import Source
from datasets.storage.episode_file import Episode

# Parts of an episode that map a view to its values.
_BY_VIEW = (
    *("images", "keypoints", "visible", "depth", "masks"),
    *("intrinsics", "world_to_camera", "lenses"),
)


class ChosenViews(Source):
    """A data set of which some views are read, under names that may differ."""

    title = "chosen views"
    looks_like = "another data set"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """False, since no files have this format."""
        return False

    def __init__(self, source: Source, names: Mapping[str, str]) -> None:
        """Wraps an opened data set.

        Args:
            source: The data set.
            names: Its name of each view that is read to the new one.
        """
        self._source, self._names = source, names
        self.root, self.frame_size = source.root, source.frame_size
        self.names, self.lengths, self.tasks = source.names, source.lengths, source.tasks
        # A preset says which views there are.
        self.meta = replace(source.meta, views=list(names.values()), preset="")

    @cached_property
    def splits(self) -> Mapping[str, Sequence[int]] | None:
        """Those of the data set."""
        return self._source.splits

    def episode(self, i: int) -> Episode:
        """Reads an episode with these views into memory; errors as of the data set."""
        return self._of(self._source.episode(i))

    def lazy_episode(self, i: int) -> Episode:
        """Reads an episode with these views without its frames, if possible."""
        return self._of(self._source.lazy_episode(i))

    def _of(self, episode: Episode) -> Episode:
        kept: dict[str, Any] = {
            part: {new: values[old] for old, new in self._names.items() if old in values}
            for part, values in ((part, getattr(episode, part)) for part in _BY_VIEW)
        }
        return replace(episode, **kept)


def choose_views(source: Source, words: Sequence[str]) -> Source:
    """The data set with the views that an option names.

    Args:
        source: The data set.
        words: Words such as `front=ego` and `wrist`, which keep a view under a new or its own name;
            a word may hold several with commas between them. Without any, all views are kept.

    Raises:
        OptionError: When a view does not exist or is named twice, or a new name is given to two
            views or cannot be that of a file.
    """
    pairs = [pair.partition("=") for word in words for pair in word.split(",")]
    if not pairs:
        return source
    for old, _, _ in pairs:
        require_known("view of --views", old, source.views, OptionError)
    named = [(old, new if equals else old) for old, equals, new in pairs]
    require_names("--views", [new for _, new in named])
    for part, found in zip(("view", "name"), zip(*named, strict=True), strict=True):
        if repeated := [name for name in found if found.count(name) > 1]:
            raise OptionError(
                f"--views has the {part} {repeated[0]} twice. Give each view once, with a name of "
                "its own."
            )
    return ChosenViews(source, dict(named))
