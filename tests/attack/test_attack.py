"""A few quick rows of the attack, its counts, and its judgement."""

import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from datasets.storage.atomic import SUFFIX
from tests.attack.material import copy, write_demonstrations
from tests.attack.rows import Row, judge
from tests.attack.run import page
from tests.attack.table import rows
from tests.datasets.synthetic import make_data_set
from tests.repository.test_commands import SCRIPTS

ROWS = list(rows())
QUICK = [
    row
    for row in ROWS
    if row.command in ("datasets.info", "sims.replay") and set(row.needs) <= {"dots", "demos.hdf5"}
]


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("material")
    make_data_set(root / "dots", episodes=4, views=1, size=32, steps=12)
    write_demonstrations(root / "demos.hdf5")
    return root


@pytest.mark.slow
@pytest.mark.parametrize("row", QUICK[::8], ids=str)
def test_a_row_is_right_or_ends_in_a_clear_error(row, material, tmp_path):
    copy(material, row.needs, tmp_path)
    verdict, why = judge(row, tmp_path)
    assert verdict in ("right", "clear error"), why


def test_every_command_is_attacked_and_no_row_twice():
    commands = {target.partition(":")[0].removesuffix(".__main__") for target in SCRIPTS.values()}
    assert {row.command for row in ROWS} == commands
    assert len(ROWS) >= 250
    twice = [row for row, count in Counter(map(str, ROWS)).items() if count > 1]
    assert not twice


def fake(monkeypatch, main) -> str:
    module = ModuleType("fake_command")
    module.main = main
    monkeypatch.setitem(sys.modules, "fake_command", module)
    return "fake_command"


def ending(monkeypatch, tmp_path, main, **about) -> str:
    (tmp_path / "mine").write_text("mine")
    row = Row(fake(monkeypatch, main), "a fault", "", named=("mine", "Remove"), **about)
    return judge(row, tmp_path)[0]


def test_the_judgement_tells_all_ends_apart(monkeypatch, tmp_path):
    def failing(line, code=2, act=lambda: None):
        def main(words):
            act()
            print(line, file=sys.stderr)
            raise SystemExit(code)

        return main

    def judged(main, **about):
        return ending(monkeypatch, tmp_path, main, **about)

    clear = "error: mine is bad. Remove it."
    assert judged(failing(clear)) == "clear error"
    assert judged(failing("error: it is bad")) == "unclear error"
    assert judged(failing("mine. Remove it")) == "unclear error"
    assert judged(failing(clear, code=0)) == "silent"
    assert judged(lambda words: None) == "silent"
    assert judged(lambda words: 1 / 0) == "traceback"
    assert judged(failing(clear, act=lambda: Path("mine").write_text("yours"))) == "touched"
    assert judged(failing(clear, act=lambda: Path("mine").unlink())) == "touched"

    def three(here, end):
        return "" if "3" in end.out else "it is not 3"

    assert judged(lambda words: print("3"), right=three) == "right"
    assert judged(lambda words: print("4"), right=three) == "silent"
    assert judged(failing(clear), right=three) == "unclear error"
    leave = lambda: Path(f".mine.1@here{SUFFIX}").touch()  # noqa: E731
    assert judged(failing(clear, act=leave)) == "touched"


def test_the_table_counts_the_rows_of_each_command():
    table = page({"b.c": Counter(right=2), "a.b": Counter({"clear error": 1, "silent": 1})})
    assert table.splitlines()[2:] == [
        "| `a.b` | 2 | 0 | 1 | 0 | 1 | 0 | 0 |",
        "| `b.c` | 2 | 2 | 0 | 0 | 0 | 0 | 0 |",
        "| all | 4 | 2 | 1 | 0 | 1 | 0 | 0 |",
    ]
