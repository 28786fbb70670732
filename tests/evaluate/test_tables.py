"""Tables against figures computed by hand; every format can be parsed; unscored videos are counted."""

import csv
import io
import itertools
import math
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from evaluate.scored import clip, toy, write
from facetell.evaluate.formats import CSV_COLUMNS, to_csv, to_markdown
from facetell.evaluate.protocols import DASH, read_protocol
from facetell.evaluate.scores import read_scores
from facetell.evaluate.tables import evaluate
from facetell.types import FacetellError


def made(path, rows, protocol, draws=50):
    return evaluate([("", write(path, rows))], read_protocol(protocol), draws=draws)


def by_row(table, stub):
    return {tuple(c.text for c in r[:stub]): dict(zip(table.head[stub:], r[stub:], strict=True)) for r in table.rows}


def test_within_agrees_with_counts_by_hand(tmp_path):
    found = made(tmp_path / "s.parquet", toy(), "within")
    whole, by_method = found.tables
    cells = by_row(whole, 1)["FaceForensics++",]
    assert [cells[name].text for name in ("real", "forged", "not scored")] == ["2", "2", "1"]
    assert cells["AUC"].text == "87.5"  # of four pairs one is a tie
    assert cells["AP"].text == "83.3"  # 1/2 · 1 + 1/2 · 2/3
    rows = by_row(by_method, 1)
    names = ("all forgeries", "puppet", "swap")
    assert [rows[name,]["AUC"].text for name in names] == ["87.5", "100.0", "75.0"]
    assert "2 real and 2 forged videos of 2 identities scored; 1 not scored" in whole.caption
    assert "Video level, split test" in whole.caption
    assert dict(found.runs[0].lines)["calibration"].startswith("Platt scaling, temperature 2.000, bias +0.100")
    lines = list(csv.DictReader(io.StringIO(to_csv(found))))
    assert tuple(lines[0]) == CSV_COLUMNS
    line = next(line for line in lines if line["table"].startswith("All"))
    assert float(line["auc"]) == 0.875 and line["dataset"] == "ffpp" and line["unit"] == "video"
    assert (line["real"], line["fake"], line["unscored_real"], line["unscored_fake"]) == ("2", "2", "1", "0")
    assert float(line["auc_low"]) <= 0.875 <= float(line["auc_high"])


def test_one_class_is_a_dash_with_its_reason_never_a_half(tmp_path):
    rows = [*toy(), clip("x0", 0, 1.0, dataset="dfd"), clip("y1", 1, None, dataset="dfd")]
    found = made(tmp_path / "s.parquet", rows, "within")
    cells = by_row(found.tables[0], 1)["DeepFakeDetection",]
    assert {cells[name].text for name in ("AUC", "EER", "Brier", "accuracy at 0.5")} == {DASH}
    note = next(note for note in found.tables[0].notes if note.startswith(f"({cells['AUC'].mark})"))
    assert note.endswith("no forged video was scored")
    lacking = [line for line in csv.DictReader(io.StringIO(to_csv(found))) if line["dataset"] == "dfd"]
    assert lacking and all(line["auc"] == line["brier"] == "" and line["reason"] for line in lacking)
    assert "Pooled over the benchmarks dfd, ffpp." in made(tmp_path / "t.parquet", rows, "all").tables[0].caption


def test_dfo_under_protocol_a_has_the_c23_reals_of_ffpp(tmp_path):
    ours = write(tmp_path / "ffpp.parquet", toy())
    swaps = [clip("d1", 1, 0.0, dataset="dfo"), clip("e1", 1, 5.0, dataset="dfo")]
    dfo = write(tmp_path / "dfo.parquet", [*toy(compression="c23")[:3], *swaps])
    found = evaluate([("", ours), ("", dfo)], read_protocol("cross"), draws=20)
    auc, _, cross = found.tables
    assert dict(found.runs[0].lines)["reals"].startswith("DFO against c23 reals of FaceForensics++ (protocol A")
    assert auc.head == ("model", "FaceForensics++", "DFO")
    assert [cell.text for cell in auc.rows[0]] == ["toy", "87.5", "75.0"]  # of -1, 0.3 against 0, 5: three of four
    assert [cell.mark for cell in auc.rows[0]] == ["", "a", "a"] and auc.notes == ("(a) 1 not scored",)
    of_both = [[cell.text for cell in row] for row in cross.rows]
    assert of_both == [[name, "87.5", "75.0"] for name in ("FaceForensics++", "DFO")]


@pytest.mark.parametrize(("fakes", "reals", "quality"), [("celebdf2", "ffpp", "c23"), ("dfo", "ffpp", "c40")])
def test_no_other_benchmark_takes_reals_of_another(fakes, reals, quality, tmp_path):
    rows = [clip(name, 1, 1.0, dataset=fakes) for name in ("d1", "e1")]
    rows += [clip(name, 0, 0.0, dataset=reals, compression=quality) for name in ("a0", "b0")]
    auc, _, cross = made(tmp_path / "t.parquet", rows, "cross").tables
    assert {cell.text for cell in auc.rows[0][1:]} == {DASH}
    assert cross.rows[0][-1].text == "100.0"  # reals of one against forgeries of another, as this table states


