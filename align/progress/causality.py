"""Which runs can judge a frame when it is seen, before the rest of the video is."""

from __future__ import annotations

from align.embedder import FrameEmbedder
from datasets.errors import OptionError


def looks_ahead(embedder: FrameEmbedder) -> bool:
    """Whether a run's embeddings depend on frames after a moment."""
    time = embedder.config.time
    return embedder.motion.any or (time.frames > 1 and not time.causal)


def require_causal(who: str, embedder: FrameEmbedder) -> None:
    """Checks that a run's embeddings depend on no later frame.

    Args:
        who: The run, for messages.
        embedder: Its encoder.

    Raises:
        OptionError: When the encoder sees frames after a moment, or the motion of a whole video.
    """
    time = embedder.config.time
    if time.frames > 1 and not time.causal:
        raise OptionError(
            f"{who} sees {time.frames} frames around each moment, so its progress cannot be causal "
            "(only from frames so far), as that of a reward must: take a run trained with "
            "--time.causal, or in align.progress, take --form offline"
        )
    if embedder.motion.any:
        raise OptionError(
            f"{who} reads the motion of the whole video, so its progress cannot be causal (only "
            "from frames so far), as that of a reward must: take a run without --pose-source "
            "motion and --backbone.keep-patches, or in align.progress, take --form offline"
        )
