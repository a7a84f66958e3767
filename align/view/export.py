"""One episode as one self-contained page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

from align.report.html import write_page
from align.view.method import NoReferenceError
from align.view.packing import CHUNK
from align.view.page import exported_page
from align.view.routes import Routes
from datasets.pages.content import JSON, Content, as_json


def export(routes: Routes, out: Path) -> Path:
    """Writes the page of the episode that is shown first.

    Raises:
        UserError: When a run, the episode or a video cannot be used.
    """
    return write_page(out, page_of(routes))


def page_of(routes: Routes) -> str:
    """The HTML of that page; errors as above."""
    contents = {path: _answer(routes, path) for path in paths_of(routes)}
    title = f"{routes.shown.title}: {routes.shown.names[routes.start]}"
    return exported_page(_alone(contents), title)


def _answer(routes: Routes, path: str) -> Content:
    """The content of a path, or why the page has to do without."""
    try:
        return routes.answer(path)
    except NoReferenceError as error:
        return as_json({"problem": str(error)})


def paths_of(routes: Routes) -> Iterator[str]:
    """Every path that the page of one episode may ask for."""
    i = routes.start
    views = routes.shown.views(i)
    yield from ("about.json", f"episodes/{i}/about.json")
    for v, view in enumerate(views):
        for chunk in range(-(-len(view.times) // CHUNK)):
            yield f"episodes/{i}/frames/{v}/{chunk}.bin"
        if routes.shown.pose(i, v) is not None:
            yield f"episodes/{i}/keypoints/{v}.json"
    for r, run in enumerate(routes.runs):
        base = f"runs/{r}/episodes/{i}"
        yield from (f"{base}/picks.json", f"{base}/progress.json")
        yield from (f"{base}/distances/{a}/{b}.bin" for a, b in permutations(range(len(views)), 2))
        for v in range(len(views)):
            if run.transformer:
                yield f"{base}/attention/{v}.bin"
            if run.patches and routes.shown.pose(i, v) is not None:
                yield f"{base}/patches/{v}.bin"
        for j in routes.references_of(i):
            yield f"{base}/near/{j}.json"
    yield from _frames_near(routes)


def _frames_near(routes: Routes) -> Iterator[str]:
    """The frames of other episodes that are the nearest of some moment of some run."""
    i, found = routes.start, set()
    for r in range(len(routes.runs)):
        for j in routes.references_of(i):
            near = json.loads(routes.near(r, i, j).body)["frames"]
            found |= {(j, v, t) for v, frames in enumerate(near) for t in frames}
    for j, v, t in sorted(found):
        yield f"episodes/{j}/frame/{v}/{t}.jpg"


def _alone(contents: dict[str, Content]) -> dict[str, Content]:
    """The same, in which the page offers no other episode."""
    about = json.loads(contents["about.json"].body) | {"exported": True}
    return contents | {"about.json": Content(JSON, json.dumps(about).encode())}
