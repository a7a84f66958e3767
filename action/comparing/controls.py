"""Controls beside recognisers: classes predicted without a picture of the person.

Each control learns from the training clips of the runs and is tested on the same test clips:

- border: how far the cut to the person extends beyond each side of the picture (random forest);
- cut: that, and where in the picture the cut lies and how large it is (random forest);
- keypoints: the 2D keypoints in the cut at a few moments (logistic regression, standardised).

A recogniser sees the border as pixels. It does not see where the cut lies, but the size of what
stands around the person tells it how large the cut is.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
from jaxtyping import Float
from pydantic import TypeAdapter
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from action.config import ActionConfig
from action.evaluation import recognition_metrics
from action.inputs.clips import MANY_CLIPS, ActionData, open_data, sample_config, usable
from align.engine.csv_files import read_csv, write_csv
from align.results.text import format_spread
from datasets.clips.base import ClipInfo
from datasets.clips.samples import Crop, SampleConfig, move_keypoints, person_crop
from datasets.clips.sets import read_keypoints
from datasets.video import video_shape

log = logging.getLogger(__name__)

CONTROLS_NAME = "controls.csv"
NOTE = (
    "Controls learn from the same clips without a picture of the person. Border alone: the four "
    "widths of what the cut to the person shows beyond the picture. Cut alone: these, and the "
    "place and the side of the cut (random forests). Keypoints alone: 2D keypoints in the cut at "
    "16 moments (logistic regression)."
)
# Moments of a clip whose keypoints are compared; spread over its whole time.
_MOMENTS = 16
_TREES = 300


@dataclass(frozen=True)
class Control:
    """Accuracy of a control on the test clips of one protocol.

    Attributes:
        control: Its name.
        trained_on: Protocol of the training clips.
        protocol: Protocol of the test clips.
        top1: Share of clips whose class is recognised.
        mean_class_accuracy: Mean share over the classes.
        clips: Number of test clips.
        data_identity: Digest of all clips, their splits, and how they are cut.
        top5: Share of clips whose class is among the five likeliest; None for five classes or less.
    """

    control: str
    trained_on: str
    protocol: str
    top1: float
    mean_class_accuracy: float
    clips: int
    data_identity: str
    top5: float | None = None


class Clues(NamedTuple):
    """The features of each control for some clips; NaN where a keypoint is never seen."""

    border: Float[np.ndarray, "clips 4"]
    cut: Float[np.ndarray, "clips 7"]
    keypoints: Float[np.ndarray, "clips values"]


def _forest() -> Any:
    return RandomForestClassifier(_TREES, random_state=0)


def _regression() -> Any:
    # A keypoint that no training clip shows becomes a constant, which tells nothing.
    imputer = SimpleImputer(keep_empty_features=True)
    return make_pipeline(imputer, StandardScaler(), LogisticRegression(max_iter=1000))


CLASSIFIERS: Mapping[str, Callable[[], Any]] = {
    "border": _forest,
    "cut": _forest,
    "keypoints": _regression,
}


def find_controls(config: ActionConfig, protocols: Sequence[str], out: Path) -> list[Control]:
    """The controls of runs with these options, measured where `controls.csv` has them not yet.

    Args:
        config: Options of the runs: data set, protocol, and how clips are cut.
        protocols: Protocols whose test clips to measure on.
        out: Folder of the runs, in which `controls.csv` is written.

    Raises:
        DataError: When too many clips cannot be used.
    """
    train = open_data(config)
    tests = [open_data(replace(config, protocol=name)) for name in protocols]
    identities = {data.protocol: _identity(config, train, data) for data in tests}
    stored = _load(out / CONTROLS_NAME)
    known = [c for c in stored if c.data_identity == identities.get(c.protocol)]
    missing = [d for d in tests if d.protocol not in {control.protocol for control in known}]
    if missing:
        known += _measure(config, train, missing, identities)
        measured = {(control.trained_on, control.protocol) for control in known}
        others = [c for c in stored if (c.trained_on, c.protocol) not in measured]
        _save(out / CONTROLS_NAME, known + others)
    return known


def control_lines(
    controls: Sequence[Control], protocol: str, metrics: Sequence[str]
) -> list[list[str]]:
    """Lines of a table: protocol, control, an empty column, and each metric in percent."""
    return [
        [protocol, f"{c.control} alone", "", *(_percent(getattr(c, name)) for name in metrics)]
        for c in controls
        if c.protocol == protocol
    ]


def clues(clips: Sequence[ClipInfo], sample: SampleConfig) -> Clues:
    """The controls' features of clips; pictures are not read."""
    # A few hundred are read sooner than processes start.
    jobs = 1 if len(clips) < MANY_CLIPS else joblib.cpu_count()
    found = joblib.Parallel(jobs)(joblib.delayed(_clues_of)(clip, sample) for clip in clips)
    return Clues(*(np.stack(values) for values in zip(*found, strict=True)))


