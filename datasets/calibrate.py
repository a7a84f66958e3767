"""Find the cameras of recordings from clicks on the robot's links, by its joints and its URDF.

Examples:
    python -m datasets.calibrate DATA --robot panda --joints joint_pos --clicks clicks.csv
    python -m datasets.calibrate DATA --robot arm.urdf --joints state[:6] --clicks clicks.csv
        --focal --out rig.json

The clicks are a table with the columns view, frame, link, x, y, and episode if there are several.
Without --out nothing is written but the pictures of --preview. The rig is read by
`python -m datasets.keypoints --cameras rig.json`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from datasets.calibration.calibrator import Calibrator, cameras_of, looks, write_looks
from datasets.calibration.clicks import read_clicks
from datasets.calibration.own import write_rig
from datasets.command import command, command_line, optional, parse
from datasets.errors import MismatchError
from datasets.formats.detect import open_source
from datasets.kinematics.recording import RecordingOptions
from datasets.storage.atomic import remove_leftovers, require_writable

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CalibrateConfig(RecordingOptions):
    """Find the cameras of recordings from clicks on the robot's links.

    Attributes:
        clicks: CSV table of the clicks.
        out: JSON file of the cameras that were found. It must not exist.
        focal: Solve the focal length, too. The principal point is that of the known intrinsics, or
            the middle of the picture.
        preview: Folder for pictures of the robot's silhouette over frames that were clicked.
    """

    clicks: Annotated[Path, optional("CSV")]
    out: Annotated[Path | None, optional("JSON")] = None
    focal: bool = False
    preview: Annotated[Path | None, optional("FOLDER")] = None


def calibrate(config: CalibrateConfig) -> Iterator[str]:
    """Finds the cameras and writes them.

    Yields:
        Sentences on how well the clicks and the silhouette fit, then the files that were written.

    Raises:
        UserError: When a file cannot be used, or the clicks do not tell the cameras.
    """
    if config.out is not None:
        _require_new(config.out)
    clicks = read_clicks(config.clicks)
    calibrator = Calibrator(config, open_source(config.data), config.focal)
    found = calibrator.calibrate(clicks)
    for one in found:
        yield from one.lines(config.focal)
    yield from looks(calibrator, found)
    if rest := [view for view in calibrator.source.views if view not in cameras_of(found)]:
        logger.warning("%s has no clicks and gets no camera", ", ".join(rest))
    if config.preview is not None:
        yield from map(str, write_looks(config.preview, calibrator, found))
    if config.out is not None:
        write_rig(config.out, cameras_of(found))
        yield str(config.out)


def _require_new(out: Path) -> None:
    if out.exists():
        raise MismatchError(f"{out} exists already: choose another file, or remove it.")
    require_writable(out)
    remove_leftovers(out.parent, of=out.name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    config = parse(
        CalibrateConfig,
        prog="python -m datasets.calibrate",
        arguments=arguments,
        description=__doc__,
    )
    with command(resume="Nothing was written."):
        for line in calibrate(config):
            print(line)
        if config.out is not None:
            words = [str(config.data), "--robot", config.robot, "--joints", config.joints]
            words += ["--cameras", str(config.out), "--out", "FOLDER"]
            print(f"Keypoints:  {command_line('datasets.keypoints', words)}")


if __name__ == "__main__":
    main()
