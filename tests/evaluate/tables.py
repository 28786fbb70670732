"""Score tables for the tests of measures, drawn from a seed."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from facetell.evaluate.scores import from_rows

steady = settings(deadline=None, max_examples=30)
"""For all property tests: no example fails for being slow on a busy machine."""


@st.composite
def labelled(draw, most=60):
    """Labels and scores of 2 to ``most`` videos, both classes among them, often with ties."""
    labels = [0, 1, *draw(st.lists(st.integers(0, 1), max_size=most - 2))]
    value = st.one_of(st.integers(-3, 3).map(float), st.floats(-30, 30))
    return np.array(labels), np.array(draw(st.lists(value, min_size=len(labels), max_size=len(labels))))


def table(videos=60, *, seed=0, noise=1.0, clips=2, split="test", people=20, about=None, unscored=(), dataset="FF++"):
    """Every third video real; what is seen of a video depends on its number, ``noise`` on the seed."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(videos):
        known = {"video": f"{split}/{i}.mp4", "split": split, "label": int(i % 3 > 0), "dataset": dataset}
        known["identity"] = f"p{i // 3 % people}"
        if i in unscored:
            rows.append({**known, "status": "no_face"})
            continue
        truth = np.random.default_rng(i).normal(int(i % 3 > 0), 0.7)
        for clip in range(clips):
            logit = truth + rng.normal(0, noise)
            rows.append({**known, "track": 0, "clip": clip, "t0": clip, "t1": clip + 0.3, "logit": logit})
    return from_rows(rows, about or {})