def test_a_benchmark_in_two_compressions_is_not_pooled(tmp_path):
    rows = [*toy(compression="c23"), *(row | {"video": f"{row['video']}-40"} for row in toy(compression="c40"))]
    found = made(tmp_path / "s.parquet", rows, "cross")
    assert found.tables[0].head == ("model", "FaceForensics++ c23", "FaceForensics++ c40")
    found = made(tmp_path / "t.parquet", rows, "compression")
    assert found.tables[0].head == ("model", "c23 (HQ)", "c40 (LQ)")
    assert [cell.text for cell in found.tables[0].rows[0]] == ["toy", "87.5", "87.5"]


def test_unlabelled_videos_are_not_counted_and_one_identity_has_no_interval(tmp_path):
    rows = [row | {"identity": "a"} for row in [*toy(), clip("q", -1, 9.0)]]
    table = made(tmp_path / "s.parquet", rows, "within").tables[0]
    cell = by_row(table, 1)["FaceForensics++",]["AUC"]
    assert (cell.text, cell.interval) == ("87.5", "") and "1 without a label, in no figure" in table.caption
    assert table.notes == (f"({cell.mark}) no interval: too few identities to resample",)


def test_clip_level_counts_each_clip(tmp_path):
    found = made(tmp_path / "s.parquet", [*toy(), clip("b1", 1, -2.0, method="puppet", clip=1)], "level")
    cells = by_row(found.tables[0], 1)
    video, each = cells["video",], cells["clip",]
    assert video["AUC"].text == "62.5"  # -1, 0.3 against 0.3 and the mean of 2, -2: 2.5 of four
    assert each["AUC"].text == "58.3"  # against 0.3, 2 and -2: 3.5 of six
    assert [each[name].text for name in ("real", "forged", "not scored")] == ["2", "3", "1"]
    assert "clip level" in found.tables[0].caption


def sweep(kinds, levels, gap):
    rows = toy()
    for kind, level in itertools.product(kinds, levels):
        for name, label in (("a0", 0), ("b0", 0), ("a1", 1), ("b1", 1)):
            logit = (gap(kind, level) if label else 0.0) + (name[0] == "b")
            rows.append(clip(name, label, logit, method="swap" if label else "", distortion=kind, level=level))
    return rows


def test_distortions_have_their_means_only_where_all_was_measured(tmp_path):
    kinds = read_protocol("distortion").tables[0].select["distortion"]
    # Reals at 0 and 1, fakes at g and g + 1: AUC 1 for g = 2, 7/8 for g = 1, 1/2 for g = 0.
    rows = sweep(kinds, range(1, 6), lambda kind, level: 2 if level < 4 else 1 if level == 4 else 0)
    (table,) = made(tmp_path / "s.parquet", rows, "distortion").tables
    cells = by_row(table, 1)
    expected = ["87.5", "100.0", "100.0", "100.0", "87.5", "50.0", "87.5"]
    assert [cell.text for cell in cells["blur (GB)",].values()] == expected
    assert [cell.text for cell in cells["mean of the kinds",].values()] == expected
    assert "Benchmark: FaceForensics++." in table.caption
    assert table.head == ("distortion", "clean", "1", "2", "3", "4", "5", "mean") and len(table.rows) == 8
    rows = sweep(("GB", "CS"), (1, 2), lambda kind, level: 1)
    (table,) = made(tmp_path / "t.parquet", rows, "distortion").tables
    cells = by_row(table, 1)
    assert [cell.text for cell in cells["blur (GB)",].values()] == ["87.5"] * 3 + [DASH]
    assert {cell.text for cell in cells["mean of the kinds",].values()} == {"87.5", DASH}
    assert any("2 of 5 were measured" in note for note in table.notes)
    assert any("4 of 35 were measured" in note for note in table.notes)


def test_leave_one_out_evaluates_each_model_on_its_held_out_forgery(tmp_path):
    names = {"swap": "Deepfakes", "puppet": "FaceSwap"}
    rows = [row | {"method": names.get(row.get("method", ""), "")} for row in toy()]
    first, second = write(tmp_path / "a.parquet", rows), write(tmp_path / "b.parquet", rows)
    found = evaluate([("Deepfakes", first), ("FaceSwap", second)], read_protocol("leave_one_out"), draws=20)
    auc = {key[0]: cell["AUC"].text for key, cell in by_row(found.tables[0], 2).items()}
    assert auc == {"Deepfakes (DF)": "75.0", "FaceSwap (FS)": "100.0"}
    for label, words in (("", "name each score file by the forgery"), ("Wav2Lip", "'Wav2Lip' of .* is none of Deepf")):
        with pytest.raises(FacetellError, match=words):
            evaluate([(label, first)], read_protocol("leave_one_out"))


