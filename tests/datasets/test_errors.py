"""Wording that several messages share."""

from dataclasses import replace

import pytest

from datasets.errors import MismatchError, length_range
from datasets.source import bare_meta


@pytest.mark.parametrize(
    ("lengths", "words"),
    [([20, 20], "20 steps each"), ([42, 60, 113], "42 to 113 steps (median 60)")],
)
def test_equal_lengths_are_said_once(lengths, words):
    assert length_range(lengths, "steps") == words


def test_another_world_in_the_folder_is_one_short_message(tmp_path):
    ours = bare_meta("lift", ["ego"], 64)
    theirs = replace(ours, env="can", phases=[f"phase {i}" for i in range(99)])
    with pytest.raises(MismatchError, match=r"env: 'lift' on disk, 'can' asked for") as found:
        ours.require_same_data_set(replace(theirs, image_size=48), tmp_path)
    assert len(str(found.value)) < 400 and "…" in str(found.value)
    with pytest.raises(MismatchError, match=r"and 2 more\). Use the same options"):
        ours.require_same_data_set(
            replace(theirs, image_size=48, views=["view_0"], control_hz=5), tmp_path
        )
