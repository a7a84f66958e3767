"""The aligned video shows the picked frames and names them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import align.report.episode as episode_module
import align.report.video as video_module
from align.report.episode import load_example
from align.report.style import method_colours
from align.report.video import (
    encode_video,
    poster,
    video_frames,
    video_layout,
    video_speed,
)
from align.results.runs import load_runs
from datasets.episodes import EpisodeDataset
from tests.align.hand_made_runs import PICKS, STEPS, decode


@pytest.mark.slow
def test_video_shows_the_picked_frames(runs: list[Path], data: Path) -> None:
    loaded = load_runs(runs)
    dataset = EpisodeDataset(data, "test")
    example = load_example(loaded, dataset)
    video = encode_video(example, method_colours([run.label for run in loaded]))
    frames, stream = decode(video)
    assert stream.codec_context.name == "h264"
    assert stream.codec_context.pix_fmt == "yuv420p"
    assert stream.average_rate == dataset.meta.control_hz / 2
    assert stream.width % 2 == stream.height % 2 == 0
    # Plays before all of it is there: the index comes ahead of the pictures.
    assert video.index(b"moov") < video.index(b"mdat")
    assert len(frames) == STEPS

    layout = video_layout(example)
    ego = enlarged(dataset.images(0, "ego"), 224)
    third = enlarged(dataset.images(0, "view_0"), 224)
    for time, frame in enumerate(frames):
        assert nearest(third, layout.crop(frame, 0)) == time
        assert nearest(ego, layout.crop(frame, 1)) == time
        for tile, picks in enumerate([PICKS["deit"], PICKS["paab"], PICKS["deit"]], start=2):
            assert nearest(ego, layout.crop(frame, tile)) == picks[time]


def enlarged(frames: np.ndarray, side: int) -> np.ndarray:
    method = Image.Resampling.LANCZOS
    pictures = [Image.fromarray(f).resize((side, side), method) for f in frames]
    return np.stack([np.asarray(picture, np.float32) for picture in pictures])


def nearest(candidates: np.ndarray, picture: np.ndarray) -> int:
    differences = np.abs(candidates - picture.astype(np.float32)).mean(axis=(1, 2, 3))
    assert differences.min() < 4
    return int(differences.argmin())


class Texts:
    """The texts that are drawn while the methods of Pillow are replaced."""

    def __init__(self, monkeypatch) -> None:
        self.found: list[tuple[tuple[float, float], str]] = []
        draw_class = video_module.ImageDraw.ImageDraw
        for name in ("text", "multiline_text"):
            original = getattr(draw_class, name)
            monkeypatch.setattr(draw_class, name, self._recorder(original))

    def _recorder(self, original):
        def record(draw, xy, text, *args, **kwargs):
            self.found.append((xy, text))
            return original(draw, xy, text, *args, **kwargs)

        return record


@pytest.mark.slow
def test_video_names_its_panels_and_errors(runs: list[Path], data: Path, monkeypatch) -> None:
    loaded = load_runs(runs)
    example = load_example(loaded, EpisodeDataset(data, "test"))
    colours, layout = method_colours([run.label for run in loaded]), video_layout(example)
    texts = Texts(monkeypatch)
    frames = list(video_frames(example, colours))
    titles = ["query: view_0", "true match: ego", "deit", "paab", "paat"]
    by_panel = {text: x for (x, _), text in texts.found if text in titles}
    for tile, title in enumerate(titles):
        left, _ = layout.corner(tile)
        assert left <= by_panel[title] < left + 224
    # At step 3 deit picks frame 9 and paab frame 3.
    written = [text for _, text in texts.found]
    at = written.index(f"step 3 of {STEPS}")
    assert written[at : at + 5] == [f"step 3 of {STEPS}"] * 2 + ["+6 steps", "exact", "+6 steps"]
    # The swatch before the title has the method's colour.
    left, top = layout.corner(2)
    red, green, blue = frames[0].getpixel((left + 5, top - 15))
    assert f"#{red:02x}{green:02x}{blue:02x}" == colours["deit"]


@pytest.mark.slow
def test_skeleton_is_drawn_on_request(runs: list[Path], data: Path) -> None:
    loaded, dataset = load_runs(runs), EpisodeDataset(data, "test")
    colours = method_colours([run.label for run in loaded])
    plain = load_example(loaded, dataset)
    drawn = load_example(loaded, dataset, view="view_1", skeleton=True)
    assert drawn.query == "view_1"
    frames, skeletons = (np.stack(list(e.frames["ego"].values())) for e in (plain, drawn))
    np.testing.assert_array_equal(frames, dataset.images(0, "ego"))
    assert len(np.unique(skeletons.reshape(-1, 3), axis=0)) > len(
        np.unique(frames.reshape(-1, 3), axis=0)
    )
    assert poster(drawn, colours) != poster(plain, colours)


@pytest.mark.slow
def test_a_long_episode_is_drawn_at_some_steps_and_picked_from_all(
    runs: list[Path], data: Path, monkeypatch
) -> None:
    loaded, dataset = load_runs(runs), EpisodeDataset(data, "test")
    whole = load_example(loaded, dataset)
    monkeypatch.setattr(episode_module, "DRAWN", 4)
    some = load_example(loaded, dataset)
    assert some.times.tolist() == [0, 5, 10, 15]
    for label, matches in some.matches.items():
        assert matches.picks.tolist() == [PICKS.get(label, PICKS["deit"])[t] for t in some.times]
        assert matches.error == whole.matches[label].error
        assert matches.distances.shape == (4, 4)
    colours = method_colours([run.label for run in loaded])
    frames, stream = decode(encode_video(some, colours))
    assert len(frames) == 4
    ego = enlarged(dataset.images(0, "ego"), 224)
    for time, frame in zip(some.times, frames, strict=True):
        assert nearest(ego, video_layout(some).crop(frame, 2)) == PICKS["deit"][time]
    # 16 steps in 4 frames, each shown for twice as long as a step took.
    assert (video_speed(whole), video_speed(some)) == (
        "2 times slower than the robot",
        "2 times faster than the robot",
    )
