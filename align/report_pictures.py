"""The pictures of a report that are drawn of several runs or from what other commands stored."""

from __future__ import annotations
