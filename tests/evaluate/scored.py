"""Tiny score files whose figures can be worked out by hand, and larger tables of scores that are drawn."""

import numpy as np

from facetell.evaluate.scores import from_rows, write_scores

ABOUT = {"model": {"name": "toy", "sha256": "ab" * 32}, "calibration": {"temperature": 2.0, "bias": 0.1}}


def clip(video, label, logit=None, **more):
    """One row: a clip, or (without a logit) a video that was not scored."""
    row = {"video": video, "label": label, "split": "test", "dataset": "ffpp", "identity": video[:1], **more}
    if logit is None:
        return {**row, "status": "no_face"}
    return {"track": 0, "clip": 0, "t0": 0.0, "t1": 0.3, **row, "logit": logit}


def toy(**more):
    """Four videos and one without a face: AUC 7/8 over both forgeries, 3/4 of swap, 1 of puppet."""
    return [
        clip("a0", 0, -1.0, **more),
        clip("b0", 0, 0.3, **more),
        clip("c0", 0, None, **more),
        clip("a1", 1, 0.3, method="swap", **more),
        clip("b1", 1, 2.0, method="puppet", **more),
    ]


def write(path, rows, **about):
    write_scores(from_rows(rows, {**ABOUT, **about}), path)
    return path


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
