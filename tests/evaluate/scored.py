"""Tiny score files whose figures can be worked out by hand."""

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
