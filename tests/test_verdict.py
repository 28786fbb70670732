import pytest

from facetell.engine import Calibration, ModelInfo
from facetell.faces.spread import Spread
from facetell.types import Crop, Status, TrackVerdict, Verdict
from facetell.verdict import (
    ScoredClip,
    TrackRecord,
    judge_track,
    most_suspect_track,
    read_verdict,
    warnings_of,
    why_not_scored,
)

INFO = ModelInfo("test", 8, 25.0, 160, 1.35, 64.0, Calibration(2.0, -0.5, (0.01, 0, 0, 0.04), 0.8))


def record(*logits, small=(), t1=4.0):
    clips = [ScoredClip(i, i + 0.28, Crop(4, 4, 9), logit) for i, logit in enumerate(logits)]
    given = TrackRecord(0.0, t1, Spread(seen=len(clips)), [100.0, 120.0, 110.0], small=list(small))
    given.scores.update(enumerate(clips))
    return given


def test_a_track_is_the_mean_of_its_logits_calibrated():
    verdict = judge_track(3, record(1.0, 3.0), INFO)
    assert verdict.logit == 2.0
    assert verdict.probability == pytest.approx(1 / (1 + 2.718281828 ** -(2.0 / 2 - 0.5)))
    assert verdict.face_width == 110
    assert [clip.logit for clip in verdict.clips] == [1.0, 3.0]


def test_of_many_clips_those_chosen_are_scored():
    given = record(*[1.0, 5.0] * 8)  # every second one: a clip that is not chosen in the end does not count
    given.spread.most = 8
    verdict = judge_track(0, given, INFO)
    assert verdict.logit == 1.0 and [clip.t0 for clip in verdict.clips] == [0, 2, 4, 6, 8, 10, 12, 14]
    assert (verdict.clips_seen, judge_track(0, record(), INFO).clips_seen) == (16, 0)


def test_interval_holds_the_probability_and_shrinks_with_more_clips():
    few = judge_track(0, record(*[1.0, 2.0]), INFO)
    many = judge_track(0, record(*[1.0, 2.0] * 20), INFO)
    assert few.interval[0] < few.probability < few.interval[1]
    assert many.interval[1] - many.interval[0] < few.interval[1] - few.interval[0]


def test_interval_never_vanishes_below_the_calibrations_own_doubt():
    low, high = Calibration(1.0, 0.0, (0.0, 0.0, 0.0, 0.25), 0.0).interval([0.0] * 1000)
    assert (low, high) == pytest.approx((1 / (1 + 2.7182818**0.98), 1 / (1 + 2.7182818**-0.98)), abs=1e-3)


def test_abstentions_carry_no_number():
    for given, status in ((record(), Status.TOO_SHORT), (record(small=[50.0, 52.0]), Status.FACE_TOO_SMALL)):
        verdict = judge_track(0, given, INFO)
        assert (verdict.status, verdict.probability, verdict.interval, verdict.logit) == (status, None, None, None)


def left_out(*logits, **reasons):
    given = record(*logits)
    given.left_out.update({Status[name]: count for name, count in reasons.items()})
    given.motion.within.extend([0.0] * reasons.get("NO_MOTION", 0) + [1.0] * len(logits))
    return given


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (left_out(NO_MOTION=4), Status.NO_MOTION),
        (left_out(1.0, 1.0, NO_MOTION=9), Status.SCORED),
        (left_out(FACE_OBSCURED=1), Status.FACE_OBSCURED),
        (left_out(1.0, 1.0, FACE_OBSCURED=2), Status.SCORED),
        (left_out(1.0, FACE_OBSCURED=2), Status.FACE_OBSCURED),  # a few clips in which the mosaic is not found
    ],
)
def test_clips_that_are_left_out_decide_where_little_else_is_there(given, status):
    verdict = judge_track(0, given, INFO)
    assert verdict.status is status and (verdict.probability is None) == (status is not Status.SCORED)
    assert len(verdict.clips) == (len(given.clips) if status is Status.SCORED else 0)


def test_a_face_that_never_moves_is_not_scored_whatever_its_logits():
    given = record(5.0, 5.0, 5.0)
    given.motion.within.extend([0.05] * 3)
    given.motion.between.extend([0.02] * 2)
    verdict = judge_track(0, given, INFO)
    assert (verdict.status, verdict.probability, verdict.clips) == (Status.NO_MOTION, None, ())


