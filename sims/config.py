"""The options of `sims.generate`, and the views, episodes and splits that follow from them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from datasets.bounds import NaturalInt, Pixels, Processes, Seed, Share
from datasets.command import command_line, optional
from datasets.presets import Preset, get_preset, usual_views
from datasets.storage.episode_file import SPLITS
from datasets.storage.meta import short_name
from sims.errors import OptionError
from sims.failures import FIRST_FAILURE
from sims.given_cameras import GivenCameras, moving_rig, read_given
from sims.registry import GYMNASIUM, own_views, require_environment


def parse_split(text: str) -> tuple[float, ...]:
    """Read shares such as `4,1,1` for training, validation and test.

    Raises:
        OptionError: When the text is not three numbers of which the first is positive.
    """
    try:
        shares = tuple(float(part) for part in text.replace(":", ",").split(","))
    except ValueError:
        shares = ()
    numbers = len(shares) == len(SPLITS) and all(map(math.isfinite, shares))
    if not numbers or min(shares) < 0 or shares[0] <= 0:
        raise OptionError(
            f"--split {text!r} is not three shares of train, valid and test, such as 4,1,1 "
            "or 30,5,5."
        )
    return shares


def split_episodes(episodes: int, shares: tuple[float, ...]) -> dict[str, list[int]]:
    """Divide episode indices in order, in proportion to the shares.

    Episodes are independent random draws, so their order carries no information. When the shares
    sum to the number of episodes, they are counts. Every split with a positive share gets at least
    one episode, as long as training keeps one.
    """
    exact = np.array(shares) / sum(shares) * episodes
    counts = np.floor(exact).astype(int)
    # The largest remainders are rounded up; of equal ones, that of the earlier split.
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
        env: Environment: lift, can, pick or minecraft; your own class as `package.module:Class`;
            an environment of Gymnasium on MuJoCo as gymnasium:ID, such as gymnasium:Reacher-v5; or
            mocap, which has other options (see --env mocap --help).
        preset: Published protocol that sets views, episodes and split: ftpv. A different --episodes
            keeps the protocol's shares.
        views: Number of third-person views beside the first-person view `ego`; by default 4 for
            lift and can, 9 for pick, 8 for minecraft, and that of your own class.
        episodes: Number of successful episodes; failures are discarded and counted. By default 60,
            or the preset's.
        size: Height and width of images in pixels.
        seed: Base seed; an episode depends only on it and on the episode's index.
        out: Folder of the data set; by default data/<env>.
        workers: Number of processes; by default one per core.
        cluster: Machines of the processes. local: this one; ray: the Ray cluster that RAY_ADDRESS
            names, or a Ray on this machine. All of them share --out.
        shard: Make only share i of n, counted from 0, such as 3/16. A last run without --shard
            makes the missing episodes and writes the index.
        random_cameras: Draw the third-person cameras of every episode from its seed, which helps
            on unseen views.
        moving_cameras: Move the third-person cameras a little during every episode, as if hands
            held them.
        keep_failures: Also make this share of --episodes in which the expert lets go, goes to the
            wrong place, or stops half-way. Their split is `failure`, which no training reads.
        cameras: Files of the third-person cameras, still or on paths, such as a rig as JSON. They
            are called view_0, view_1 …, or are named as VIEW=FILE:CAMERA.
        random_scenes: Draw textures, colours, lights and backgrounds of every episode from its
            seed. The robot's look and all motion stay.
        depth: Also record depth in millimetres.
        masks: Also record the background, robot or object of every pixel.
        policy: What acts in an environment of Gymnasium: random (the default), or your own
            generator function as `package.module:function`.
        keypoints: Bodies and sites that are keypoints of an environment of Gymnasium; by default
            all named bodies.
        split: Shares of train, valid and test; they are counts when they sum to --episodes. By
            default 4,1,1, or the preset's split.
    """

    env: str = "lift"
    preset: Annotated[str | None, optional("NAME")] = None
    views: Annotated[NaturalInt | None, optional("INT")] = None
    episodes: Annotated[NaturalInt | None, optional("INT")] = None
    size: Pixels = 224
    seed: Seed = 0
    out: Annotated[Path | None, optional("FOLDER")] = None
    workers: Annotated[Processes | None, optional("INT")] = None
    cluster: Cluster = "local"
    shard: Annotated[str | None, optional("I/N")] = None
    split: Annotated[str | None, optional("TRAIN,VALID,TEST")] = None
    random_cameras: bool = False
    moving_cameras: bool = False
    keep_failures: Share = 0.0
    cameras: tuple[str, ...] = ()
    random_scenes: bool = False
    depth: bool = False
    masks: bool = False
    policy: Annotated[str | None, optional("random|MODULE:FUNCTION")] = None
    keypoints: tuple[str, ...] = ()

    @property
    def root(self) -> Path:
        """Folder of the data set."""
        return Path("data") / short_name(self.env) if self.out is None else self.out

    @property
    def recipe(self) -> Preset | None:
        """The preset of the environment, if one is chosen."""
        return None if self.preset is None else get_preset(self.preset, self.env)

    @property
    def env_options(self) -> dict[str, Any]:
        """Arguments of the environment besides views and size."""
        given = {"policy": self.policy, "points": self.keypoints}
        return {name: value for name, value in given.items() if value}

    @cached_property
    def given_cameras(self) -> GivenCameras | None:
        """The cameras of --cameras; errors as of `sims.given_cameras.read_given`."""
        return read_given(self.cameras, self.size) if self.cameras else None

    @property
    def on_paths(self) -> GivenCameras | None:
        """The cameras of --cameras, where some of them move."""
        return moving_rig(self.given_cameras)

    @property
    def num_views(self) -> int:
        """Number of third-person views."""
        if self.views is not None:
            return self.views
        if self.given_cameras is not None:
            return len(self.given_cameras.cameras)
        if self.recipe is not None:
            return self.recipe.views
        return (own_views(self.env) if ":" in self.env else None) or usual_views(self.env)

    @property
    def num_episodes(self) -> int:
        """Number of episodes of the whole data set."""
        if self.episodes is not None:
            return self.episodes
        return EPISODES if self.recipe is None else self.recipe.episodes

    @property
    def parts(self) -> dict[str, list[int]]:
        """Indices of the episodes of each split."""
        return self.deal(self.num_episodes)

    def deal(self, episodes: int) -> dict[str, list[int]]:
        """Indices of the episodes of each split of a data set of this many."""
        shares = parse_split(self.split or SPLIT) if self.recipe is None else self.recipe.split
        return split_episodes(episodes, shares)

    @property
    def share(self) -> range:
        """Indices of the successes that this run makes: all, or those of its shard."""
        return self._share_of(range(self.num_episodes))

    @property
    def failures(self) -> range:
        """Indices of the episodes of the whole data set in which the expert is made to fail."""
        count = math.ceil(self.keep_failures * self.num_episodes)
        return range(FIRST_FAILURE, FIRST_FAILURE + count)

    @property
    def failure_share(self) -> range:
        """Those that this run makes."""
        return self._share_of(self.failures)

    def _share_of(self, indices: range) -> range:
        start, step = (0, 1) if self.shard is None else parse_shard(self.shard)
        return indices[start::step]

    @property
    def command(self) -> str:
        """Command line that makes the whole data set."""
        options: dict[str, object] = {"env": self.env}
        if self.preset is None:
            options |= {"views": self.num_views, "split": self.split or SPLIT}
        else:
            options |= {"preset": self.preset}
        options |= {"episodes": self.num_episodes, "size": self.size, "seed": self.seed}
        options |= {"out": self.root}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        words += ["--random-cameras"] if self.random_cameras else []
        words += ["--moving-cameras"] if self.moving_cameras else []
        words += ["--random-scenes"] if self.random_scenes else []
        words += ["--depth"] if self.depth else []
        words += ["--masks"] if self.masks else []
        words += ["--keep-failures", f"{self.keep_failures:g}"] if self.keep_failures else []
        words += ["--cameras", *self.cameras] if self.cameras else []
        words += ["--policy", self.policy] if self.policy else []
        words += ["--keypoints", *self.keypoints] if self.keypoints else []
        return command_line("sims.generate", words)

    def check(self) -> None:
        """Raise an OptionError that names the invalid value and valid ones."""
        require_environment(self.env)
        if self.env_options and not self.env.startswith(GYMNASIUM):
            raise OptionError(
                f"--policy and --keypoints are for --env {GYMNASIUM}ID; {self.env} has its own "
                "expert and keypoints: leave them out."
            )
        require_folder(self.root)
        self._check_preset()
        self._check_cameras()
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

    def _check_cameras(self) -> None:
        given = self.given_cameras
        if given is None:
            return
        if self.moving_cameras and given.paths:
            raise OptionError(
                f"--cameras moves {', '.join(given.paths)} on a path: leave out --moving-cameras, "
                "or give these cameras a pose alone."
            )
        if self.random_cameras:
            raise OptionError("--cameras says where the cameras are: leave out --random-cameras.")
        views, names = self.views or (self.recipe and self.recipe.views), given.cameras
        if views not in (None, len(names)):
            raise OptionError(
                f"--cameras has {len(names)} third-person cameras ({', '.join(names)}), but "
                f"{views} views were asked for: leave out --views and --preset, or add cameras."
            )

    def _check_preset(self) -> None:
        try:
            recipe = self.recipe
        except ValueError as error:
            raise OptionError(str(error)) from None
        if recipe is None:
            return
        if self.split is not None:
            raise OptionError(f"--preset {self.preset} sets the split: leave out --split.")
        if self.views not in (None, recipe.views):
            raise OptionError(
                f"--preset {self.preset} has {recipe.views} views of {self.env}, which its "
                f"unseen-view protocol needs: leave out --views {self.views}."
            )


def require_folder(root: Path) -> None:
    """Raise an OptionError when the folder of a data set, or a folder above it, is a file."""
    for path in (root, *root.parents):
        if path.exists() and not path.is_dir():
            raise OptionError(f"--out {root}: {path} is a file; choose a folder.")


def parse_shard(text: str) -> tuple[int, int]:
    """Read `i/n`: share i, counted from 0, of n.

    Raises:
        OptionError: When the text has another form, or i is not below n.
    """
    numbers = re.fullmatch(r"(\d+)/(\d+)", text)
    if numbers is None or int(numbers[1]) >= int(numbers[2]):
        raise OptionError(
            f"--shard {text!r} is not one of n shares, which are counted from 0/n to (n-1)/n."
        )
    return int(numbers[1]), int(numbers[2])
