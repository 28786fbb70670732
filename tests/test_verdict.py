import pytest

from facetell.engine import Calibration, ModelInfo
from facetell.faces.spread import Spread
from facetell.tracks import TrackRecord, judge_track
from facetell.types import ClipScore, Crop, Status, Verdict
from facetell.verdict import read_verdict, warnings_of, why_not_scored

INFO = ModelInfo("test", 8, 25.0, 160, 1.35, 64.0, Calibration(2.0, -0.5, (0.01, 0, 0, 0.04), 0.8))


def track(*logits, number=0, seconds=0.28, t1=4.0, small=(), within=(), between=(), **left_out):
    """The verdict on a face with these clips; ``left_out`` counts clips by status."""
    clips = {i: ClipScore(i, i + seconds, logit, 0.5, Crop(4, 4, 9)) for i, logit in enumerate(logits)}
    record = TrackRecord(0.0, t1, Spread(chosen=[*clips]), [100.0, 120.0, 110.0], clips, len(clips), [*small])
    record.left_out.update({Status[name]: count for name, count in left_out.items()})
    record.motion.within.extend(within or [0.0] * left_out.get("NO_MOTION", 0) + [1.0] * len(logits))
    record.motion.between.extend(between)
    return judge_track(number, record, INFO)


def test_a_track_is_the_mean_of_its_logits_calibrated():
    verdict = track(1.0, 3.0)
    assert verdict.logit == 2.0 and [clip.logit for clip in verdict.clips] == [1.0, 3.0]
    assert verdict.probability == pytest.approx(1 / (1 + 2.718281828 ** -(2.0 / 2 - 0.5)))
    assert (verdict.face_width, verdict.clips_seen) == (110, 2)


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (track(), Status.TOO_SHORT),
        (track(small=[50.0, 52.0]), Status.FACE_TOO_SMALL),
        (track(NO_MOTION=4), Status.NO_MOTION),
        (track(1.0, 1.0, NO_MOTION=9), Status.SCORED),
        (track(FACE_OBSCURED=1), Status.FACE_OBSCURED),
        (track(1.0, 1.0, FACE_OBSCURED=2), Status.SCORED),
        (track(1.0, FACE_OBSCURED=2), Status.FACE_OBSCURED),  # a few clips in which the mosaic is not found
        (track(5.0, 5.0, 5.0, within=[0.05] * 3, between=[0.02] * 2), Status.NO_MOTION),
    ],
)
def test_status_of_a_track_and_abstentions_carry_no_number(verdict, status):
    assert verdict.status is status
    numbers = (verdict.probability, verdict.interval, verdict.logit)
    if status is Status.SCORED:
        assert None not in numbers and len(verdict.clips) == 2
    else:
        assert numbers == (None, None, None) and verdict.clips == () and verdict.clips_seen == 0


@pytest.mark.parametrize(
    ("probability", "interval", "threshold", "verdict"),
    [
        (0.9, (0.7, 0.95), 0.5, Verdict.FORGED),
        (0.1, (0.02, 0.5), 0.5, Verdict.INCONCLUSIVE),
        (None, None, 0.5, Verdict.NONE),
        (0.9, (0.4, 0.95), 0.8, Verdict.INCONCLUSIVE),
        (0.7, (0.6, 0.79), 0.8, Verdict.INCONCLUSIVE),  # below a high threshold, and more likely forged than not
        (0.8, (0.6, 0.9), 0.8, Verdict.FORGED),  # at the threshold
        (0.9, (0.5, 0.95), 0.8, Verdict.FORGED),  # at even odds
        (0.3, (0.25, 0.4), 0.2, Verdict.FORGED),  # a threshold below one half
        (0.1, (0.05, 0.19), 0.2, Verdict.GENUINE),
        (0.15, (0.1, 0.3), 0.2, Verdict.INCONCLUSIVE),
    ],
)
def test_verdict(probability, interval, threshold, verdict):
    assert read_verdict(probability, interval, threshold) is verdict
    assert read_verdict(probability, interval, threshold, clear=False) in (Verdict.INCONCLUSIVE, Verdict.NONE)


@pytest.mark.parametrize(
    ("tracks", "status", "parts"),
    [
        ([], Status.NO_FACE, ["no face was found"]),
        ([track(small=[40.0, 50.0, 51.0])], Status.FACE_TOO_SMALL, ["50 pixels", "64"]),  # where it was too small
        ([track(t1=0.2)], Status.TOO_SHORT, ["8 successive frames", "0.20 s"]),
        ([track(small=[50.0]), track()], Status.TOO_SHORT, ["8 successive frames", "4.00 s"]),
        ([track(t1=0.2), track(FACE_OBSCURED=1)], Status.FACE_OBSCURED, ["pixelated"]),
        ([track(small=[50.0]), track(FACE_OBSCURED=1), track(NO_MOTION=1)], Status.NO_MOTION, ["does not move"]),
    ],
)
def test_the_reason_of_an_abstention(tracks, status, parts):
    found, message = why_not_scored(tracks, INFO)
    assert found is status and all(part in message for part in parts)


@pytest.mark.parametrize(
    ("tracks", "how", "expected"),
    [
        ([track(1.0)], {"uneven": 0.01}, []),
        ([track(1.0)], {"errors": ["a frame is damaged"], "uneven": 0.2}, ["a frame is damaged", "20% of its frames"]),
        ([track(1.0), track()], {}, ["1 face was not scored: 1 seen too briefly"]),
        ([track(1.0)], {"left_out": {Status.NO_MOTION: 3}}, ["3 clips were not scored: the face is without motion"]),
        ([track(1.0, 1.0, seconds=7 / 12)], {}, ["12 frames per second is below"]),
        ([track(1.0, 1.0, 1.0, seconds=7 / 12), track(1.0)], {}, ["12 frames per second, as in 75% of its clips"]),
        (
            [track(1.0)],
            {"flaws": [3.2, 5.4]},
            ["the face is noisy (3.2 grey levels): the score", "the face is blurred"],
        ),
        ([track(1.0)], {"crowded": 4}, ["more than 4 faces at once"]),
    ],
)
def test_warnings(tracks, how, expected):
    none = {"flaws": [2.9, 5.2], "uneven": 0.0, "errors": [], "info": INFO, "crowded": 0, "left_out": {}}
    found = warnings_of(tracks, **none | how)
    assert len(found) == len(expected)
    assert all(warning.startswith(start) for warning, start in zip(found, expected, strict=True))
