import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from evaluate.tables import steady
from facetell.datasets.manifest import Entry, Manifest
from facetell.evaluate.localisation import (
    clip_labels,
    forged_runs,
    localise,
    moments_of,
    segment_ap,
    spans_of,
    stretches,
    temporal_iou,
    union_iou,
)
from facetell.evaluate.scores import from_rows

TICK = 0.01  # seconds; the tests count on a grid what the code works out with numbers

spans = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4)).map(lambda s: (s[0], s[0] + s[1])), max_size=4)
segments = st.lists(
    st.tuples(st.integers(0, 9), st.integers(1, 4), st.integers(0, 99)).map(lambda s: (s[0], s[0] + s[1], s[2])),
    max_size=5,
    unique_by=lambda s: s[2],
)


def on_grid(of, end=15):
    """Which ticks of [0, end) lie in the spans."""
    middles = (np.arange(round(end / TICK)) + 0.5) * TICK
    return np.any([(a <= middles) & (middles < b) for a, b in of] or [np.zeros_like(middles)], axis=0)


@given(spans, spans)
@steady
def test_overlaps_are_those_counted_on_a_grid(a, b):
    in_a, in_b = on_grid(a), on_grid(b)
    if (in_a | in_b).any():
        assert union_iou(a, b) == pytest.approx((in_a & in_b).sum() / (in_a | in_b).sum())
    else:
        assert np.isnan(union_iou(a, b))
    pairs = temporal_iou(a, b)
    assert pairs.shape == (len(a), len(b))
    for i, j in itertools.product(range(len(a)), range(len(b))):
        one, other = on_grid([a[i]]), on_grid([b[j]])
        assert pairs[i, j] == pytest.approx((one & other).sum() / (one | other).sum())


@given(spans, st.lists(st.floats(-3, 3), min_size=10, max_size=10))
@steady
def test_moments_are_those_counted_on_a_grid(forged, logits):
    clips = [(i + 0.3, i + 0.7) for i in range(10)]
    pieces = stretches(*np.transpose(clips))
    assert pieces.tolist() == [[i, i + 1] for i in range(10)]
    labels, values, seconds = moments_of(pieces, logits, forged)
    truth = on_grid(forged, 10)
    assert seconds.sum() == pytest.approx(10) and seconds @ labels == pytest.approx(truth.sum() * TICK)
    if 0 < truth.sum() < len(truth):
        from facetell.evaluate.ranking import auc

        every = np.repeat(logits, round(1 / TICK))
        assert auc(labels, values, seconds) == pytest.approx(metrics.roc_auc_score(truth, every))


@given(st.lists(segments, min_size=1, max_size=3), st.data(), st.sampled_from([0.2, 0.5, 0.9]))
@steady
def test_average_precision_is_that_of_a_plain_count(found, data, iou):
    truth = [data.draw(spans) for _ in found]
    total = sum(map(len, truth))
    # scores are told apart between videos by a fraction
    found = [[(a, b, s + v / 10) for a, b, s in of] for v, of in enumerate(found)]
    if not total:
        assert np.isnan(segment_ap(found, truth, iou))
        return
    curve, right, taken = [], 0, set()
    ranked = sorted(((s, v, a, b) for v, of in enumerate(found) for a, b, s in of), reverse=True)
    for rank, (_, v, a, b) in enumerate(ranked, 1):
        best, chosen = 0.0, None
        for k, (c, d) in enumerate(truth[v]):
            shared = max(0, min(b, d) - max(a, c))
            overlap = shared / (b - a + d - c - shared)
            if (v, k) not in taken and overlap >= iou and overlap > best:
                best, chosen = overlap, k
        if chosen is not None:
            taken.add((v, chosen))
            right += 1
        curve.append((right / total, right / rank))
    area, before = 0.0, 0.0
    for recall in sorted({r for r, _ in curve}):
        area += (recall - before) * max(p for r, p in curve if r >= recall)
        before = recall
    assert segment_ap(found, truth, iou) == pytest.approx(area)


