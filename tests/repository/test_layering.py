"""Imports point downwards only: action → align → datasets ← sims."""

import ast
from pathlib import Path

import pytest

from tests import REPOSITORY

# The packages of this project that each package may import.
BELOW = {
    "datasets": set(),
    "align": {"datasets", "posealign"},
    "sims": {"datasets", "posealign"},
    "action": {"align", "datasets", "posealign"},
}
OURS = {*BELOW, "posealign", "tests"}


def imported(source: str, package: str = "") -> set[str]:
    """Top-level names that a file imports, also inside functions and by `import_module`."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(package if node.level else str(node.module))
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func
            called = called.id if isinstance(called, ast.Name) else called
            first = node.args[0]
            if called in {"import_module", "__import__"} and isinstance(first, ast.Constant):
                names.add(str(first.value))
    return {name.split(".")[0] for name in names}


def imported_modules(path: Path) -> set[str]:
    """Full names of this project's modules that a file imports."""
    tree = ast.parse(path.read_text())
    names = {str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    names |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    return {name for name in names if name.split(".")[0] in OURS}


# The packages and modules of this project that a part of a package may import.
PARTS = {
    "align/engine": {"datasets"},
    "align/losses": {"align.engine", "datasets"},
    "align/metrics": {"align.engine", "datasets"},
    "align/models": {
        "align.engine",
        "align.layout",
        "align.losses",
        "align.paab",
        "align.paat",
        "align.pose",
        "datasets",
    },
    "datasets/storage": {
        "datasets.cameras",
        "datasets.errors",
        "datasets.frames",
        "datasets.lens",
        "datasets.skeletons",
    },
    # What recognition shares with alignment; nothing that knows of episodes or of their metrics.
    "action": {
        "align.config",
        "align.engine",
        "align.layout",
        "align.models",
        "align.paab",
        "align.paat",
        "align.pose",
        "align.probe",
        "align.report.curves",
        "align.report.html",
        "align.report.study_figure",
        "align.report.style",
        "align.report.tokens",
        "align.results.analysis",
        "align.results.chance",
        "align.results.labels",
        "align.results.processors",
        "align.results.statistics",
        "align.results.studies",
        "align.results.study_tables",
        "align.results.text",
        "datasets",
    },
}


@pytest.mark.parametrize("part", PARTS)
def test_parts_import_only_what_they_may(part):
    allowed = (*PARTS[part], part.replace("/", "."))
    files = files_of(part)
    assert files, f"{part} has no files"
    wrong = {
        path.name: bad
        for path in files
        if (
            bad := {
                name
                for name in imported_modules(path)
                if not any(f"{name}.".startswith(f"{start}.") for start in allowed)
            }
        )
    }
    assert not wrong


def files_of(package: str) -> list[Path]:
    return sorted((REPOSITORY / package).rglob("*.py"))


def wrong_imports(package: str, source: str) -> set[str]:
    forbidden = OURS - BELOW[package] - {package}
    if package == "sims":
        forbidden |= {"torch", "torchvision"}
    return imported(source, package) & forbidden


@pytest.mark.parametrize("package", BELOW)
def test_imports_point_downwards_only(package):
    files = files_of(package)
    assert files, f"{package} has no files"
    wrong = {
        str(path.relative_to(REPOSITORY)): names
        for path in files
        if (names := wrong_imports(package, path.read_text()))
    }
    assert not wrong


@pytest.mark.parametrize(
    ("package", "source", "expected"),
    [
        ("datasets", "from align.pose import pose_map_2d", {"align"}),
        ("datasets", "def f():\n    import sims", {"sims"}),
        ("align", "import numpy, sims.registry as registry", {"sims"}),
        ("align", "import importlib\nimportlib.import_module('action.train')", {"action"}),
        ("align", "from datasets.episodes import Episode", set()),
        ("sims", "import torch.nn as nn", {"torch"}),
        ("sims", "if True:\n    from torchvision import io", {"torchvision"}),
        ("sims", "from .registry import make", set()),
        ("action", "__import__('sims')", {"sims"}),
        ("action", "from align import pose\nimport torch", set()),
        ("sims", "import tests.datasets", {"tests"}),
    ],
)
def test_a_wrong_import_is_found(package, source, expected):
    assert wrong_imports(package, source) == expected


def test_one_module_alone_spells_the_files_of_a_run():
    names = ("checkpoints", "metrics.csv", "evaluation", "analysis", "retrieval", "report.html")
    owner = REPOSITORY / "align" / "engine" / "run_folder.py"
    spelt = {
        (str(path.relative_to(REPOSITORY)), node.value)
        for path in [*files_of("align"), *files_of("action")]
        if path != owner
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in names
    }
    assert not spelt
