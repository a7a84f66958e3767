"""Small LeRobot data sets by others: the brightness of each frame is its number."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

FPS = 10
SIZE = (16, 32)
KEY, STATE = "observation.images.front", "observation.state"
# The time between two episodes of one video, in seconds.
GAP = 0.3
_TICKS = 600  # a second
_STEP = 8  # of brightness, from one number to the next


def number_of(frames: np.ndarray) -> list[int]:
    """The numbers of frames."""
    return np.rint(frames.mean(axis=(1, 2, 3)) / _STEP).astype(int).tolist()


def write_lerobot(
    root: Path,
    lengths: Sequence[int] = (5, 4, 6),
    version: str = "v3.0",
    kind: str = "video",
    more: Mapping[str, Any] | None = None,
    missing: Sequence[int] = (),
    state: np.ndarray | None = None,
    **info: Any,
) -> Path:
    """Writes a data set whose frames are numbered through all episodes, as are its actions.

    Args:
        root: Folder to make.
        lengths: Time steps of each episode.
        version: v3.0, where all episodes share a video, each after a gap; or v2.1.
        kind: Whether pictures are a `video`, or each an `image` inside the table.
        more: Features besides action and front view.
        missing: Numbers of the frames that the videos lack.
        state: The robot's state at each time step of all episodes, (steps, D).
        **info: Entries of `meta/info.json` that differ.
    """
    import pyarrow.parquet as pq

    v3 = version.startswith("v3")
    paths = (
        ("data/c-{chunk_index}/f-{file_index}.parquet", "videos/{video_key}/{file_index}.mp4")
        if v3
        else ("data/{episode_index}.parquet", "videos/{video_key}/{episode_index:06d}.mp4")
    )
    facts = {
        "codebase_version": version,
        "fps": FPS,
        "total_episodes": len(lengths),
        "data_path": paths[0],
        "video_path": paths[1],
        "features": {
            KEY: {"dtype": kind, "shape": [*SIZE, 3], "names": ["height", "width", "channels"]},
            "action": {"dtype": "float32", "shape": [1], "names": None},
            **({STATE: _state_feature(state)} if state is not None else {}),
            **(more or {}),
        },
    }
    (root / "meta").mkdir(parents=True)
    (root / "meta/info.json").write_text(json.dumps(facts | info))
    numbers = np.split(np.arange(sum(lengths)), np.cumsum(lengths)[:-1])
    starts = np.cumsum([0.0, *(n / FPS + GAP for n in lengths)]) if v3 else np.zeros(len(lengths))
    times = [start + np.arange(n) / FPS for start, n in zip(starts, lengths, strict=False)]
    for group in [list(range(len(lengths)))] if v3 else [[i] for i in range(len(lengths))]:
        name = {"chunk_index": 0, "file_index": 0, "episode_index": group[0], "video_key": KEY}
        table, video = (root / path.format(**name) for path in paths)
        table.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(_rows(group, numbers, kind, state), table)
        if kind == "video":
            video.parent.mkdir(parents=True, exist_ok=True)
            _write_video(
                video,
                {
                    number: time
                    for i in group
                    for number, time in zip(numbers[i].tolist(), times[i].tolist(), strict=True)
                    if number not in missing
                },
            )
    _write_list(root, lengths, starts, v3, kind)
    return root


def _state_feature(state: np.ndarray) -> dict[str, Any]:
    return {"dtype": "float32", "shape": [state.shape[1]], "names": None}


def _rows(
    episodes: Sequence[int], numbers: Sequence[np.ndarray], kind: str, state: np.ndarray | None
) -> Any:
    import pyarrow as pa

    steps = [np.arange(len(numbers[i])) for i in episodes]
    through = np.concatenate([numbers[i] for i in episodes])
    columns = {
        "action": pa.array(through.astype(np.float32)),
        "timestamp": pa.array(np.concatenate(steps).astype(np.float32) / FPS),
        "frame_index": pa.array(np.concatenate(steps)),
        "episode_index": pa.array(np.repeat(episodes, [len(s) for s in steps])),
    }
    if state is not None:
        columns[STATE] = pa.array(list(state[through].astype(np.float32)))
    if kind == "image":
        columns[KEY] = pa.array([{"bytes": _png(n), "path": f"{n}.png"} for n in through])
    return pa.table(columns)


def _png(number: int) -> bytes:
    content = io.BytesIO()
    Image.fromarray(_picture(number)).save(content, "PNG")
    return content.getvalue()


def _picture(number: int) -> np.ndarray:
    return np.full((*SIZE, 3), number * _STEP, np.uint8)


def _write_video(path: Path, times: Mapping[int, float]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", FPS, options={"crf": "1"})
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv444p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS)
        for number, time in times.items():
            frame = av.VideoFrame.from_ndarray(_picture(number), format="rgb24")
            frame.pts, frame.time_base = round(time * _TICKS), Fraction(1, _TICKS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _write_list(
    root: Path, lengths: Sequence[int], starts: np.ndarray, v3: bool, kind: str
) -> None:
    rows = [{"episode_index": i, "tasks": ["t"], "length": n} for i, n in enumerate(lengths)]
    if not v3:
        (root / "meta/episodes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return
    for row, start in zip(rows, starts, strict=False):
        row |= {"data/chunk_index": 0, "data/file_index": 0}
        if kind == "video":
            row |= {f"videos/{KEY}/{part}": 0 for part in ("chunk_index", "file_index")}
            row[f"videos/{KEY}/from_timestamp"] = float(start)
    write_list(root, rows)


def write_list(root: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes the list of the episodes of a v3 data set."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = root / "meta/episodes/chunk-000"
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), folder / "file-000.parquet")


def read_list(root: Path) -> list[dict[str, Any]]:
    """Reads the list that `write_list` wrote."""
    import pyarrow.parquet as pq

    return pq.read_table(root / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
