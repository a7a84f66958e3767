"""Imports point downwards only: action → align → datasets ← sims."""

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
# What each package may import of ours, besides itself.
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
