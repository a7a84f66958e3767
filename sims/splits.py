"""Which episodes of a data set serve training, validation and test."""

from __future__ import annotations

import math

import numpy as np

from datasets.episodes import SPLITS
from sims.errors import OptionError


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
