"""What every command shares: logging, user errors in one line, Ctrl-C, exit codes."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def set_up_logging() -> None:
    """Messages of our packages to stderr; stdout is for results."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    for name in ("action", "align", "datasets", "sims"):
        logging.getLogger(name).setLevel(logging.INFO)


@contextmanager
def user_errors(*families: type[Exception], then: str = "") -> Iterator[None]:
    """Tells errors of these families in one line and exits; all others keep their traceback.

    Args:
        families: What a user can mend.
        then: What to do once it is mended, a second line.
    """
    try:
        yield
    except families as error:
        print(f"error: {error}", *[then] * bool(then), sep="\n", file=sys.stderr)
        raise SystemExit(EXIT_USAGE) from None


@contextmanager
def interruptible(how_to_go_on: str) -> Iterator[None]:
    """On Ctrl-C, says how to go on and exits as a shell expects."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"\nstopped; go on with: {how_to_go_on}", file=sys.stderr)
        raise SystemExit(EXIT_INTERRUPTED) from None
