"""The options of `sims.generate`, and what they come to."""

from __future__ import annotations

import math
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from datasets.presets import Preset, get_preset, usual_views
from datasets.storage.episode_file import SPLITS
from datasets.storage.meta import short_name
from sims.errors import OptionError
from sims.registry import own_views, require_environment


def parse_split(text: str) -> tuple[float, ...]:
    """Reads shares such as `4,1,1` for training, validation and test.

    Raises:
        OptionError: Naming the text, when it is not three numbers of which the first is positive.
    """
    try:
        shares = tuple(float(part) for part in text.replace(":", ",").split(","))
    except ValueError:
        shares = ()
    numbers = len(shares) == len(SPLITS) and all(map(math.isfinite, shares))
    if not numbers or min(shares) < 0 or shares[0] <= 0:
        raise OptionError(
            f"--split {text!r} is not three shares for train, valid and test, such as 4,1,1 "
            "or 30,5,5."
        )
    return shares


def split_episodes(episodes: int, shares: tuple[float, ...]) -> dict[str, list[int]]:
    """Deals episode indices out in order, in proportion to the shares.

    Episodes are drawn independently, so their order holds nothing. When the shares sum to the
    number of episodes they are counts; every split with a share gets an episode while there are
    enough.
    """
    exact = np.array(shares) / sum(shares) * episodes
    counts = np.floor(exact).astype(int)
    # Largest remainders first; ties go to the earlier split.
    for i in np.argsort(-(exact - counts), kind="stable")[: episodes - counts.sum()]:
        counts[i] += 1
    for i in range(1, len(counts)):
        if shares[i] > 0 and counts[i] == 0 and counts[0] > 1:
            counts[i], counts[0] = 1, counts[0] - 1
    ends = np.cumsum(counts)
    return {
        name: list(range(end - count, end))
        for name, end, count in zip(SPLITS, ends.tolist(), counts.tolist(), strict=True)
    }


Cluster = Literal["local", "ray"]

EPISODES = 60
SPLIT = "4,1,1"


@dataclass(frozen=True)
class GenerateConfig:
    """Generate a data set of multi-view episodes.

    Attributes:
        env: The environment; or a class of your own, as `package.module:Class`; or mocap, whose
            options are others (--env mocap --help).
        preset: A published protocol's views, episodes and split: ftpv. --episodes then keeps the
            protocol's shares.
        views: Number of third-person views, besides the first-person view `ego`. By default the
            environment's own: 4 for lift and can, 9 for pick, 8 for minecraft, and what a class of
            your own has by default.
        episodes: Number of successful episodes; failures are thrown away and counted. 60 by
            default, or as many as the preset has.
        size: Height and width of the images, in pixels.
        seed: Base seed; an episode depends on it and on the episode's index alone.
        out: Folder of the data set; data/<env> by default.
        workers: Processes that work side by side; one per core by default.
        cluster: Where the workers are: processes of this machine, or of the Ray cluster that
            RAY_ADDRESS names (a Ray of this machine without it). The machines must share --out.
        shard: Make only share i of n, counted from 0, such as 3/16, and leave the index to a last
            run without --shard, which also makes what is missing.
        random_cameras: Draw the third-person cameras anew for every episode, from its seed: what
            learns from such views knows others better, too.
        split: Shares of train, valid and test; counts when they sum to --episodes. 4,1,1 by
            default, or what the preset has.
    """

    env: str = "lift"
    preset: str | None = None
    views: int | None = None
    episodes: int | None = None
    size: int = 224
    seed: int = 0
    out: Path | None = None
    workers: int | None = None
    cluster: Cluster = "local"
    shard: str | None = None
    split: str | None = None
    random_cameras: bool = False

    @property
    def root(self) -> Path:
        """The folder of the data set."""
        return Path("data") / short_name(self.env) if self.out is None else self.out

    @property
    def recipe(self) -> Preset | None:
        """What the preset says of the environment."""
        return None if self.preset is None else get_preset(self.preset, self.env)

    @property
    def num_views(self) -> int:
        """The number of third-person views."""
        if self.views is not None:
            return self.views
        if self.recipe is not None:
            return self.recipe.views
        return (own_views(self.env) if ":" in self.env else None) or usual_views(self.env)

    @property
    def num_episodes(self) -> int:
        """The number of episodes of the whole data set."""
        if self.episodes is not None:
            return self.episodes
        return EPISODES if self.recipe is None else self.recipe.episodes

    @property
    def parts(self) -> dict[str, list[int]]:
        """The episodes of each split."""
        shares = parse_split(self.split or SPLIT) if self.recipe is None else self.recipe.split
        return split_episodes(self.num_episodes, shares)

    @property
    def share(self) -> range:
        """The episodes that this run sees to: all of them, or those of its shard."""
        start, step = (0, 1) if self.shard is None else parse_shard(self.shard)
        return range(start, self.num_episodes, step)

    @property
    def command(self) -> str:
        """The command line that makes the whole data set."""
        options: dict[str, object] = {"env": self.env}
        if self.preset is None:
            options |= {"views": self.num_views, "split": self.split or SPLIT}
        else:
            options |= {"preset": self.preset}
        options |= {"episodes": self.num_episodes, "size": self.size, "seed": self.seed}
        options |= {"out": shlex.quote(str(self.root))}
        words = [f"--{name} {value}" for name, value in options.items()]
        words += ["--random-cameras"] if self.random_cameras else []
        return f"python -m sims.generate {' '.join(words)}"

    def check(self) -> None:
        """Raises an OptionError that names the value at fault and what is valid."""
        require_environment(self.env)
        require_folder(self.root)
        self._check_preset()
        for name, value in (
            ("views", self.num_views),
            ("episodes", self.num_episodes),
            ("size", self.size),
            ("workers", self.workers),
        ):
            if value is not None and value < 1:
                raise OptionError(f"--{name} must be at least 1, got {value}.")
        if self.seed < 0:
            raise OptionError(f"--seed must not be negative, got {self.seed}.")
        if self.split is not None:
            parse_split(self.split)
        if self.shard is not None:
            parse_shard(self.shard)

    def _check_preset(self) -> None:
        try:
            recipe = self.recipe
        except ValueError as error:
            raise OptionError(str(error)) from None
        if recipe is None:
            return
        if self.split is not None:
            raise OptionError(f"--preset {self.preset} has a split of its own: leave out --split.")
        if self.views not in (None, recipe.views):
            raise OptionError(
                f"--preset {self.preset} has {recipe.views} views of {self.env}, and its "
                f"unseen-view protocol counts on them: leave out --views {self.views}."
            )


def require_folder(root: Path) -> None:
    """Raises an OptionError when a file is where the folder of a data set is to be."""
    for path in (root, *root.parents):
        if path.exists() and not path.is_dir():
            raise OptionError(f"--out {root}: {path} is a file; name a folder.")


def parse_shard(text: str) -> tuple[int, int]:
    """Reads `i/n`: share i, counted from 0, of n.

    Raises:
        OptionError: Naming the text, when it is not that.
    """
    numbers = re.fullmatch(r"(\d+)/(\d+)", text)
    if numbers is None or int(numbers[1]) >= int(numbers[2]):
        raise OptionError(
            f"--shard {text!r} is not one of n shares counted from 0: 0/n to (n-1)/n."
        )
    return int(numbers[1]), int(numbers[2])
