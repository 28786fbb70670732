"""The score file: what is written is read, and each video has the score of the protocol."""

import numpy as np
import pytest

from facetell.evaluate.scores import COLUMNS, COPY, from_rows, keys_of, read_scores, write_scores
from facetell.types import FacetellError


@pytest.mark.parametrize("seed", range(4))
def test_one_score_per_video(seed):
    """Against the protocol, written out, for rows of several tracks, labels and levels in a random order."""
    rng, rows = np.random.default_rng(seed), []
    for number in range(300):
        level, label = int(rng.choice([0, 3])), int(rng.choice([-1, 0, 0, 0, 1]))
        row = {"dataset": "ab"[number % 2], "video": f"v{rng.integers(25)}", "label": label, "method": f"m{label}"}
        row |= {"distortion": "GB" if level else "", "level": level}
        scored = {"track": int(rng.integers(3)), "clip": number, "t0": number, "logit": rng.normal(0, 3)}
        rows.append(row | (scored if rng.random() < 0.6 else {"status": "no_face"}))
    parts = {}
    for row in rows:
        parts.setdefault(tuple(row[name] for name in COPY), []).append(row)
    videos = from_rows(rows, {}).videos()
    assert keys_of(videos, COPY) == list(parts)
    columns = (videos[name].tolist() for name in ("label", "method", "status", "logit"))
    for of, *found, logit in zip(parts.values(), *columns, strict=True):
        labels = {row["label"] for row in of}
        label = 1 if 1 in labels else -1 if -1 in labels else 0
        tracks = [[row["logit"] for row in of if row.get("track") == track] for track in range(3)]
        means = [np.mean(logits) for logits in tracks if logits]
        assert found == [label, f"m{label}", "scored" if means else "no_face"]
        assert logit == pytest.approx(max(means, default=np.nan), nan_ok=True, abs=1e-12)


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
        (lambda path: write_scores(from_rows([{"video": "a", "label": 2}], {}), path), "a label is none of 1, 0"),
        (lambda path: write_scores(from_rows([{"video": "a"}], ["m"]), path), "its metadata is not a JSON object"),
    ],
)
def test_a_foreign_file_gives_one_message(tmp_path, write, words):
    path = tmp_path / "s.parquet"
    write(path)
    with pytest.raises(FacetellError, match=words) as error:
        read_scores(path)
    assert "\n" not in str(error.value) and "facetell score" in str(error.value)
