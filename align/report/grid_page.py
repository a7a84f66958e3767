"""The tables of a grid of runs, as Markdown and as one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from align.engine.run_folder import REPORT_NAME
from align.report.html import inline_svg, render_template, write_page
from align.report.overview import overview
from align.results.cells import (
    CHANCE_NOTE,
    NO_VALUE_NOTE,
    SPREAD_NOTE,
    group_tables,
    short_table,
    warnings,
)
from align.results.paper import SOURCE
from align.results.summary import BASELINE
from align.results.tables import ResultTable
from align.results.text import markdown

MARKDOWN_NAME, PAGE_NAME = "table.md", "table.html"
NOTES = (
    SPREAD_NOTE,
    f"{CHANCE_NOTE} {NO_VALUE_NOTE}",
    f"Against {BASELINE}: change of the alignment error over the seeds that both have, with its "
    "95 % t-interval over seeds and test episodes, which one seed or one episode cannot give. "
    "p is two-sided, over the same, and corrected for the number of methods in the table (Holm).",
)
PAPER_NOTE = (
    f"Paper: {SOURCE}. Its episodes differ from those measured here, and its images have "
    "224 × 224 pixels, so the numbers are not directly comparable."
)


def write_tables(out: Path, tables: Sequence[ResultTable]) -> tuple[Path, Path]:
    """Writes `table.md` and `table.html` into the grid's folder and returns their paths."""
    text, page = out / MARKDOWN_NAME, out / PAGE_NAME
    return write_page(text, as_markdown(tables) + "\n"), write_page(page, as_html(tables, out))


def as_markdown(tables: Sequence[ResultTable]) -> str:
    """A heading, the setting and a table for each world and protocol, then the notes."""
    parts = []
    for table in tables:
        header, *rows = short_table(table)
        parts += [f"### {table.title}", table.setting + ".", markdown(header, rows)]
        if table.variants:
            parts.append(f"Variants: {'; '.join(table.variants)}.")
        parts += warnings(table)
    return "\n\n".join([*parts, *notes(tables)])


def as_html(tables: Sequence[ResultTable], out: Path) -> str:
    """One page of all tables, with links to the reports below `out`."""
    sections = [
        {
            "title": table.title,
            "setting": table.setting,
            "short": short_table(table),
            "variants": table.variants,
            "warnings": warnings(table),
            "groups": group_tables(table),
            "report": (table.folder / REPORT_NAME).relative_to(out),
        }
        for table in tables
    ]
    values = {
        "sections": sections,
        "notes": notes(tables),
        "overview": inline_svg(overview(tables)) if tables else "",
    }
    return render_template("results.html.j2", values)


def notes(tables: Sequence[ResultTable]) -> list[str]:
    """How to read the tables; the paper is mentioned where its numbers are shown."""
    with_paper = any(row.paper is not None for table in tables for row in table.rows)
    return [*NOTES, *([PAPER_NOTE] if with_paper else [])]
