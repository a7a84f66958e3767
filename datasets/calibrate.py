"""Find the cameras of recordings from clicks on the robot's links, by its joints and its URDF.

Examples:
    python -m datasets.calibrate DATA --robot panda --joints joint_pos --out rig.json
    python -m datasets.calibrate DATA --robot panda --joints joint_pos --clicks clicks.csv
    python -m datasets.calibrate DATA --robot arm.urdf --joints state[:6] --clicks clicks.csv
        --focal --out rig.json

Without --clicks, a local page opens on which links are clicked in the pictures. It writes the
cameras and the clicks; only this machine can open it, and Ctrl-C ends it. With --clicks, a table
with the columns view, frame, link, x, y, and episode if there are several, nothing is written
without --out but the pictures of --preview. The rig is read by
`python -m datasets.keypoints --cameras rig.json`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Annotated

from datasets.bounds import Port
from datasets.calibration.calibrator import Calibrator, cameras_of, looks, write_looks
from datasets.calibration.clicks import read_clicks
from datasets.calibration.own import write_rig
from datasets.command import command, command_line, optional, parse
from datasets.errors import DataError, MismatchError, require
from datasets.formats.detect import open_source
from datasets.kinematics.clocks import ESTIMATED
from datasets.kinematics.recording import RecordingOptions
from datasets.source import Source, usual_split
from datasets.storage.atomic import remove_leftovers, require_writable

logger = logging.getLogger(__name__)

# Beside that of align.view, so that both pages can be open.
PORT = 8643


@dataclass(frozen=True, kw_only=True)
class CalibrateConfig(RecordingOptions):
    """Find the cameras of recordings from clicks on the robot's links.

    Attributes:
        clicks: CSV table of the clicks; without it, they are made on a local page.
        out: JSON file of the cameras that were found. It must not exist. The page writes rig.json
            if no other is named, and the clicks beside it, from which it goes on when it is opened
            again; it then writes the file again.
        focal: Solve the focal length, too. The principal point is that of the known intrinsics, or
            the middle of the picture.
        preview: Folder for pictures of the robot's silhouette over frames that were clicked.
        port: Port of the page; 0 takes any free one.
    """

    clicks: Annotated[Path | None, optional("CSV")] = None
    out: Annotated[Path | None, optional("JSON")] = None
    focal: bool = False
    preview: Annotated[Path | None, optional("FOLDER")] = None
    port: Port = PORT


def calibrate(config: CalibrateConfig, table: Path) -> Iterator[str]:
    """Finds the cameras from a table of clicks and writes them.

    Yields:
        Sentences on how well the clicks and the silhouette fit and how late the pictures are, then
        the files that were written, and the command that comes next.

    Raises:
        UserError: When a file cannot be used, or the clicks do not tell the cameras.
    """
    if config.out is not None:
        _require_new(config.out)
    clicks = read_clicks(table)
    calibrator = Calibrator(config, open_source(config.data), config.focal)
    found = calibrator.calibrate(clicks)
    if config.offset == (ESTIMATED,):
        calibrator.late |= {one.view: calibrator.offset(one).frames for one in found}
        found = calibrator.calibrate(clicks)
    for one in found:
        yield from one.lines(config.focal)
    yield from calibrator.clocks.judged({one.view: calibrator.offset(one) for one in found})
    yield from looks(calibrator, found)
    if rest := [view for view in calibrator.source.views if view not in cameras_of(found)]:
        logger.warning("%s has no clicks and gets no camera", ", ".join(rest))
    if config.preview is not None:
        yield from map(str, write_looks(config.preview, calibrator, found))
    if config.out is not None:
        write_rig(config.out, cameras_of(found))
        yield str(config.out)
        views = list(cameras_of(found)) if rest else []
        used = _as_used(config, calibrator)
        yield f"Keypoints:  {_next_command(used, config.out, calibrator.source, views)}"


def _as_used(config: CalibrateConfig, calibrator: Calibrator) -> CalibrateConfig:
    """The options with the offsets that were used in place of the word that asks for them."""
    hz = calibrator.clocks.hz
    late = (f"{view}={frames / hz:.4f}" for view, frames in calibrator.late.items() if frames)
    return replace(config, offset=tuple(late))


def _require_new(out: Path, clicks: Path | None = None) -> None:
    """Checks that a rig can be written, over none but that of the page's own clicks."""
    if out.exists() and not (clicks is not None and clicks.exists()):
        raise MismatchError(f"{out} exists already: choose another file, or remove it.")
    require_writable(out)
    remove_leftovers(out.parent, of=out.name)


def serve_page(config: CalibrateConfig) -> None:
    """Serves the page on which clicks are made until Ctrl-C.

    Raises:
        UserError: When a file cannot be used, or the port is taken.
    """
    for module in ("starlette", "uvicorn"):
        require(module, "view")
    from datasets.calibration.page.desk import Desk
    from datasets.calibration.page.routes import ClickRoutes
    from datasets.pages.page import served_page
    from datasets.pages.server import LOOPBACK, address, make_app, open_socket, serve

    rig, table = _files(config)
    _require_new(rig, table)
    calibrator = Calibrator(config, open_source(config.data), config.focal)
    desk = Desk(calibrator, rig, table)
    then = partial(_next_command, _as_used(config, calibrator), rig, calibrator.source)
    routes = ClickRoutes(desk, then)
    page = served_page("datasets.calibration.page", "clicks")
    with open_socket(LOOPBACK[0], config.port) as listening:
        print(f"{address(listening, LOOPBACK[0])}  (Ctrl-C ends it)", flush=True)
        serve(make_app(page, routes.answer, act=routes.act), listening)


def _files(config: CalibrateConfig) -> tuple[Path, Path]:
    """The files that the page writes: of the cameras, and of the clicks."""
    rig = config.out or Path("rig.json")
    return rig, rig.with_name(f"{rig.stem}_clicks.csv")


def _next_command(
    config: CalibrateConfig, rig: Path, source: Source, views: Sequence[str] = ()
) -> str:
    """The command that computes keypoints by the rig, with the same options of the recordings.

    Args:
        config: The options.
        rig: The file of the cameras.
        source: The recordings, whose episodes the command must divide where they are not.
        views: The views that have cameras, where others have none.
    """
    words = [str(config.data)]
    for option in fields(RecordingOptions):
        value = getattr(config, option.name)
        if option.name in ("data", "cameras") or value == option.default:
            continue
        values = value if isinstance(value, tuple) else () if value is True else (value,)
        words += [f"--{option.name.replace('_', '-')}", *map(str, values)]
    words += ["--cameras", str(rig)]
    words += ["--views", *views] if views else []
    words += usual_split(len(source)).split() if _is_undivided(source) else []
    words += ["--out", "FOLDER"]
    return command_line("datasets.keypoints", words)


def _is_undivided(source: Source) -> bool:
    """Whether the recordings have no splits that can be used."""
    try:
        return source.splits is None
    except DataError:
        return True  # another --split replaces them, which the command then has


def _left_over(config: CalibrateConfig) -> str:
    """The result so far, after Ctrl-C."""
    if config.clicks is not None:
        return "Nothing was written."
    there = [str(file) for file in _files(config) if file.exists()]
    return f"Written: {', '.join(there)}." if there else "Nothing was written."


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    config = parse(
        CalibrateConfig,
        prog="python -m datasets.calibrate",
        arguments=arguments,
        description=__doc__,
    )
    with command(resume=partial(_left_over, config)):
        if config.clicks is None:
            serve_page(config)
            return
        for line in calibrate(config, config.clicks):
            print(line)


if __name__ == "__main__":
    main()
