"""Pose-aware vision transformers: models, losses, metrics and training for video alignment."""

import posealign  # noqa: F401  checks that `datasets` is ours
