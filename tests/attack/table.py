"""All rows of the attack, by kind of fault."""

from __future__ import annotations

from collections.abc import Iterator

from tests.attack.rows import Row
from tests.attack.table_files import file_rows
from tests.attack.table_formats import format_rows
from tests.attack.table_generate import generate_rows
from tests.attack.table_meaning import meaning_rows
from tests.attack.table_options import option_rows
from tests.attack.table_order import order_rows
from tests.attack.table_rig_meaning import rig_meaning_rows
from tests.attack.table_runs import run_rows
from tests.attack.table_use_files import use_file_rows
from tests.attack.table_use_meaning import use_meaning_rows
from tests.attack.table_uses import use_rows
from tests.attack.table_writes import write_rows


def rows() -> Iterator[Row]:
    """Every row, in the order in which they run."""
    yield from file_rows()
    yield from meaning_rows()
    yield from run_rows()
    yield from use_rows()
    yield from use_file_rows()
    yield from use_meaning_rows()
    yield from rig_meaning_rows()
    yield from generate_rows()
    yield from format_rows()
    yield from order_rows()
    yield from option_rows()
    yield from write_rows()
