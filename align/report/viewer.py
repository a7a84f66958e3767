"""The page of `align.view` for the episode that a report shows, as a part of the report."""

from __future__ import annotations

from align.report.episode import DRAWN, Example
from align.results.runs import Run
from align.view.export import page_of
from align.view.method import Method
from align.view.routes import Routes
from align.view.runs import RunAbout
from align.view.shown import ShownEpisodes
from datasets.episodes import EpisodeDataset


def episode_page(example: Example, data: EpisodeDataset) -> str:
    """The HTML of a whole page with all measured views of the episode, at DRAWN steps at most.

    It is made of the embeddings that were measured, so that no model is needed. Attention and pose
    patches, which would need one, are left out.

    Args:
        example: The episode, and the run of each method.
        data: The split that was measured.
    """
    episode = example.episode
    stored = {
        label: run.evaluation.embeddings(episode)[episode] for label, run in example.runs.items()
    }
    found = next(iter(stored.values()))
    views = [view for view in data.views if view in found]
    measured = EpisodeDataset(data.root, data.split, views)
    start = measured.names.index(episode)
    shown = ShownEpisodes(measured, DRAWN)
    steps = shown.steps(start)
    abouts = [_about(label, run) for label, run in example.runs.items()]
    methods = [
        Method(run.folder, shown, {start: [stored[label][view][steps] for view in views]})
        for label, run in example.runs.items()
    ]
    return page_of(Routes(shown, abouts, start, references=0, methods=methods))


def _about(label: str, run: Run) -> RunAbout:
    # Colours follow `method`; a report's colours follow its labels.
    return RunAbout(run.folder, label, method=label, transformer=False, patches=False)
