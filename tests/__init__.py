"""The tests, in folders like those of the packages."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
ORACLES = REPOSITORY / "tests" / "oracles"
