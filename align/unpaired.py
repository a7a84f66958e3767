"""Alignment of unpaired videos as a task of the training loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from align.inputs.unpaired import UnpairedSamples
from align.metrics.collapse import effective_rank, spread
from align.metrics.unpaired import order_tau
from align.plan import RunPlan
from align.results.statistics import mean
from align.task import AlignmentTask
from datasets.errors import MismatchError, counted


class UnpairedTask(AlignmentTask):
    """Trains a frame encoder with a loss that compares videos of different executions."""

    metric = "disorder"
    samples_of = UnpairedSamples

    def __init__(self, plan: RunPlan) -> None:
        """Opens the data and builds the model; errors as of `AlignmentTask`.

        Raises:
            MismatchError: When there are too few videos to validate on.
        """
        super().__init__(plan)
        if len(self.valid) < 2:
            raise MismatchError(
                f"{self.valid.root} has {counted(len(self.valid), 'video')} to validate on, and "
                "their order is measured between two of them: give it more, by --split of "
                "datasets.convert."
            )

    def describe(self) -> dict[str, str]:
        """Data set, viewpoints, method and model, a line each."""
        counts = Counter(self.train.viewpoint(i) for i in range(len(self.train)))
        listed = ", ".join(f"{counts[name]} {name}" for name in self.train.meta.viewpoints)
        return super().describe() | {"views": f"unpaired videos to train on: {listed}"}

    def validate(self) -> Mapping[str, float]:
        """How often the order of two moments is wrong in another video, and signs of collapse.

        `disorder` is (1 - tau) / 2 with Kendall's tau-b of `order_tau`: 0 is perfect, 1/2 random.
        Embeddings whose matches all tie count as random.
        """
        found = [
            z
            for i in range(len(self.valid))
            for z in self.embedder.embed_episode(self.valid, i).values()
        ]
        tau = order_tau(found)
        return {
            "disorder": (1 - (tau if tau == tau else 0.0)) / 2,
            "kendalls_tau_b": tau,
            "effective_rank": mean(effective_rank(z) for z in found),
            "spread": mean(spread(z) for z in found),
        }


def task_of(plan: RunPlan) -> AlignmentTask:
    """The task of a plan, by the data set that it is trained on; errors as of the tasks."""
    return UnpairedTask(plan) if plan.meta.viewpoints else AlignmentTask(plan)
