"""Data in formats of others that open but mean something else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from tests.attack.edits import in_json, put, removed, replaced, without
from tests.attack.faults import in_hdf5
from tests.attack.rows import Row


def format_rows() -> Iterator[Row]:
    """All these rows."""
    for command, words in (
        ("datasets.convert", "{0} out --to episodes --split 1,1,1"),
        ("datasets.info", "{0}"),
    ):
        for source, fault, spoil, named in (
            (
                "lerobot",
                "another version",
                in_json("lerobot/meta/info.json", put(codebase_version="v9.9")),
                "v9.9",
            ),
            (
                "lerobot",
                "no features",
                in_json("lerobot/meta/info.json", put(features=...)),
                "info.json",
            ),
            ("lerobot", "a rate of 0", in_json("lerobot/meta/info.json", put(fps=0)), "info.json"),
            (
                "ftpv",
                "a frame is missing",
                lambda here: (here / "ftpv/tr_0000/fpv/000004.jpg").unlink(),
                "000004",
            ),
            (
                "ftpv",
                "views of two lengths",
                lambda here: (here / "ftpv/tr_0000/fpv/000011.jpg").unlink(),
                "fpv",
            ),
            ("ftpv", "no views", removed("ftpv/va_0001/fpv"), "va_0001"),
            (
                "videos",
                "a view is missing",
                lambda here: (here / "videos/000001/ego.mp4").unlink(),
                "000001",
            ),
            (
                "robomimic.hdf5",
                "no data",
                in_hdf5("robomimic.hdf5", without("data")),
                "robomimic.hdf5",
            ),
            (
                "robomimic.hdf5",
                "images of two sizes",
                in_hdf5(
                    "robomimic.hdf5",
                    replaced("data/demo_1/obs/ego_image", lambda v: v[:, :16, :16]),
                ),
                "robomimic.hdf5",
            ),
            (
                "robomimic.hdf5",
                "meta of no JSON",
                in_hdf5(
                    "robomimic.hdf5", lambda f: f["data"].attrs.__setitem__("posealign_meta", "{")
                ),
                "robomimic.hdf5",
            ),
        ):
            yield Row(
                command, f"{source}: {fault}", words.format(source), (source,), spoil, (named,)
            )
        if command == "datasets.convert":  # info reads the rows of the first episode alone
            fault = "lerobot: too few rows"
            yield Row(
                command, fault, words.format("lerobot"), ("lerobot",), _without_rows, ("lerobot",)
            )
        empty = lambda here: (here / "empty").mkdir()  # noqa: E731
        yield Row(command, "an empty folder", words.format("empty"), (), empty, ("empty",))
        yield Row(
            command,
            "a picture",
            words.format("run/analysis.png"),
            ("run",),
            named=("analysis.png",),
        )
    for layout, name in (("ntu", "dots"), ("smarthome", "squares"), ("nucla", "smarthome")):
        words = f"{name} --format {layout}"
        yield Row("datasets.info", f"{name} read as {layout}", words, (name,), named=(name,))
        words = f"{name} out --format {layout} --workers 1"
        yield Row("datasets.cache", f"{name} read as {layout}", words, (name,), named=(name,))
    yield Row("datasets.extract_poses", "no videos", "dots", ("dots",), named=("error",))
    yield Row("datasets.extract_poses", "no folder", "nowhere", (), named=("error",))


def _without_rows(here: Path) -> None:
    path = here / "lerobot/data/chunk-000/file-000.parquet"
    pq.write_table(pq.read_table(path).slice(0, 20), path)
