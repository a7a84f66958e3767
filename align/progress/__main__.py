"""Estimates how far a task has come in each frame of videos, from 0 to 1.

    python -m align.progress runs/paat                                 # test episodes of its data
    python -m align.progress runs/paat --form both --data data/lift_random
    python -m align.progress runs/paat mine.mp4 --reference demo_0 demo_1
    python -m align.progress runs/paat mine.mp4 --reference first.mp4 second.mp4

    python -m align.progress runs/paat --lerobot data/lift_lerobot     # for LeRobot's training

References are demonstrations in which the task is done: the first training episodes of the run, or
those that are named. Three methods read progress off them: nearest, dtw and goal. The offline form
knows the whole video; the causal form judges a frame by those up to it, as a reward must.

Writes a table with one row a frame (view, episode, frame, time, and a column for each form and
method, such as `offline_nearest`) and, for a data set, a JSON file with how well progress follows
time and phases and tells successes from the failures that the data set has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from align.config import Split
from align.engine.run_folder import Checkpoint, RunFolder
from align.progress.options import Form, Method, ReadingConfig
from datasets.bounds import PositiveInt
from datasets.command import command, optional, parse
from datasets.errors import OptionError, counted

_FORMS: dict[str, tuple[Form, ...]] = {
    "offline": ("offline",),
    "causal": ("causal",),
    "both": ("offline", "causal"),
}
_OWN = ReadingConfig()


def run(
    run: tyro.conf.Positional[Path],
    videos: tyro.conf.Positional[tuple[Path, ...]] = (),
    /,
    data: Annotated[Path | None, optional("FOLDER")] = None,
    split: Split = "test",
    episodes: Annotated[PositiveInt | None, optional("INT")] = None,
    views: tuple[str, ...] = (),
    reference: tuple[str, ...] = (),
    reference_data: Annotated[Path | None, optional("FOLDER")] = None,
    reference_views: tuple[str, ...] = (),
    form: Literal["offline", "causal", "both"] = "offline",
    lerobot: Annotated[Path | None, optional("FOLDER")] = None,
    method: Method = "dtw",
    shuffled: bool = False,
    checkpoint: Checkpoint = "best",
    out: Annotated[Path | None, optional("FILE")] = None,
    how: Annotated[ReadingConfig, tyro.conf.arg(name="")] = _OWN,
) -> None:
    """Estimates how far a task has come in each frame of videos, from 0 to 1.

    Args:
        run: A folder made by `python -m align.train`.
        videos: Video files; without them, the episodes of a data set are measured.
        data: The data set to measure; the run's own by default.
        split: Split whose episodes are measured, beside the failures that the data set has.
        episodes: Measure the first of them alone, and as many failures; all by default.
        views: Views to measure; all by default.
        reference: Demonstrations: names of episodes, and video files. By default the first ten
            training episodes of the run.
        reference_data: Data set of the named episodes, or whose first training episodes are taken;
            the run's training data by default.
        reference_views: Views of the demonstrations; those that the run was trained on by default.
        form: offline: each frame is judged by the whole video; causal: by the frames up to it.
        lerobot: Write the progress of this LeRobot data set into its folder instead, for
            reward-aligned behaviour cloning: the mean over its views.
        method: The method of --lerobot.
        shuffled: Put the references' frames at random times, as a control.
        checkpoint: best: lowest validation alignment error; last: the end of training.
        out: The table; .npz or .parquet says the format. By default a file in the run's
            folder; that of videos must not exist yet.
        how: How progress is read off the references.
    """
    with command():
        from align.progress.demonstrations import Demonstrations
        from align.progress.measuring import Measurement, summary

        _require_one_subject(videos, data, lerobot)
        of_data = {"--split": split != "test", "--episodes": episodes is not None}
        if videos:
            _refuse("videos have none of their own", of_data | {"--views": bool(views)})
        if lerobot is None:
            _refuse("only --lerobot needs it", {"--method": method != "dtw"})
        else:
            given = of_data | {"--out": out is not None}
            _refuse("--lerobot takes all episodes, and names its file itself", given)
        if reference and all(Path(name).is_file() for name in reference):
            of_set = {"--reference-data": reference_data, "--reference-views": reference_views}
            _refuse("the references are videos alone", of_set)
        chosen = Demonstrations(reference, reference_data, reference_views, shuffled)
        options = (run, chosen, _FORMS[form], how, checkpoint)
        if lerobot is not None:
            print(Measurement(*options).of_lerobot(lerobot, method, views))
            return
        path = out or _default_path(run, videos, split, data)
        measurement = Measurement(*options)
        if videos:
            found = measurement.of_videos(videos, path)
        else:
            found = measurement.of_data(path, data, split, episodes, views)
        print(summary(found))
        print(f"\n{path}: {counted(sum(len(video.time) for video in found), 'frame')}")


def _require_one_subject(videos: Sequence[Path], data: Path | None, lerobot: Path | None) -> None:
    given = {"videos": videos, "--data": data, "--lerobot": lerobot}
    named = [name for name, value in given.items() if value]
    if len(named) > 1:
        raise OptionError(f"{' and '.join(named)} exclude each other: give one of them.")


def _refuse(why: str, given: Mapping[str, object]) -> None:
    """Refuses options that would change nothing, by whether each is given."""
    named = " and ".join(option for option, is_given in given.items() if is_given)
    if named:
        raise OptionError(f"{named} would change nothing: {why}. Leave it out.")


def _default_path(run: Path, videos: Sequence[Path], split: Split, data: Path | None) -> Path:
    from align.frame_table import require_new

    folder = RunFolder(run)
    if not run.is_dir():
        raise OptionError(f"{run} is no folder of a run, so name the file to write: --out FILE.npz")
    if videos:
        return require_new(folder.progress(videos[0].stem))
    # Measured again, as after longer training, a data set's progress replaces that of before.
    return folder.progress(split if data is None else f"{split}_on_{data.resolve().name}")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parse(run, "python -m align.progress", arguments)


if __name__ == "__main__":
    main()
