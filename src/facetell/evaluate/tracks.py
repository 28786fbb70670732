"""Select the clips of the track with the highest mean logit (METHOD section 4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facetell.evaluate.scores import COPY, Scores, keys_of

Key = tuple[str, str, str, int]
"""Dataset, video, distortion, level (:data:`facetell.evaluate.scores.COPY`)."""


def deciding_tracks(scores: Scores) -> dict[Key, NDArray[np.int64]]:
    """Row numbers of the scored clips of each video's highest-scoring track, in order of time.

    Of tracks with equal mean logits the first is taken. Videos without a scored clip are left out.
    """
    tracks: dict[Key, dict[int, list[int]]] = {}
    clips = zip(keys_of(scores, COPY), scores["track"].tolist(), scores["logit"].tolist(), strict=True)
    for row, (key, track, logit) in enumerate(clips):
        if not np.isnan(logit):
            tracks.setdefault(key, {}).setdefault(track, []).append(row)
    logits, begins = scores["logit"], scores["t0"]
    deciding = {}
    for key, of_video in tracks.items():
        rows = np.array(max(of_video.values(), key=lambda rows: float(np.mean(logits[rows]))), dtype=np.int64)
        deciding[key] = rows[np.argsort(begins[rows], kind="stable")]
    return deciding
