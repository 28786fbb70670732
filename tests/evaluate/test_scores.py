"""The score file: what is written is read, and one score a video comes out as the protocol says."""

import numpy as np
import pytest

from facetell.evaluate.scores import COLUMNS, COPY, from_rows, keys_of, read_scores, write_scores
from facetell.types import FacetellError


def random_rows(rng, videos=40, level_of=(0, 3)):
    """Clips of videos with several tracks in a random order; some have parts of several labels, some no score."""
    rows = []
    for video in range(videos):
        labels = [int(label) for label in rng.choice([-1, 0, 1], rng.integers(1, 3))]
        for level in level_of:
            for number in range(rng.integers(1, 12)):
                label = labels[number % len(labels)]
                row = {
                    "dataset": "ab"[video % 2],
                    "video": f"v{video // 2}",
                    "label": label,
                    "method": f"m{label}",
                    "level": level,
                }
                row |= {"distortion": "GB" if level else "", "split": "val"}
                if rng.random() < 0.2:
                    rows.append(row | {"status": "no_face"})
                else:
                    track = int(rng.integers(0, 3))
                    rows.append(row | {"track": track, "clip": number, "t0": number, "logit": rng.normal(0, 3)})
    return [rows[i] for i in rng.permutation(len(rows))]


def slow_videos(rows):
    """The protocol, written out: by video and condition (label, logit, method, status)."""
    result = {}
    for key in {tuple(r[name] for name in COPY) for r in rows}:
        of_video = [r for r in rows if tuple(r[name] for name in COPY) == key]
        labels = [r["label"] for r in of_video]
        label = 1 if 1 in labels else -1 if -1 in labels else 0
        tracks = {r["track"] for r in of_video if "logit" in r}
        means = [np.mean([r["logit"] for r in of_video if r.get("track") == track]) for track in tracks]
        word = next(r for r in of_video if r["label"] == label)
        status = "scored" if means else word["status"]
        result[key] = (label, max(means, default=np.nan), word["method"], status)
    return result


@pytest.mark.parametrize("seed", range(4))
def test_one_score_per_video(seed):
    rows = random_rows(np.random.default_rng(seed))
    videos = from_rows(rows, {}).videos()
    expected = slow_videos(rows)
    keys = keys_of(videos, COPY)
    assert keys == list(dict.fromkeys(tuple(r[name] for name in COPY) for r in rows))
    for key, label, logit, method, status in zip(
        keys, *(videos[name].tolist() for name in ("label", "logit", "method", "status")), strict=True
    ):
        assert (label, method, status) == (expected[key][0], *expected[key][2:])
        assert logit == pytest.approx(expected[key][1], nan_ok=True, abs=1e-12)


def test_scores_are_written_and_read(tmp_path):
    rows = [
        {"video": "Ünï/ä.mp4", "label": 1, "logit": 0.1 + 0.2, "t0": 1 / 3, "t1": 2 / 3, "track": 0, "clip": 0},
        {"video": "b.mp4", "status": "no_face", "label": 0, "distortion": "GB", "level": 3},
        {"video": "b.mp4", "status": "no_face"},
    ]
    scores = from_rows(rows, {"model": {"name": "x"}, "list": [1, 2]})
    write_scores(scores, tmp_path / "deep" / "s.parquet")
    again = read_scores(tmp_path / "deep" / "s.parquet")
    assert again.about == scores.about and len(again) == 3
    for name in COLUMNS:
        np.testing.assert_array_equal(again[name], scores[name])
        assert again[name].dtype == scores[name].dtype
    assert again["level"].tolist() == [0, 3, 0] and again["label"].tolist() == [1, 0, -1] and again["source"][0] == ""
    write_scores(again, tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "deep" / "s.parquet").read_bytes()


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: None, "there is no score file at"),
        (lambda path: path.write_text("video,logit\n"), "is not a score file"),
        (lambda path: write_table(path, {"video": ["a"]}), "the column status is missing"),
        (
            lambda path: write_scores(from_rows([{"video": "a", "label": 2}], {}), path),
            "a label is none of 1, 0 and -1",
        ),
        (lambda path: write_scores(from_rows([{"video": "a"}], ["m"]), path), "its metadata is not a JSON object"),
    ],
)
def test_a_foreign_file_gives_one_message(tmp_path, write, words):
    path = tmp_path / "s.parquet"
    write(path)
    with pytest.raises(FacetellError, match=words) as error:
        read_scores(path)
    assert "\n" not in str(error.value) and "facetell score" in str(error.value)


def write_table(path, columns):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), path)
