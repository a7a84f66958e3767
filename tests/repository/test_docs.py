"""README, documentation and notebook name commands, options, links and pictures that exist."""

import ast
import importlib.util
import json
import re
import runpy
import shlex
import sys
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path

import pytest

from tests import REPOSITORY

README = REPOSITORY / "README.md"
NOTEBOOK = REPOSITORY / "examples" / "first_alignment.ipynb"
PAGES = [
    README,
    REPOSITORY / "CONTRIBUTING.md",
    REPOSITORY / "CHANGELOG.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
]
PICTURES = sorted((REPOSITORY / "docs" / "pictures").iterdir())

FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"-m ((?:align|action|datasets|sims)\.[\w.]+)(.*)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
OPTION = re.compile(r"(?<![\w-])--[a-z][\w.-]*[\w]")


def markdown(page: Path) -> str:
    """The text of a page; of a notebook, that of its Markdown cells."""
    if page.suffix != ".ipynb":
        return page.read_text()
    cells = json.loads(page.read_text())["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def shell_lines(text: str) -> list[str]:
    """Commands of a page, from blocks and from code within sentences, with variables filled in."""
    blocks = [body for language, body in FENCED.findall(text) if language != "python"]
    lines = [line.partition("  #")[0] for body in blocks for line in body.splitlines()]
    lines += [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", FENCED.sub("", text))]
    values = dict(match for line in lines for match in re.findall(r'^([A-Z])="(.*)"$', line))
    for _ in values:  # a value may hold another variable
        lines = [re.sub(r"\$([A-Z])\b", lambda m: values[m[1]], line) for line in lines]
    return lines


def commands(text: str) -> list[tuple[str, list[str]]]:
    """Module and words of every command of the project on a page."""
    found = [match for line in shell_lines(text) for match in COMMAND.findall(line)]
    return [(module, shlex.split(rest.strip('"'))) for module, rest in found]


@cache
def options(module: str, mocap: bool) -> frozenset[str]:
    """The options that a command lists in its help."""
    arguments = ["--env", "mocap", "--help"] if mocap else ["--help"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "250")  # no option is broken into two lines
        patch.setattr(sys, "argv", [module, *arguments])
        return frozenset(OPTION.findall(_printed_by(module)))


def _printed_by(module: str) -> str:
    with redirect_stdout(StringIO()) as printed, pytest.raises(SystemExit) as end:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    assert end.value.code == 0
    return printed.getvalue()


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    words = [re.sub(r"[^\w\s-]", "", heading.lower()).strip() for heading in headings]
    return {re.sub(r"[-\s]+", "-", heading) for heading in words}


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
# Modules that were imported before run a second time as `__main__`, which is meant here.
@pytest.mark.filterwarnings("ignore:.*found in sys.modules.*:RuntimeWarning")
def test_commands_and_options_exist(page):
    for module, words in commands(page.read_text()):
        assert importlib.util.find_spec(module), f"{page.name}: there is no {module}"
        used = {word.partition("=")[0] for word in words if OPTION.fullmatch(word)}
        unknown = used - options(module, "mocap" in words) if used else set()
        assert not unknown, f"{page.name}: {module} has no {unknown}"


def test_commands_are_found():
    block = '```\nG="python -m align.compare --seeds 0"\n$G --jobs 1   # --no\n```\n'
    text = f"{block}`python -m\nsims.doctor`"
    assert commands(text)[1:] == [
        ("align.compare", ["--seeds", "0", "--jobs", "1"]),
        ("sims.doctor", []),
    ]
    assert len(commands(README.read_text())) > 12


@pytest.mark.parametrize("page", [*PAGES, NOTEBOOK], ids=lambda page: page.name)
def test_links_resolve(page):
    for link in LINK.findall(FENCED.sub("", markdown(page))):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page if not path else (page.parent / path).resolve()
        assert target.exists(), f"{page.name} links to {link}"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {link}"


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_every_picture_is_shown(picture):
    assert any(f"pictures/{picture.name})" in page.read_text() for page in PAGES)


def messages() -> str:
    """All texts of the packages, one a line, with … in place of what is filled in."""
    texts = []
    for package in ("action", "align", "datasets", "sims"):
        for path in (REPOSITORY / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    parts = [v.value if isinstance(v, ast.Constant) else "…" for v in node.values]
                    texts.append("".join(map(str, parts)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
    texts.append((REPOSITORY / "posealign.py").read_text())
    return "\n".join(texts)


@pytest.mark.slow
def test_troubleshooting_quotes_messages_of_the_code():
    page = (REPOSITORY / "docs" / "troubleshooting.md").read_text()
    quoted = [
        text for cell in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for text in _code(cell)
    ]
    assert len(quoted) > 30
    texts, absent = messages(), []
    for text in quoted:
        parts = [re.escape(part.strip(" ,")) for part in text.split("…")]
        if not re.search(".*".join(parts), texts):
            absent.append(text)
    assert not absent


def _code(cell: str) -> list[str]:
    return [text.strip() for _, text in re.findall(r"(`+)(.+?)\1", cell)]


def test_make_targets_exist():
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for page in PAGES:
        lines = "\n".join(shell_lines(page.read_text()))
        used = set(re.findall(r"^make ([a-z-]+)", lines, re.MULTILINE))
        assert used <= targets, page.name


def test_readme_is_short():
    assert README.stat().st_size < 8000


@pytest.mark.slow
def test_the_readmes_own_model_runs():
    [code] = [body for language, body in FENCED.findall(README.read_text()) if language == "python"]
    assert len([line for line in code.splitlines() if line]) == 8
    names: dict[str, object] = {}
    exec(code, names)
    assert names["embedding"].shape == (2, 192)


def test_the_notebook_holds_its_outputs():
    assert NOTEBOOK.stat().st_size < 1_000_000
    cells = [c for c in json.loads(NOTEBOOK.read_text())["cells"] if c["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
