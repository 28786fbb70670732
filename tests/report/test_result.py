import json
import math
from dataclasses import replace

import jsonschema
import pytest

from facetell.report.result import SCHEMA_PATH, to_result, write_result
from facetell.types import ClipScore, Crop, Status, TrackVerdict, Verdict, VideoVerdict

SCHEMA = json.loads(SCHEMA_PATH.read_text())
CLIP = ClipScore(0.0, 0.28, 1.25, 0.75, Crop(51.5, 52.0, 100.0, math.radians(-30)))
TRACK = TrackVerdict(0, Status.SCORED, 0.75, (0.5, 0.9), 1.25, 0.0, 2.0, 88.0, (CLIP,))
SCORED = VideoVerdict(
    "a.mp4",
    Status.SCORED,
    Verdict.FORGED,
    0.75,
    (0.5, 0.9),
    (TRACK,),
    sha256="0" * 64,
    duration=2.0,
    width=640,
    height=360,
    fps=25.0,
    seconds_spent=0.5,
    provenance={key: {} for key in ("facetell", "python", "model", "engine", "assets", "settings")},
)
ABSTAINED = replace(
    SCORED, status=Status.NO_FACE, verdict=Verdict.NONE, probability=None, interval=None, tracks=(), sha256=None
)


def check(result):
    jsonschema.validate(result, SCHEMA, cls=jsonschema.Draft202012Validator)


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_scored_and_abstained_are_valid_and_survive_json():
    result = to_result([SCORED, ABSTAINED])
    check(json.loads(json.dumps(result)))
    assert result["videos"][0]["tracks"][0]["clips"][0]["square"] == [1.5, 2.0, 101.5, 102.0]
    assert result["videos"][0]["tracks"][0]["clips"][0]["roll"] == -30
    assert result["videos"][1]["probability"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        replace(SCORED, probability=None),
        replace(ABSTAINED, probability=0.5),
        replace(SCORED, probability=1.5),
        replace(SCORED, provenance={}),
    ],
)
def test_the_schema_refuses_a_status_and_number_that_disagree(wrong):
    with pytest.raises(jsonschema.ValidationError):
        check(to_result([wrong]))


def test_how_long_it_took_is_not_in_the_result(tmp_path):
    write_result([SCORED], tmp_path / "a.json")
    write_result([replace(SCORED, seconds_spent=99.0)], tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_a_name_that_is_not_utf8_can_be_written(tmp_path):
    write_result([replace(SCORED, path="caf\udce9.mp4")], tmp_path / "deep" / "a.json")
    assert json.loads((tmp_path / "deep" / "a.json").read_text())["videos"][0]["path"] == "caf\\udce9.mp4"
