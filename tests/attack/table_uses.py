"""Commands that use trained runs: embeddings, progress, rewards, policies, models, kinematics."""

from __future__ import annotations

from collections.abc import Iterator

from tests.attack.rows import Row
from tests.attack.table_files import CLIP_RUN, POSES, RUN, VIDEO

# Command, words before the bad ones, what it needs; then the bad words, each with what is named.
USES: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("align.embed", "run dots", RUN, ("--split tset", "--checkpoint worst", "--out new.txt")),
    (
        "align.progress",
        "run",
        RUN,
        (
            "--data nowhere",
            "--form both-ways",
            "--split tset",
            "--views view_9",
            "--reference demo_99",
            "--episodes 0",
            "--nearest 0",
        ),
    ),
    ("align.progress", "", (), ("nowhere",)),
    (
        "align.imitate",
        "--env minecraft --out new",
        (),
        (
            "--run nowhere",
            "--reward sprase",
            "--steps 0",
            "--seeds -1",
            "--gamma 2",
            "--algorithm ddpg",
            "--episodes 0",
        ),
    ),
    (
        "align.clone",
        "--data dots --out new",
        ("dots",),
        (
            "--observe nowhere",
            "--views view_9",
            "--rollouts 0",
            "--policy.steps 0",
            "--policy.lr -1",
            "--cameras moveed",
            "--episodes 0",
        ),
    ),
    ("align.clone", "--out new", (), ("--data nowhere",)),
    (
        "align.zoo",
        "",
        (),
        ("nothing", "mine --export nowhere", "--pull nowhere", "lift --push nowhere"),
    ),
    (
        "datasets.keypoints",
        "dots --joints joint_pos --out new",
        ("dots",),
        (
            "--robot pandda",
            "--robot nowhere.xml",
            "--robot panda --cameras nowhere.json",
            "--robot panda --cameras dots/meta.json",
        ),
    ),
    ("datasets.keypoints", "--robot panda --joints joint_pos --out new", (), ("nowhere",)),
    (
        "datasets.calibrate",
        "dots --joints joint_pos --out new.json --robot panda",
        ("dots",),
        ("--clicks nowhere.csv", "--clicks dots/meta.json", "--clicks dots/dots.hdf5"),
    ),
)


def use_rows() -> Iterator[Row]:
    """All these rows."""
    for command, words, needs, mistakes in USES:
        for mistake in mistakes:
            named = (mistake.split()[-1],)
            yield Row(command, mistake, f"{words} {mistake}".strip(), needs, named=named)
    for command, words in (("align.embed", "clip_run dots"), ("align.progress", "clip_run")):
        yield Row(
            command,
            "a run of the other package",
            words,
            (*CLIP_RUN, "dots"),
            named=("config.json",),
        )
    for command in ("align.embed", "align.progress"):
        words = "run videos/000001/ego.mp4"
        fault = "a run that needs keypoints"
        yield Row(command, fault, words, (*RUN, "videos"), named=("run", "deit"))
    yield from _predictions()
    yield Row("align.embed", "no run", "nowhere dots --out new.npz", ("dots",), named=("nowhere",))
    yield Row("align.zoo", "two things at once", "--pull a --push b", named=("--pull and --push",))
    yield Row(
        "align.imitate",
        "a reward from video without a run",
        "--env minecraft --out new",
        named=("--run",),
    )
    yield Row(
        "align.clone",
        "a run that needs keypoints",
        "--data dots --observe run --out new",
        RUN,
        named=("run", "keypoints"),
    )


def _predictions() -> Iterator[Row]:
    """Videos, poses and runs that are missing or of another kind."""
    words = f"clip_run {VIDEO}"
    for mistake in ("--top 0", "--num-clips 0", "--checkpoint worst", "--poses nowhere"):
        named = (mistake.split()[-1],)
        yield Row("action.predict", mistake, f"{words} {mistake}", CLIP_RUN, named=named)
    for fault, line, name in (
        ("no video is named", "clip_run", "name one or more videos"),
        ("no run", f"nowhere {VIDEO}", "nowhere"),
        ("a run of the other package", f"run {VIDEO}", "config.json"),
        ("a video that is missing", "clip_run nowhere.mp4", "nowhere.mp4"),
        ("a folder instead of a video", "clip_run squares/rgb", "squares/rgb"),
        ("a keypoint file instead of a video", f"clip_run {POSES}", POSES),
        ("a method that needs keypoints", words, "--poses FILE"),
        ("poses of another form", f"{words} --poses {VIDEO}", "no known form"),
        ("the poses of one video for two", f"{words} {VIDEO} --poses {POSES}", "a folder"),
    ):
        needs = (*RUN, *CLIP_RUN)
        yield Row("action.predict", fault, line, needs, named=(name,))