def test_files_of_one_model_join_and_two_models_have_rows_of_their_own(tmp_path):
    first = write(tmp_path / "a.parquet", toy())
    other = write(tmp_path / "b.parquet", toy(), model={"name": "toy", "sha256": "cd" * 32})
    found = evaluate([("", first), ("", other)], read_protocol("within"), draws=0)
    assert [row[0].text for row in found.tables[0].rows] == ["toy (a.parquet)", "toy (b.parquet)"]
    found = evaluate([("old", first), ("new", other)], read_protocol("within"), draws=0)
    assert [row[0].text for row in found.tables[0].rows] == ["old", "new"]
    with pytest.raises(FacetellError, match=r"b2.parquet scores 5 videos that a.parquet scores with the same model"):
        evaluate([("", first), ("", write(tmp_path / "b2.parquet", toy()))], read_protocol("within"))


@pytest.mark.parametrize(
    ("rows", "protocol", "message"),
    [
        (toy(split="train"), "within", r"has no video of the split test \(it has train\); score a manifest"),
        (toy(), "distortion", r"needs the distortion of the videos.*facetell score MANIFEST --dist"),
        (toy(), "compression", "needs the compression"),
        (toy(dataset="dfdc", compression="c23"), "compression", r"no video of s.parquet .* compression selects"),
        ([row | {"label": -1} for row in toy()], "within", "has no labels"),
    ],
)
def test_a_file_without_what_a_protocol_needs_is_refused(tmp_path, rows, protocol, message):
    with pytest.raises(FacetellError, match=message):
        made(tmp_path / "s.parquet", rows, protocol)


def test_markdown_rows_have_the_columns_of_their_heads(tmp_path):
    text = to_markdown(made(tmp_path / "s.parquet", toy(dataset="my_set|a&b"), "within"))
    for part in (part for part in text.split("\n\n") if part.startswith("| ")):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in part.splitlines()}) == 1
    assert r"my\_set\|a&b" in text and "87.5 \\[" in text


def test_scores_of_other_programs_need_three_columns(tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text("path,label,score\na.mp4,0,0.1\nb.mp4,real,0.3\nc.mp4,1,0.9\nd.mp4,fake,0.2\ne.mp4,0,\n")
    whole = evaluate([("", path)], read_protocol("all"), draws=50).tables[0]
    cells = by_row(whole, 1)["theirs",]
    assert [cells[name].text for name in ("real", "forged", "not scored", "AUC")] == ["2", "2", "1", "75.0"]
    assert "2 forged videos scored" in whole.caption and "(identities unknown; resampled by video)" in whole.caption
    path.write_text("path,label,score,identity\na,0,0.5,x\nb,1,0.75,y\n")
    scores = read_scores(path)
    assert scores["logit"].tolist() == pytest.approx([0, math.log(3)]) and scores["identity"].tolist() == ["x", "y"]
    path.write_text("path,label,score\na,0,-1.5\nb,1,3\n")  # logits, as not in [0, 1]
    assert read_scores(path)["logit"].tolist() == [-1.5, 3]


def test_frames_of_deepfakebench_written_as_documented_give_its_video_auc(tmp_path, monkeypatch):
    docs = Path(__file__).parents[2] / "docs" / "evaluation.md"
    (snippet,) = (part for part in re.findall("```python\n(.*?)```", docs.read_text(), re.S) if "data_dict" in part)
    rng, labels = np.random.default_rng(1), np.arange(12) % 3 % 2
    videos = np.repeat(np.arange(12), rng.integers(1, 9, 12))
    scores = (rng.random(len(videos)) * 0.7 + 0.3 * labels[videos]).astype(np.float32)
    names = [f"set\\{v}\\{n}.png" if v % 2 else [f"set/{v}/{n}.png", "x"] for n, v in enumerate(videos.tolist())]
    monkeypatch.chdir(tmp_path)
    known = {"key": "cdf", "data_dict": {"image": names}}
    exec(snippet, known | {"metric_one_dataset": {"label": labels[videos], "pred": scores}})
    found = evaluate([("", Path("cdf.csv"))], read_protocol("all"), draws=0)
    expected = roc_auc_score(labels, [scores[videos == video].mean(dtype=np.float64) for video in range(12)])
    cells = by_row(found.tables[0], 1)["cdf",]
    assert cells["AUC"].text == f"{100 * expected:.1f}" and cells["forged"].text == str(labels.sum())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,label\na,1\n", "the column score is missing; path, label, score are needed"),
        ("path,label,score\na,2,0.5\n", "the label '2' is none of"),
        ("path,label,score\na,1,high\n", "could not convert"),
        ("path,label,score\na,1,inf\n", "a score is infinite"),
        ("path,label,score\na,1,1\na,0,0\n", "the path a has several rows"),
        ("frame,label,score\nv/1.png,1,1\nv/2.png,0,1\n", "frames of one video have several labels"),
        ("frame,label,score\n1.png,1,1\n", "no folder, such as '1.png'"),
    ],
)
def test_scores_of_other_programs_that_cannot_be_read_are_one_message(tmp_path, text, words):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(FacetellError, match=words):
        read_scores(tmp_path / "s.csv")
