"""Which clips of a face are drawn, and which are the most suspect: pure choices, made in one place."""

from __future__ import annotations

from facetell.types import TrackVerdict

MOST_POINTS = 240  # of a chart: beyond, neighbours share a point


def shown_points(track: TrackVerdict, most: int = MOST_POINTS) -> list[int]:
    """Indices of the clips that a chart shows: all, or of each group of neighbours the most suspect."""
    clips = track.clips
    group = group_size(len(clips), most)
    return [
        max(range(start, min(start + group, len(clips))), key=lambda index: clips[index].logit)
        for start in range(0, len(clips), group)
    ]


def group_size(clips: int, most: int = MOST_POINTS) -> int:
    """How many neighbouring clips share a point.

    >>> group_size(200), group_size(500)
    (1, 3)
    """
    return max(1, -(-clips // most))


def suspects(track: TrackVerdict) -> list[int]:
    """Indices of a scored track's clips, the most suspect first, the earlier first where two are alike."""
    return sorted(range(len(track.clips)), key=lambda index: (-track.clips[index].logit, index))
