"""Options of generation that contradict each other, a world or a file: cameras, scenes, depth and
masks, environments of Gymnasium, and people as episodes.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.attack.rows import Row
from tests.attack.table_rig_meaning import RIG_FAULTS

TOY = "--env tests.sims.toy:ToyEnv --episodes 2 --size 32 --workers 1 --out new"
GYM = "--env gymnasium:Reacher-v5 --episodes 2 --size 32 --workers 1 --out new"
PEOPLE = "--env mocap --as episodes --subjects 3 --size 32 --workers 1 --out new"
RIG = "--cameras view_0=rig.json:front"
# What no simulator draws, of a file that recordings may have.
UNDRAWN = ("no intrinsics", "no pose", "another view", "a distortion of three")

# Words before the bad ones; then the bad ones, each with what the error names.
OPTIONS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        TOY,
        (
            ("--cameras nowhere.json", "nowhere.json"),
            ("--cameras rig.json", "view_0"),
            ("--cameras view_0=rig.json:side", "side"),
            ("--cameras view_1=rig.json:front", "view_0"),
            ("--cameras ego=rig.json:front", "--cameras"),
            (f"{RIG} --random-cameras", "--random-cameras"),
            (f"{RIG} --views 3", "--views"),
            ("--random-scenes", "toy"),
            ("--depth", "toy"),
            ("--masks", "toy"),
            ("--keep-failures 2", "--keep-failures"),
            ("--keep-failures -1", "--keep-failures"),
            ("--policy random", "--policy"),
            ("--keypoints hand", "--keypoints"),
            ("--as episodes", "--as"),
        ),
    ),
    (
        GYM,
        (
            ("--env gymnasium:Nowhere-v0", "Nowhere"),
            ("--env gymnasium:", "gymnasium"),
            ("--env gymnasium:CartPole-v1", "CartPole-v1"),
            ("--policy nowhere:act", "nowhere"),
            ("--policy tests.sims.toy:act", "tests.sims.toy"),
            ("--policy rnadom", "rnadom"),
            ("--keypoints knee", "knee"),
            ("--keypoints target target", "target"),
            ("--views 0", "--views"),
            ("--split 1", "--split"),
            ("--preset ftpv", "--preset"),
        ),
    ),
    (
        PEOPLE,
        (
            ("--as movies", "movies"),
            ("--layout ntu", "--layout"),
            ("--views 0", "--views"),
            ("--subjects 0", "--subjects"),
            ("--repetitions 0", "--repetitions"),
            ("--actions wlak", "wlak"),
            ("--actions walk walk", "walk"),
            ("--split 1", "--split"),
            ("--split 0,0,0", "--split"),
            ("--size 8", "--size"),
            ("--seed -1", "--seed"),
            ("--workers -1", "--workers"),
        ),
    ),
)


def generate_rows() -> Iterator[Row]:
    """All these rows."""
    for words, mistakes in OPTIONS:
        for mistake, named in mistakes:
            # The last of two values counts.
            line = f"{words} {mistake}"
            yield Row("sims.generate", mistake, line, ("rig.json",), named=(named,))
    for fault, spoil in RIG_FAULTS.items():
        if fault not in UNDRAWN:
            words = f"{TOY} {RIG}"
            named = ("rig.json",)
            yield Row("sims.generate", f"rig.json: {fault}", words, named, spoil, named)
    for words in ("--env mocap --as clips --split 1,1,1 --out new",):
        yield Row("sims.generate", "a split of clips", words, named=("--split",))
    for fault, option in (("scenes", "--random-scenes"), ("moving cameras", "--moving-cameras")):
        words = f"{TOY} --out plain {option}"
        yield Row("sims.generate", f"{fault} in another set", words, ("plain",), named=("toy",))