def test_known_average_precisions():
    truth = [[[0, 2], [7, 9]]]
    assert segment_ap([[[0, 2, 1], [7, 9, 0.5]]], truth, 0.9) == 1
    assert segment_ap([[[0, 2, 1], [0, 2, 0.9], [7, 9, 0.5]]], truth, 0.9) == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert segment_ap([[]], truth, 0.5) == 0 and np.isnan(segment_ap([[[0, 1, 1]]], [[]], 0.5))


def test_clips_are_forged_by_half():
    assert clip_labels([0, 1, 2], [1, 2, 3], [[0.4, 0.8], [0.6, 0.9], [2.51, 3]]).tolist() == [1, 0, 0]
    assert clip_labels([0], [1], []).tolist() == [0]


def test_stretches_meet_half_way_but_do_not_bridge_a_gap():
    assert stretches([0, 0.1, 0.2], [0.4, 0.5, 0.6], period=0.1) == pytest.approx(
        np.array([[0.15, 0.25], [0.25, 0.35], [0.35, 0.45]])
    )
    assert stretches([], []).shape == (0, 2)


def test_runs_end_at_a_quiet_clip_and_at_a_gap():
    pieces = stretches([0, 1, 2, 3, 9, 10], [0.4, 1.4, 2.4, 3.4, 9.4, 10.4])
    runs = forged_runs(pieces, [1, 3, -1, 2, 4, 6])
    assert runs == pytest.approx(np.array([[0, 1.7, 2], [2.7, 3.7, 2], [8.7, 10.7, 5]]))
    assert forged_runs(pieces, [-1] * 6).shape == (0, 3) and forged_runs([], []).shape == (0, 3)


def clips(video, logits, track=0):
    return [
        {"video": video, "label": 1, "track": track, "clip": i, "t0": i + 0.3, "t1": i + 0.7, "logit": x}
        for i, x in enumerate(logits)
    ]


def test_localisation_of_whole_files():
    rows = [
        *clips("part", [-2.0, 3, 3, -2, -1]),
        *clips("part", [-9.0] * 5, track=1),  # a second, harmless face
        *clips("real", [-3.0, -3]),
        *clips("whole", [2.0, 2]),
        *clips("unknown", [5.0]),
        {"video": "lost", "label": 1, "status": "no_face"},
    ]
    spans = {"part": [[1.0, 3.0]], "real": [], "whole": [[0, np.inf]], "lost": [[0, 1]]}
    found = localise(from_rows(rows, {}), spans)
    assert (found.videos, found.unscored) == (3, 1)
    assert dict(found.segment_ap) == {0.3: 1, 0.5: 1, 0.7: 1}
    assert (found.clip_auc, found.time_auc, found.mean_iou) == (1, 1, 1)
    # at a threshold of .9 nothing but the surest is called
    strict = localise(from_rows(rows, {"calibration": {"threshold": 0.9, "temperature": 1.0}}), spans)
    assert strict.mean_iou == 0.5 and strict.segment_ap[0.5] == 0.5 and strict.clip_auc == 1
    shifted = localise(from_rows(rows, {}), {**spans, "part": [[2.0, 4.0]]})
    assert shifted.mean_iou == pytest.approx((1 / 3 + 1) / 2) and shifted.time_auc < 1


def test_localisation_of_nothing_is_nan():
    found = localise(from_rows([{"video": "a", "status": "no_face"}], {}), {"a": []})
    assert (found.videos, found.unscored) == (0, 1)
    assert np.isnan([*found.segment_ap.values(), found.clip_auc, found.time_auc, found.mean_iou]).all()


def test_spans_come_from_the_parts_of_a_manifest(tmp_path):
    entries = (
        Entry("a.mp4", 0, "test", end=2.0),
        Entry("a.mp4", 1, "test", start=2.0, end=4.0),
        Entry("b.mp4", 1, "test"),
        Entry("c.mp4", 0, "test"),
        Entry("d.mp4", None, "test"),
    )
    found = spans_of(Manifest(tmp_path, entries))
    assert {video: of.tolist() for video, of in found.items()} == {
        "a.mp4": [[2, 4]],
        "b.mp4": [[0, np.inf]],
        "c.mp4": [],
    }
