"""The pictures of a report that are drawn of several runs or from what other commands stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from align.analysis import load_analysis
from align.analysis_figure import analysis_panels
from align.analyze import analysis_path, attention_path
from align.attention_maps import draw_attention, load_maps
from align.embedding_map import EmbeddingMap, embedding_map
from align.example import Example
from align.figures import to_svg, view_pair_heat_map
from align.method_pictures import method_pictures
from align.runs import Run
from align.summary import mean
from datasets.episodes import EpisodeDataset


@dataclass(frozen=True)
class TokenPictures:
    """What the tokens of analysed runs tell of the pose, and where these runs look.

    Attributes:
        panels: The panels of the paper's Figures 7 and 10.
        attention: Attention on frames of one episode.
        episode: Its name.
        missing: Typical runs that `align.analyze` could add.
    """

    panels: Markup
    attention: Markup
    episode: str
    missing: Sequence[Path]


def token_pictures(example: Example, data: EpisodeDataset) -> TokenPictures | None:
    """Of each method's typical run that has been analysed; None where none has been.

    Nor where runs were measured in another way than by default, of which nothing is analysed.
    """
    evaluation = next(iter(example.runs.values())).evaluation
    split = evaluation.split
    if evaluation.name not in ("", split):
        return None
    known = {label: run.folder for label, run in example.runs.items() if _analysed(run, split)}
    if not known:
        return None
    analyses = {
        label: load_analysis(analysis_path(folder, split)) for label, folder in known.items()
    }
    maps = {label: load_maps(attention_path(folder, split)) for label, folder in known.items()}
    missing = [
        run.folder
        for label, run in example.runs.items()
        if label not in known and run.config.has("vit")
    ]
    return TokenPictures(
        Markup(to_svg(analysis_panels(analyses, data.skeleton.keypoints))),
        Markup(to_svg(draw_attention(maps, data))),
        next(iter(maps.values())).episode,
        missing,
    )


def _analysed(run: Run, split: str) -> bool:
    """Whether an analysis is there, of the checkpoint as it is now."""
    paths = [analysis_path(run.folder, split), attention_path(run.folder, split)]
    if not all(path.exists() for path in paths):
        return False
    trained = run.folder / "checkpoints" / "best.safetensors"
    return not trained.exists() or trained.stat().st_mtime <= paths[0].stat().st_mtime


def phase_heat_map(runs: Sequence[Run]) -> Markup | None:
    """Phase F1 from each view to each other; None where runs have no phase metrics."""
    scores = pair_means(
        (run.label, (result.learned_view, result.asked_view), result.metrics["phase_f1"])
        for run in runs
        for result in run.evaluation.phases
    )
    if len(scores) < len({run.label for run in runs}):
        return None
    return Markup(to_svg(view_pair_heat_map(scores, "phase F1", higher_is_better=True)))


def embedding_maps(example: Example) -> dict[str, EmbeddingMap]:
    """The map of each method's typical run."""
    return {
        label: embedding_map(run.evaluation.embeddings()) for label, run in example.runs.items()
    }


def recovered(example: Example, data: EpisodeDataset) -> dict[str, list[tuple[Markup, str]]]:
    """Method to pictures, with captions, of what its model makes of the example's two views."""
    i, views = data.names.index(example.episode), (example.query, example.target)
    pictures = {
        label: method_pictures(run.folder, data, i, views) for label, run in example.runs.items()
    }
    return {
        label: [(Markup(to_svg(p.figure)), p.caption) for p in found]
        for label, found in pictures.items()
        if found
    }


def pair_errors(runs: Sequence[Run]) -> dict[str, dict[tuple[str, str], float]]:
    """Method to pair of views to alignment error, mean over episodes and seeds."""
    return pair_means(
        (run.label, (pair.view1, pair.view2), pair.metrics["alignment_error"])
        for run in runs
        for pair in run.evaluation.pairs
    )


def pair_means(
    values: Iterable[tuple[str, tuple[str, str], float]],
) -> dict[str, dict[tuple[str, str], float]]:
    """Means of (method, pair of views, value), by method and pair."""
    found: dict[str, dict[tuple[str, str], list[float]]] = {}
    for label, pair, value in values:
        found.setdefault(label, {}).setdefault(pair, []).append(value)
    return {label: {p: mean(v) for p, v in pairs.items()} for label, pairs in found.items()}
