"""What the commands of `align` share: logging, and errors of the user's told in one line."""

from __future__ import annotations
