"""What the poses of a whole set say, where those of one clip could be true.

A person may stand in a corner for a whole clip, but not all persons of a set: then the poses are of
smaller pictures than the videos.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from datasets.clips.base import ClipInfo
from datasets.clips.sets import get_format, read_persons
from datasets.errors import DataError, counted
from datasets.video import video_shape

# Clips that are looked at; NTU's are read in a second.
_LOOKED_AT = 48
# Fewer clips prove nothing: their persons may well be in one corner.
_FEWEST = 8
# Bounds beyond which poses are doubted. In the rendered sets, keypoints reach 0.8 of the picture,
# none is outside, and persons are twice as high as wide and seen in all frames.
_SEEN, _REACH, _OUTSIDE, _UPRIGHT = 0.6, 0.55, 0.25, 0.7
# The share of the keypoints that `reach` holds: a few wrong ones must not hide the others.
_MOST = 98


@dataclass(frozen=True)
class PoseSurvey:
    """The poses of some clips of a set.

    Attributes:
        clips: Number of clips that were looked at.
        seen: Share of their frames with a person.
        reach: x and y, as shares of the picture, that nearly no keypoint exceeds.
        outside: Share of the keypoints outside the picture.
        upright: Median of the persons' height by width.
        pixels: Whose pixels the files have to be in.
    """

    clips: int
    seen: float
    reach: tuple[float, float]
    outside: float
    upright: float
    pixels: str = "the videos' pixels"

    def __str__(self) -> str:
        """Where persons are, in a line."""
        right, down = self.reach
        return (
            f"poses of {counted(self.clips, 'clip')}: a person in {self.seen:.0%} of the frames, "
            f"within the left {right:.0%} and the upper {down:.0%} of the pictures"
        )

    def doubts(self) -> Iterator[str]:
        """Sentences on what is wrong with the poses; none where they look right."""
        if self.clips < _FEWEST:
            return
        if self.seen < _SEEN:
            yield f"only {self.seen:.0%} of the frames have a person"
        if max(self.reach) < _REACH:
            right, down = self.reach
            yield (
                f"all persons stay within the left {right:.0%} and the upper {down:.0%} of the "
                f"pictures, as in poses of smaller pictures; scale them to {self.pixels}"
            )
        if self.outside > _OUTSIDE:
            yield (
                f"{self.outside:.0%} of the keypoints are outside the pictures, as in poses of "
                f"larger pictures; scale them to {self.pixels}"
            )
        if self.upright < _UPRIGHT:
            yield (
                f"persons are {self.upright:.1f} times as high as wide, as where x and y are "
                "exchanged, or follow each other in a list"
            )


def survey_poses(clips: Sequence[ClipInfo], trust_pickles: bool = False) -> PoseSurvey | None:
    """Looks at the poses of clips that are spread over a set; None where none can be read.

    Clips whose poses cannot be read are passed over, since `datasets.clips.checks` names them.
    """
    posed = [clip for clip in clips if clip.skeleton is not None]
    places = np.linspace(0, len(posed) - 1, min(_LOOKED_AT, len(posed))).round().astype(int)
    shares, upright = [], []
    for place in places:
        try:
            poses = read_persons(posed[place], trust_pickles)[:, 0].astype(np.float64)
            shape = video_shape(posed[place].video)
        except DataError:
            continue
        shares.append(poses / (shape.width, shape.height))
        upright.append(_height_by_width(poses))
    if not shares:
        return None
    every = np.concatenate(shares)
    keypoints = every[np.isfinite(every).all(axis=-1)]
    pictured = get_format(posed[0].format).pose_picture
    right, down = np.percentile(keypoints, _MOST, axis=0).tolist()
    return PoseSurvey(
        clips=len(shares),
        seen=float(np.isfinite(every).any(axis=(1, 2)).mean()),
        reach=(right, down),
        outside=float(((keypoints < 0) | (keypoints > 1)).any(axis=-1).mean()),
        upright=float(np.median(upright)),
        pixels=f"pixels of {pictured[0]} x {pictured[1]}" if pictured else PoseSurvey.pixels,
    )


def _height_by_width(poses: Float[np.ndarray, "time keypoints 2"]) -> float:
    """The median over the frames with a person."""
    seen = poses[np.isfinite(poses).any(axis=(1, 2))]
    width, height = (np.nanmax(seen, axis=1) - np.nanmin(seen, axis=1)).T
    return float(np.median(height / np.maximum(width, 1)))
