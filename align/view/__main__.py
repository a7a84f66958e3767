"""Serves one local page to look through the alignments of trained runs.

    python -m align.view runs/paab                          # the test episodes of the run's data
    python -m align.view runs/deit runs/paab --data data/lift --episode demo_27
    python -m align.view zoo:lift first.mp4 second.mp4      # your own videos
    python -m align.view runs/paab --export page.html       # one episode as one file

The page shows all views of an episode with their keypoints, the frame that each run picks in every
other view, distances, nearest moments in other episodes, progress and attention. Only this machine
can open it. `?` on the page lists its keys. Ctrl-C ends the server.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from align.engine.run_folder import require_runs
from align.zoo.store import PREFIX, SUFFIX
from datasets.bounds import NaturalInt, Port
from datasets.command import command, optional, parse
from datasets.errors import MissingDataError, OptionError, require, require_known

if TYPE_CHECKING:
    from align.view.routes import Routes
    from align.view.shown import Shown

log = logging.getLogger(__name__)

# An unassigned port that common servers of notebooks and web frameworks do not use.
PORT = 8642


def run(
    paths: tyro.conf.Positional[tuple[Path, ...]] = (),
    data: Annotated[Path | None, optional("FOLDER")] = None,
    split: Literal["train", "valid", "test"] = "test",
    episode: Annotated[str | None, optional("NAME")] = None,
    references: NaturalInt = 4,
    export: Annotated[Path | None, optional("HTML")] = None,
    host: str = "127.0.0.1",
    port: Port = PORT,
    network: bool = False,
) -> None:
    """Serves one local page to look through the alignments of trained runs.

    Args:
        paths: Runs made by `python -m align.train` or models such as zoo:lift, at least one, and
            videos to show in place of their data.
        data: Another data set than the first run's own. Models of the zoo come without data.
        split: Split whose episodes are shown.
        episode: Episode to show first; by default the first of the split.
        references: Other episodes at most in which nearest moments are looked for, and by which
            progress is measured.
        export: Write this one page with the episode in it, and serve nothing.
        host: Name or address of this machine under which the page is served.
        port: Port of the page; 0 takes any free one.
        network: Let other machines open the page, too. Anyone who reaches the port can; there is
            no password.
    """
    with command():
        _require_host(host, network)
        routes = open_routes(paths, data, split, episode, references)
        if export is not None:
            _export(routes, export, paths)
            return
        _serve(routes, host, port)


def open_routes(
    paths: Sequence[Path],
    data: Path | None = None,
    split: str = "test",
    episode: str | None = None,
    references: int = 4,
) -> Routes:
    """Opens runs, and episodes or videos; no model is loaded yet.

    Args:
        paths: Folders of runs, checkpoints or models of the zoo, and videos to show in place of
            their data.
        data: Another data set than the first run's own.
        split: Split whose episodes are shown.
        episode: Episode to show first; by default the first of the split.
        references: Other episodes in which moments are looked for, at most.

    Raises:
        UserError: When a run, its data or a video cannot be used.
    """
    from align.config import TrainConfig
    from align.view.routes import Routes
    from align.view.runs import about_runs

    runs = list(dict.fromkeys(path for path in paths if path.is_dir() or _is_model(path)))
    videos = [path for path in paths if path not in runs]
    if not any(_is_model(run) for run in runs):
        require_runs(runs, TrainConfig)
    if videos and (data is not None or episode is not None):
        raise OptionError("give videos, or --data and --episode, not both.")
    abouts = about_runs(runs, bool(videos))
    shown = _videos(videos) if videos else _episodes(runs, data, split)
    if episode is not None:
        require_known("--episode", episode, shown.names)
    start = 0 if episode is None else list(shown.names).index(episode)
    shown.views(start)  # so that a damaged file is named before the page opens
    return Routes(shown, abouts, start, references)


def _is_model(path: Path) -> bool:
    """Whether a path names a model of the zoo or a checkpoint."""
    return str(path).startswith(PREFIX) or path.suffix == SUFFIX


def _episodes(runs: Sequence[Path], data: Path | None, split: str) -> Shown:
    from align.config import TrainConfig
    from align.stored.data import find_test_data
    from align.stored.suitable import require_same_body
    from align.view.shown import ShownEpisodes
    from datasets.episodes import EpisodeDataset

    first = runs[0]
    if data is None and _is_model(first):
        raise OptionError(f"{first} comes without data: name a data set with --data, or videos.")
    root = data if data is not None else find_test_data(first, TrainConfig.load(first))[0]
    episodes = EpisodeDataset(root, split)
    if not len(episodes):
        raise MissingDataError(f"{root} has no episodes in the split {split}: choose --split.")
    for run in runs:
        require_same_body(run, episodes.skeleton, root)
    return ShownEpisodes(episodes)


def _videos(videos: Sequence[Path]) -> Shown:
    from align.view.shown import ShownVideos

    shown = ShownVideos(videos)
    for path, every in shown.every.items():
        if every > 1:
            log.info("%s is long: every %dth frame is shown.", path, every)
    return shown


def _require_host(host: str, network: bool) -> None:
    if network or host in ("127.0.0.1", "localhost", "::1"):
        return
    raise OptionError(
        f"--host {host} would let other machines open the page: add --network if you mean it, or "
        "leave out --host."
    )


def _export(routes: Routes, out: Path, inputs: Sequence[Path]) -> None:
    from align.view.export import export
    from datasets.storage.atomic import require_no_input, require_writable

    require_no_input("--export", out, inputs)
    require_writable(out)
    path = export(routes, out)
    print(f"page: {path} ({path.stat().st_size / 1e6:.1f} MB)")


def _serve(routes: Routes, host: str, port: int) -> None:
    for module in ("starlette", "uvicorn"):
        require(module, "view")
    from align.view.page import served_page
    from datasets.pages.server import LOOPBACK, address, make_app, open_socket, serve

    names = [*LOOPBACK, host, *_own_names(host)]
    with open_socket(host, port) as listening:
        print(f"{address(listening, host)}  (Ctrl-C ends it)", flush=True)
        serve(make_app(served_page(), routes.answer, names), listening)


def _own_names(host: str) -> list[str]:
    """Names of this machine, where all of its addresses are listened on."""
    # Compared, not listened on.
    if host not in ("0.0.0.0", "::"):  # nosec B104
        return []
    name = socket.gethostname()
    found = {str(entry[4][0]) for entry in socket.getaddrinfo(name, None)}
    return [name, socket.getfqdn(), *sorted(found)]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parse(run, "python -m align.view", arguments)


if __name__ == "__main__":
    main()