def _clues_of(clip: ClipInfo, sample: SampleConfig) -> tuple[np.ndarray, ...]:
    shape = video_shape(clip.video)
    keypoints = read_keypoints(clip, sample.trust_pickles)
    followed = keypoints if sample.person else keypoints[:0]
    crop = person_crop(followed, shape.height, shape.width, inside=sample.inside)
    border = border_widths(crop, shape.height, shape.width)
    place = np.array(crop) / min(shape.height, shape.width)
    return border, np.concatenate([border, place]), timeline(move_keypoints(keypoints, crop, 1))


def border_widths(crop: Crop, height: int, width: int) -> Float[np.ndarray, " 4"]:
    """How far a cut goes beyond the picture (left, top, right, bottom), as shares of its side."""
    beyond = (-crop.x, -crop.y, crop.x + crop.side - width, crop.y + crop.side - height)
    return np.maximum(beyond, 0) / crop.side


def timeline(keypoints: Float[np.ndarray, "time keypoints 2"]) -> Float[np.ndarray, " values"]:
    """Each coordinate at `_MOMENTS` moments from the first frame to the last.

    Missing ones are interpolated between the frames that have them; NaN where none has.
    """
    tracks = keypoints.reshape(len(keypoints), -1).T
    times = np.arange(len(keypoints))
    moments = np.linspace(0, max(len(keypoints) - 1, 0), _MOMENTS)
    values = np.full((len(tracks), _MOMENTS), np.nan)
    for row, track in zip(values, tracks, strict=True):
        if (seen := np.isfinite(track)).any():
            row[:] = np.interp(moments, times[seen], track[seen])
    return values.reshape(-1)


def _measure(
    config: ActionConfig,
    train: ActionData,
    tests: Sequence[ActionData],
    identities: Mapping[str, str],
) -> list[Control]:
    sample = sample_config(config, train.clip_set.format)
    learned = usable(train.parts["train"], config)
    seen, labels = clues(learned, sample), _names(learned, train)
    if len(set(labels)) < 2:
        return []  # there is nothing to tell apart
    fitted = {name: make().fit(getattr(seen, name), labels) for name, make in CLASSIFIERS.items()}
    controls = []
    for data in tests:
        asked = usable(data.parts["test"], config)
        shown, true = clues(asked, sample), _names(asked, data)
        for name, model in fitted.items():
            metrics = _metrics(model, getattr(shown, name), true, data.classes)
            about = (name, train.protocol, data.protocol)
            end = {"clips": len(asked), "data_identity": identities[data.protocol]}
            controls.append(Control(*about, **metrics | end))
    return controls


def _metrics(
    model: Any, seen: np.ndarray, true: Sequence[str], classes: Sequence[str]
) -> dict[str, Any]:
    """Metrics among all classes; those that training lacks have no probability."""
    scores = np.zeros((len(true), len(classes)))
    known = [name for name in model.classes_ if name in classes]
    columns = [list(model.classes_).index(name) for name in known]
    places = [classes.index(name) for name in known]
    scores[:, places] = model.predict_proba(seen)[:, columns]
    return recognition_metrics(scores, np.array([classes.index(name) for name in true]))


def _names(clips: Sequence[ClipInfo], data: ActionData) -> list[str]:
    return [data.classes[clip.label] for clip in clips]


def _identity(config: ActionConfig, train: ActionData, test: ActionData) -> str:
    cut = f"{config.batch.person} {config.batch.inside}"
    return hashlib.sha256(f"{train.digest} {test.digest} {cut}".encode()).hexdigest()


def _percent(value: float | None) -> str:
    return format_spread(float("nan") if value is None else 100 * value, digits=1)


def _save(path: Path, controls: Sequence[Control]) -> None:
    rows = [asdict(control) for control in controls]
    write_csv(path, list(rows[0]), [list(row.values()) for row in rows])


def _load(path: Path) -> list[Control]:
    """The stored controls; none from a file that cannot be read, which is measured again."""
    if not path.exists():
        return []
    try:
        rows = [{k: v for k, v in row.items() if v} for row in read_csv(path)]
        return TypeAdapter(list[Control]).validate_python(rows)
    except (ValueError, OSError) as error:
        log.warning("%s cannot be read (%s): the controls are measured again.", path, error)
        return []
