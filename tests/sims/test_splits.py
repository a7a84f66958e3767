"""Shares of train, valid and test."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.errors import OptionError
from sims.config import parse_split, split_episodes


def sizes(episodes, shares):
    return [len(members) for members in split_episodes(episodes, shares).values()]


@pytest.mark.parametrize(
    ("episodes", "text", "expected"),
    [
        (40, "30,5,5", [30, 5, 5]),
        (60, "4,1,1", [40, 10, 10]),
        (60, "4:1:1", [40, 10, 10]),
        (3, "4,1,1", [1, 1, 1]),
        (4, "4,1,1", [2, 1, 1]),
        (2, "4,1,1", [1, 1, 0]),
        (1, "4,1,1", [1, 0, 0]),
        (10, "1,0,0", [10, 0, 0]),
        (10, "0.8,0.1,0.1", [8, 1, 1]),
    ],
)
def test_known_splits(episodes, text, expected):
    assert sizes(episodes, parse_split(text)) == expected


@given(
    st.integers(1, 300),
    st.tuples(st.integers(1, 50), st.integers(0, 50), st.integers(0, 50)),
)
def test_every_episode_is_in_one_split_and_sizes_follow_the_shares(episodes, shares):
    split = split_episodes(episodes, shares)
    assert sorted(index for members in split.values() for index in members) == list(range(episodes))
    for members, share in zip(split.values(), shares, strict=True):
        assert abs(len(members) - episodes * share / sum(shares)) <= 2
        if episodes >= 3 and share == 0:
            assert not members


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        "4,1",
        "4,1,1,1",
        "a,b,c",
        "0,1,1",
        "-1,1,1",
        "4,-1,1",
        "nan,1,1",
        "4,nan,1",
        "inf,1,1",
    ],
)
def test_other_texts_are_errors_that_name_the_option(text):
    with pytest.raises(OptionError, match="--split"):
        parse_split(text)
