"""What a bound on the clips of a face (``--max-clips``) costs, from the out-of-fold scores of a training run.

    python benchmarks/clips.py MODEL.oof.parquet

`facetell train` writes the file beside the model: six evenly spaced clips of each recording, scored by a classifier
that was trained without its repository, family and identity. The clips are chosen as in detection
(``facetell.faces.spread``). AUC is that of videos, with a 95 % bootstrap interval over identities. "Same verdict" is
the share of videos with the verdict of all their clips, "opposite" that of videos with forged in place of genuine or
the reverse.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facetell.evaluate.sample import calibration_of, sample_jointly, sample_of
from facetell.evaluate.scores import COPY, Scores, keys_of, read_scores
from facetell.faces.spread import Spread
from facetell.metrics.intervals import estimate_of
from facetell.types import Verdict
from facetell.verdict import read_verdict

BOUNDS = (1, 2, 3, 6)


def rows_of_faces(scores: Scores) -> dict[tuple[Any, ...], list[int]]:
    """The rows of each face in order of time."""
    found: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for row in np.argsort(scores["t0"], kind="stable").tolist():
        found[tuple(scores[name][row] for name in (*COPY, "track"))].append(row)
    return found


def bounded(scores: Scores, most: int) -> Scores:
    """The clips that are scored if at most ``most`` of a face are (0: all)."""
    keep: NDArray[np.bool_] = np.full(len(scores), False)
    for rows in rows_of_faces(scores).values():
        spread = Spread(most)
        for period in range(len(rows)):
            if spread.wants(period):
                spread.add(None, period)  # type: ignore[arg-type]  # it only holds the clip
        keep[[rows[period] for period in spread.chosen]] = True
    return scores.where(keep)


def verdicts(scores: Scores) -> list[Verdict]:
    """The verdict on each video: that of its face with the highest mean logit."""
    calibration = calibration_of(scores.about)
    of_video: dict[tuple[Any, ...], list[list[float]]] = defaultdict(list)
    for face, rows in rows_of_faces(scores).items():
        of_video[face[:-1]].append(scores["logit"][rows].tolist())
    found = []
    for key in dict.fromkeys(keys_of(scores, COPY)):
        logits = max(of_video[key], key=np.mean)
        probability, between = calibration.probability(float(np.mean(logits))), calibration.interval(logits)
        found.append(read_verdict(probability, between, calibration.threshold_of(len(of_video[key]))))
    return found


def main(path: str) -> None:
    """Print a table."""
    scores = read_scores(path).counted
    complete = sample_of(scores.videos())
    every = verdicts(scores)
    print(
        "clips scored, at most |  AUC   95 % interval | mean change of a logit | same verdict | opposite | inconclusive"
    )
    for most in (*BOUNDS, 0):
        part = bounded(scores, most)
        sample, got = sample_of(part.videos()), verdicts(part)
        (drawn,) = sample_jointly([part.videos()], ["auc"])
        area = estimate_of(*drawn["auc"])
        changed = float(np.abs(sample.logits - complete.logits).mean())
        pairs = [{one, other} for one, other in zip(got, every, strict=True)]
        same = sum(len(pair) == 1 for pair in pairs) / len(pairs)
        opposite = sum(pair == {Verdict.FORGED, Verdict.GENUINE} for pair in pairs) / len(pairs)
        unsure = got.count(Verdict.INCONCLUSIVE) / len(got)
        print(
            f"{most or 'all':>21} | {area.value:.3f}  {area.low:.3f} to {area.high:.3f} | {changed:22.2f} | "
            f"{100 * same:10.1f} % | {100 * opposite:6.1f} % | {100 * unsure:10.1f} %"
        )


if __name__ == "__main__":
    main(sys.argv[1])
