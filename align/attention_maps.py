"""Where a transformer looks: the attention that patches receive, drawn on their frames."""

from __future__ import annotations
