"""The clips that speak for a video: those of its most suspect track (METHOD section 4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facetell.evaluate.scores import Scores

Key = tuple[str, str, int]
"""Video, distortion, level: what names a row of :class:`facetell.evaluate.scores.VideoScores`."""


def deciding_tracks(scores: Scores) -> dict[Key, NDArray[np.int64]]:
    """Rows of the scored clips of each video's deciding track, in order of time.

    That is the track with the highest mean logit; of equal ones the first. Videos without a scored clip are missing.
    """
    tracks: dict[Key, dict[int, list[int]]] = {}
    names = ("video", "distortion", "level", "track", "logit")
    clips = zip(*(scores[name].tolist() for name in names), strict=True)
    for row, (video, distortion, level, track, logit) in enumerate(clips):
        if not np.isnan(logit):
            tracks.setdefault((video, distortion, level), {}).setdefault(track, []).append(row)
    logits, begins = scores["logit"], scores["t0"]
    deciding = {}
    for key, of_video in tracks.items():
        rows = np.array(max(of_video.values(), key=lambda rows: float(np.mean(logits[rows]))), dtype=np.int64)
        deciding[key] = rows[np.argsort(begins[rows], kind="stable")]
    return deciding
