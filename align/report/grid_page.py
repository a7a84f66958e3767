"""The tables of a grid of runs as Markdown and as one HTML page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from align.metrics.names import GROUPS, MetricGroup
from align.report.overview import overview
from align.report.style import to_svg
from align.results.significance import PairedTest
from align.results.summary import BASELINE, SummaryRow, group_table, known_metrics, spreads
from align.results.tables import SOURCE, ResultTable
from align.results.text import format_change, markdown
from datasets.storage.atomic import atomic_path

MARKDOWN_NAME, PAGE_NAME = "table.md", "table.html"

# The columns of the short table after the alignment error and what belongs to it.
_SHORT = {
    "kendalls_tau_b": "Kendall's τ-b ↑",
    "across_phase_f1": "phase F1 across views ↑",
    "across_ap10": "AP@10 across views ↑",
}
NOTES = (
    "Mean ± sample standard deviation over seeds of a run's mean over all pairs of views and test "
    "episodes. ↓: lower is better; ↑: higher is better.",
    f"Against {BASELINE}: change of the alignment error over the seeds that both have, with its "
    "95 % interval by a paired bootstrap over seeds and test episodes. p: two-sided Wilcoxon "
    "signed-rank test over all (seed, test episode) pairs, not corrected for the number of "
    "methods; it takes pairs that share an episode as independent, so it is a lower bound.",
    f"Paper: {SOURCE}; not to be compared digit by digit.",
)


def write_tables(out: Path, tables: Sequence[ResultTable]) -> tuple[Path, Path]:
    """Writes `table.md` and `table.html` into the grid's folder and returns their paths."""
    markdown, page = out / MARKDOWN_NAME, out / PAGE_NAME
    with atomic_path(markdown) as temporary:
        temporary.write_text(as_markdown(tables) + "\n", encoding="utf-8")
    with atomic_path(page) as temporary:
        temporary.write_text(as_html(tables, out), encoding="utf-8")
    return markdown, page


def as_markdown(tables: Sequence[ResultTable]) -> str:
    """A heading, the setting and a table for each world and protocol, then the notes."""
    parts = []
    for table in tables:
        header, *rows = short_table(table)
        parts += [f"### {table.title}", table.setting + ".", markdown(header, rows)]
        parts += [f"Variants: {'; '.join(told)}." for told in [table.variants] if told]
        parts += warnings(table)
    return "\n\n".join([*parts, *NOTES])


def as_html(tables: Sequence[ResultTable], out: Path) -> str:
    """One page of all tables; links to the reports that lie under `out`."""
    environment = Environment(
        loader=PackageLoader("align.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    sections = [
        {
            "title": table.title,
            "setting": table.setting,
            "short": short_table(table),
            "variants": table.variants,
            "warnings": warnings(table),
            "groups": group_tables(table),
            "report": (table.folder / "report.html").relative_to(out),
        }
        for table in tables
    ]
    return environment.get_template("results.html.j2").render(
        sections=sections,
        notes=NOTES,
        overview=Markup(to_svg(overview(tables))) if tables else "",
    )


def warnings(table: ResultTable) -> list[str]:
    """`Collapsed: deit seed 0 1.`, and the same of those that match no better than random."""
    verdicts = {
        "Collapsed": {row.summary.label: row.collapsed for row in table.rows},
        "No better than random": {row.summary.label: row.at_chance for row in table.rows},
    }
    told = {
        verdict: [
            f"{label} seed {' '.join(map(str, seeds))}" for label, seeds in of.items() if seeds
        ]
        for verdict, of in verdicts.items()
    }
    return [f"{verdict}: {', '.join(runs)}." for verdict, runs in told.items() if runs]


def short_table(table: ResultTable) -> list[list[str]]:
    """The header and one line a method: what a reader looks for first."""
    known = known_metrics(list(_SHORT), summaries(table))
    with_paper = any(row.paper is not None for row in table.rows)
    header = ["method", "alignment error ↓", f"against {BASELINE}", "p"]
    header += ["paper"] if with_paper else []
    lines = [[*header, "seeds", *(_SHORT[name] for name in known)]]
    for row in table.rows:
        cells = [row.summary.label, *spreads(row.summary, ["alignment_error"])]
        cells += [format_test(row.test), format_p(row.test)]
        if with_paper:
            cells.append("–" if row.paper is None else f"{row.paper:.3f}")
        lines.append([*cells, str(len(row.summary.seeds)), *spreads(row.summary, known)])
    return lines


def group_tables(table: ResultTable) -> list[tuple[MetricGroup, list[list[str]]]]:
    """Each group of metrics that is known, with its header and one line a method."""
    lengths = episode_lengths(table)
    tables = [(group, group_table(group, summaries(table), lengths)) for group in GROUPS]
    return [(group, lines) for group, lines in tables if lines]


def summaries(table: ResultTable) -> list[SummaryRow]:
    """Mean and spread of each method."""
    return [row.summary for row in table.rows]


def episode_lengths(table: ResultTable) -> list[int]:
    """Time steps of each test episode."""
    embeddings = table.runs[0].evaluation.embeddings()
    return [len(next(iter(views.values()))) for views in embeddings.values()]


def format_test(test: PairedTest | None) -> str:
    """`−21.1 % (−30.2 to −9.8)`, or a dash."""
    if test is None or math.isnan(test.change):
        return "–"
    ends = f"{test.low:+.1f} to {test.high:+.1f}".replace("-", "−")
    return f"{format_change(test.change)} ({ends})"


def format_p(test: PairedTest | None) -> str:
    """`0.012`, `< 0.001`, or a dash."""
    if test is None:
        return "–"
    return "< 0.001" if test.p < 0.001 else f"{test.p:.3f}"
