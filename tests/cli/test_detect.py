"""``facetell detect``: exit codes, table, JSON, plots, report, one line for each error."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from functools import partial

import cv2
import jsonschema
import pytest

from facetell.cli import main
from facetell.report.images import FILE_GONE
from facetell.report.page import Report
from facetell.report.result import SCHEMA_PATH
from fixtures import BROKEN, FAST, ODD, SECONDS, sample_frames, wait_for

DETECT = ["detect", "--model", FAST]
SCHEMA = json.loads(SCHEMA_PATH.read_text())


@pytest.fixture
def folder(tmp_path, man):
    videos = tmp_path / "videos"
    videos.mkdir()
    shutil.copy(man, videos / "man.mp4")
    BROKEN["text"](videos)
    return videos


def embedded(page):
    return json.loads(page.partition('<script type="application/json" id="result">')[2].partition("</script>")[0])


def test_an_error_leaves_the_others_scored_and_written(capsys, folder, tmp_path):
    report, result, out = tmp_path / "deep" / "r.html", tmp_path / "r.json", tmp_path / "out"
    assert main([*DETECT, str(folder), "--json", str(result), "--out", str(out), "--report", str(report)]) == 2
    printed, err = capsys.readouterr()
    header, row, other = printed.strip().splitlines()
    assert header.split() == ["file", "verdict", "forged,", "95", "%", "interval", "faces", "most", "suspect", "speed"]
    assert row.startswith("man.mp4") and "%" in row and row.rstrip().endswith("x")
    assert "not scored: unreadable" in other
    assert len(err.strip().splitlines()) == 1 and "text.mp4" in err
    found = json.loads(result.read_text())
    jsonschema.validate(found, SCHEMA)
    assert [video["status"] for video in found["videos"]] == ["scored", "unreadable"]
    assert embedded(report.read_text()) == found and [path.name for path in report.parent.iterdir()] == ["r.html"]
    names = ["man.mp4.json", "man.mp4.svg", "text.mp4.json", "text.mp4.svg"]
    assert sorted(path.name for path in out.iterdir()) == names
    assert (out / "man.mp4.svg").read_text().startswith("<svg ")
    (single,) = json.loads((out / "man.mp4.json").read_text())["videos"]
    assert single == found["videos"][0]


def test_what_was_left_out_is_printed_and_warnings_unless_quiet(tmp_path, capsys):
    video = ODD["truncated"](tmp_path)
    (tmp_path / "cover.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    missing = str(tmp_path / "nowhere*.mp4")
    texts = f"no file matches the pattern {missing}: check it", "left out: 1 image"
    for more in ([], ["-q"]):
        assert main([*DETECT, str(tmp_path), missing, *more]) == 2
        printed = capsys.readouterr().err
        assert printed.splitlines()[:2] == [f"facetell detect: {text}" for text in texts]
        assert (f"{video}: truncated file: " in printed) == (len(printed.splitlines()) > 2) == (not more)


def test_a_report_on_standard_output_has_the_settings_and_the_language_of_the_options(man, capsys):
    options = {"threshold": 0.3, "max_faces": 2, "max_clips": 1, "clips_per_second": 2.0, "threads": 1}
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    assert main([*DETECT, str(man), "--report", "-", "--language", "de", *words]) == 0
    page, table = capsys.readouterr()
    (video,) = embedded(page)["videos"]
    assert options.items() <= video["provenance"]["settings"].items() and video["threshold"] == 0.3
    assert len(video["tracks"][0]["clips"]) == 1 and '<html lang="de">' in page and "single_face.mp4" in table


def test_standard_output_can_be_the_json_and_quiet_leaves_out_the_table(man, capsys):
    for more in ([], ["--quiet"]):
        assert main([*DETECT, str(man), "--json", "-", *more]) == 0
        out, err = capsys.readouterr()
        jsonschema.validate(json.loads(out), SCHEMA)
        assert ("single_face.mp4" in err) == (not more)


def test_a_signal_while_the_outputs_are_written_loses_none(tmp_path, monkeypatch):
    BROKEN["text"](tmp_path)
    html = Report.html

    def signalled(report, language):
        os.kill(os.getpid(), signal.SIGHUP)
        return html(report, language)

    monkeypatch.setattr(Report, "html", signalled)
    assert main([*DETECT, str(tmp_path / "text.mp4"), "--report", str(tmp_path / "r.html")]) == 2
    assert "text.mp4" in (tmp_path / "r.html").read_text()


def test_an_interrupt_while_images_are_cropped_leaves_the_report_equal_to_the_json(man, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cv2, "imencode", interrupted)
    report, result = tmp_path / "r.html", tmp_path / "r.json"
    assert main([*DETECT, str(man), "--report", str(report), "--json", str(result)]) == 130
    assert embedded(report.read_text()) == json.loads(result.read_text())
    assert [video["status"] for video in embedded(report.read_text())["videos"]] == ["scored"]


@pytest.fixture
def begun(tmp_path, man, woman):
    """A run over four videos in a process of its own: the first is done, the second is far longer."""
    videos = tmp_path / "videos"
    videos.mkdir()
    for name, video in (("a", man), ("b", woman), ("c", man), ("d", man)):
        shutil.copy(video, videos / f"{name}.mp4")
    names = ["--out", "out", "--json", "json/r.json", "--report", "r.html"]
    command, pipe = [sys.executable, "-m", "facetell", *DETECT, "videos", *names], subprocess.PIPE
    process = subprocess.Popen(command, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True)
    wait_for(lambda: (tmp_path / "out" / "a.mp4.json").exists() or process.poll() is not None)
    yield process
    process.kill()
    process.communicate()


def test_what_was_scored_is_written_when_the_terminal_is_closed(begun, tmp_path):
    for _ in range(2):  # the shell and the kernel send one each
        begun.send_signal(signal.SIGHUP)
    out, err = begun.communicate(timeout=SECONDS)
    assert begun.returncode == 129 and "interrupted" in err and "a.mp4" in out
    result = json.loads((tmp_path / "json" / "r.json").read_text())
    assert 1 <= len(result["videos"]) < 4 and (tmp_path / "r.html").exists()


def test_a_full_disk_gives_one_message_and_no_partial_file(tmp_path, man):
    """A limit on the size of files fails as a full disk does."""
    (tmp_path / "videos").mkdir()
    for name in "abc":
        shutil.copy(man, tmp_path / "videos" / f"{name}.mp4")
    command = [sys.executable, "-m", "facetell", *DETECT, "videos", "--out", "out", "--json", "r.json"]
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (1000, 1000))
    run = subprocess.run(command, cwd=tmp_path, preexec_fn=limit, capture_output=True, text=True)
    assert run.returncode == 2 and len(run.stdout.strip().splitlines()) == 4
    first, others, of_all = run.stderr.strip().splitlines()
    assert "cannot write r.json: File too large" in of_all and not (tmp_path / "r.json").exists()
    assert "cannot write out/a.mp4.json: File too large" in first and "2 more videos could not be written" in others
    assert [*(tmp_path / "out").iterdir()] == []


def test_names_as_long_as_a_file_system_allows_are_shortened_in_out(tmp_path, capsys):
    (tmp_path / "again").mkdir()
    long = "\N{CJK UNIFIED IDEOGRAPH-8BDD}" * 83 + "ab.mp4"
    paths = [tmp_path / long, tmp_path / "again" / long, tmp_path / ("a" * 250)]
    for path in paths:
        path.write_text("no video")
    assert main([*DETECT, *map(str, paths), "--out", str(tmp_path / "out")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3
    files = sorted((tmp_path / "out").iterdir())
    assert len(files) == 6 and {file.suffix for file in files} == {".json", ".svg"}
    assert {len(json.loads(file.read_text())["videos"]) for file in files if file.suffix == ".json"} == {1}
    assert {file.stem for file in files if file.suffix == ".json"} == {file.stem for file in files} >= {"a" * 250}


def test_images_that_are_not_consecutive_are_not_scored_unless_their_rate_is_stated(tmp_path, capsys):
    (tmp_path / "frames").mkdir()
    for number, frame in enumerate(sample_frames("sample_man", 12)):
        cv2.imwrite(str(tmp_path / "frames" / f"{15 * number:03d}.png"), frame[:, :, ::-1])
    outputs = ["--json", str(tmp_path / "r.json"), "--report", str(tmp_path / "r.html")]
    assert main([*DETECT, str(tmp_path / "frames"), *outputs]) == 2
    (video,) = json.loads((tmp_path / "r.json").read_text())["videos"]
    jsonschema.validate(json.loads((tmp_path / "r.json").read_text()), SCHEMA)
    assert video["status"] == "not_consecutive" and video["probability"] is None
    assert "--fps" in capsys.readouterr().err
    assert main([*DETECT, str(tmp_path / "frames"), "--fps", "30", *outputs]) == 0
    (video,) = json.loads((tmp_path / "r.json").read_text())["videos"]
    assert video["status"] == "scored" and video["fps"] == 30 and video["duration"] == pytest.approx(0.4)
    assert FILE_GONE not in (tmp_path / "r.html").read_text()


def test_doctor_finds_everything_here(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "face_detector" in out and "engine openvino" in out and "!!" not in out