def test_the_most_suspect_track_speaks():
    tracks = [judge_track(i, r, INFO) for i, r in enumerate([record(0.0), record(5.0), record(small=[50.0])])]
    assert most_suspect_track(tracks).track_id == 1
    assert most_suspect_track(tracks[2:]) is None


@pytest.mark.parametrize(
    ("probability", "interval", "threshold", "verdict"),
    [
        (0.9, (0.7, 0.95), 0.5, Verdict.FORGED),
        (0.1, (0.02, 0.5), 0.5, Verdict.INCONCLUSIVE),
        (None, None, 0.5, Verdict.NONE),
        (0.9, (0.7, 0.95), 0.8, Verdict.FORGED),
        (0.9, (0.4, 0.95), 0.8, Verdict.INCONCLUSIVE),  # too doubtful
        (0.7, (0.6, 0.79), 0.8, Verdict.INCONCLUSIVE),  # below a high threshold, and likelier forged than not
        (0.2, (0.1, 0.4), 0.8, Verdict.GENUINE),
        (0.3, (0.25, 0.4), 0.2, Verdict.FORGED),  # who asks for a low threshold gets one
        (0.1, (0.05, 0.19), 0.2, Verdict.GENUINE),
        (0.15, (0.1, 0.3), 0.2, Verdict.INCONCLUSIVE),
    ],
)
def test_what_stays_below_a_high_threshold_is_not_yet_genuine(probability, interval, threshold, verdict):
    assert read_verdict(probability, interval, threshold) is verdict


def test_reasons_name_what_was_missing():
    assert why_not_scored([], INFO) == (Status.NO_FACE, "no face was found in it")
    small, brief = judge_track(0, record(small=[40.0, 50.0, 51.0]), INFO), judge_track(1, record(t1=0.2), INFO)
    status, message = why_not_scored([small], INFO)
    # As wide as where it was too small, not as it was on the whole.
    assert status is Status.FACE_TOO_SMALL and "50 pixels" in message and "64" in message
    assert why_not_scored([small, brief], INFO)[0] is Status.TOO_SHORT  # a face that is large enough is there
    still, hidden = (judge_track(0, left_out(**{name: 1}), INFO) for name in ("NO_MOTION", "FACE_OBSCURED"))
    assert why_not_scored([brief, hidden], INFO)[0] is Status.FACE_OBSCURED
    status, message = why_not_scored([small, hidden, still], INFO)
    assert status is Status.NO_MOTION and "does not move" in message
    status, message = why_not_scored([judge_track(0, record(t1=0.2), INFO)], INFO)
    assert status is Status.TOO_SHORT and "8 frames" in message and "0.20 s" in message


def test_warnings():
    tracks: list[TrackVerdict] = [judge_track(0, record(1.0), INFO), judge_track(1, record(), INFO)]
    warnings = warnings_of(tracks, 0.2, ["2 damaged pictures were left out"], INFO)
    assert len(warnings) == 3 and warnings[0].startswith("2 damaged") and "1 face was" in warnings[2]
    assert warnings[1].startswith("20% of its frames come late")
    assert warnings_of(tracks[:1], 0.01, [], INFO) == ()
    (warning,) = warnings_of(tracks[:1], 0.01, [], INFO, left_out={Status.NO_MOTION: 3})
    assert warning == "3 clips were not scored: the face is without motion"


def test_a_low_rate_is_told_of_the_clips_that_have_it():
    slow = record(*[0.0] * 3)
    slow.scores = {i: ScoredClip(i, i + 7 / 12, Crop(4, 4, 9), 0.0) for i in range(3)}
    (warning,) = warnings_of([judge_track(0, slow, INFO)], 0.0, [], INFO)
    assert warning.startswith("12 frames per second is below")
    slow.scores[3] = ScoredClip(3, 3.28, Crop(4, 4, 9), 0.0)
    (warning,) = warnings_of([judge_track(0, slow, INFO)], 0.0, [], INFO)
    assert warning.startswith("12 frames per second, as in 75% of its clips, is below")


def test_faces_that_were_too_many_are_told():
    (warning,) = warnings_of([judge_track(0, record(1.0), INFO)], 0.0, [], INFO, crowded=4)
    assert warning.startswith("more than 4 faces at once")
