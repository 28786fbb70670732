"""``facetell detect``: exit codes, table, JSON, plots, report, one line for each error."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import cv2
import jsonschema
import pytest

from facetell.cli import main
from facetell.report import strings
from facetell.report.images import FILE_GONE
from facetell.report.page import Report
from facetell.report.result import SCHEMA_PATH
from facetell.types import Status
from fixtures import BROKEN, FAST, sample_frames

SECONDS = 600.0  # the longest wait for an event: only a test that fails waits so long
DETECT = ["detect", "--model", FAST]
SCHEMA = json.loads(SCHEMA_PATH.read_text())


@pytest.fixture
def folder(tmp_path, man):
    """A folder with a real video and a broken one."""
    videos = tmp_path / "videos"
    videos.mkdir()
    shutil.copy(man, videos / "man.mp4")
    BROKEN["text"](videos)
    return videos


def test_all_scored_is_zero_and_the_table_says_so(capsys, man):
    assert main([*DETECT, str(man)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    header, row = out.strip().splitlines()
    assert header.split() == ["file", "verdict", "forged,", "95", "%", "interval", "faces", "most", "suspect", "speed"]
    assert row.startswith("single_face.mp4") and "%" in row and row.rstrip().endswith("x")


def embedded(report):
    """The JSON result inside a report."""
    page = report.read_text()
    return json.loads(page.partition('<script type="application/json" id="result">')[2].partition("</script>")[0])


def test_an_error_leaves_the_others_scored_and_written(capsys, folder, tmp_path):
    report, result, out = tmp_path / "deep" / "r.html", tmp_path / "r.json", tmp_path / "out"
    assert main([*DETECT, str(folder), "--json", str(result), "--out", str(out), "--report", str(report)]) == 2
    printed, err = capsys.readouterr()
    assert "not scored: unreadable" in printed and "man.mp4" in printed
    assert len(err.strip().splitlines()) == 1 and "text.mp4" in err
    found = json.loads(result.read_text())
    jsonschema.validate(found, SCHEMA)
    assert [video["status"] for video in found["videos"]] == ["scored", "unreadable"]
    assert embedded(report) == found and [path.name for path in report.parent.iterdir()] == ["r.html"]
    names = ["man.mp4.json", "man.mp4.svg", "text.mp4.json", "text.mp4.svg"]
    assert sorted(path.name for path in out.iterdir()) == names
    assert (out / "man.mp4.svg").read_text().startswith("<svg ")
    jsonschema.validate(json.loads((out / "man.mp4.json").read_text()), SCHEMA)


def test_a_report_needs_neither_torch_nor_what_comes_with_it(man, tmp_path):
    code = (
        "import sys; from facetell.cli import main; "
        f"main([*{DETECT}, {str(man)!r}, '--report', {str(tmp_path / 'r.html')!r}, '--out', {str(tmp_path)!r}]); "
        "sys.exit(bool({'torch', 'scipy', 'pyarrow', 'onnx', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
    assert (tmp_path / "r.html").stat().st_size > 100_000


def test_standard_output_can_be_the_json_and_quiet_leaves_out_the_table(man, capsys):
    for words in ([], ["--quiet"]):
        assert main([*DETECT, str(man), "--json", "-", *words]) == 0
        out, err = capsys.readouterr()
        jsonschema.validate(json.loads(out), SCHEMA)
        assert ("single_face.mp4" in err) == (not words)


def test_a_signal_while_the_outputs_are_written_loses_none(tmp_path, monkeypatch):
    BROKEN["text"](tmp_path)
    html = Report.html

    def signalled(report):
        os.kill(os.getpid(), signal.SIGHUP)
        return html(report)

    monkeypatch.setattr(Report, "html", signalled)
    assert main([*DETECT, str(tmp_path / "text.mp4"), "--report", str(tmp_path / "r.html")]) == 2
    assert "text.mp4" in (tmp_path / "r.html").read_text()


def test_an_interrupt_while_images_are_cut_leaves_the_report_equal_to_the_json(man, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cv2, "imencode", interrupted)
    report, result = tmp_path / "r.html", tmp_path / "r.json"
    assert main([*DETECT, str(man), "--report", str(report), "--json", str(result)]) == 130
    assert embedded(report) == json.loads(result.read_text())
    assert [video["status"] for video in embedded(report)["videos"]] == ["scored"]


@pytest.fixture
def begun(tmp_path, man, woman):
    """A run over four videos in a process of its own: the first is done, the second is far longer."""
    videos = tmp_path / "videos"
    videos.mkdir()
    for name, video in (("a", man), ("b", woman), ("c", man), ("d", man)):
        shutil.copy(video, videos / f"{name}.mp4")
    names = ["--out", "out", "--json", "json/r.json", "--report", "r.html"]
    process = subprocess.Popen(
        [sys.executable, "-m", "facetell", *DETECT, "videos", *names],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + SECONDS
    while not (tmp_path / "out" / "a.mp4.json").exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
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


def test_outputs_that_cannot_be_written_leave_the_others(begun, tmp_path):
    (tmp_path / "out" / "c.mp4.svg").mkdir()
    (tmp_path / "json").rmdir()
    (tmp_path / "json").write_text("in the way")
    out, err = begun.communicate(timeout=SECONDS)
    assert begun.returncode == 2 and len(out.strip().splitlines()) == 5
    of_video, of_all = err.strip().splitlines()
    assert "c.mp4.svg" in of_video and "cannot write json/r.json" in of_all
    assert (tmp_path / "out" / "d.mp4.svg").exists() and (tmp_path / "r.html").exists()


def test_a_full_disk_gives_one_message_and_no_partial_file(tmp_path, man):
    """A limit on the size of files fails as a full disk does."""
    (tmp_path / "videos").mkdir()
    for name in "abc":
        shutil.copy(man, tmp_path / "videos" / f"{name}.mp4")
    run = subprocess.run(
        [sys.executable, "-m", "facetell", *DETECT, "videos", "--out", "out"],
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2 and len(run.stdout.strip().splitlines()) == 4
    first, others = run.stderr.strip().splitlines()
    assert "cannot write out/a.mp4.json: File too large" in first and "2 more videos could not be written" in others
    assert [*(tmp_path / "out").iterdir()] == []


def test_out_never_writes_over_what_is_to_be_scored(folder, capsys):
    (folder / "man.mp4.svg").write_bytes(b"evidence")
    before = sorted(folder.iterdir())
    assert main([*DETECT, str(folder / "man.mp4"), str(folder / "man.mp4.svg"), "--out", str(folder)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "man.mp4.svg: it is named for something else" in err and len(err.splitlines()) == 1
    assert (folder / "man.mp4.svg").read_bytes() == b"evidence" and sorted(folder.iterdir()) == before


def test_names_that_begin_with_a_dash_are_read_and_an_address_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("-lead.mp4", "--odd.mp4"):
        BROKEN["text"](tmp_path).rename(name)
    address = "https://example.org/watch?v=1"
    assert main([*DETECT, "-lead.mp4", "--odd.mp4", address, "--json", "r.json"]) == 2
    _, err = capsys.readouterr()
    assert len(err.splitlines()) == 3 and f"{address} is a network address" in err and "download" in err
    videos = json.loads((tmp_path / "r.json").read_text())["videos"]
    assert [video["path"] for video in videos] == ["-lead.mp4", "--odd.mp4", address]
    assert [video["sha256"] is None for video in videos] == [False, False, True]


def test_names_as_long_as_a_file_system_allows_are_shortened_in_out(tmp_path, capsys):
    videos = tmp_path / "videos"
    (videos / "again").mkdir(parents=True)
    long = "\N{CJK UNIFIED IDEOGRAPH-8BDD}" * 83 + "ab.mp4"
    paths = [videos / long, videos / "again" / long, videos / ("a" * 250)]
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
    error = capsys.readouterr().err
    assert "go up by 15" in error and "--fps" in error and error.count("\n") == 1
    assert strings.ABSTAINED[Status.NOT_CONSECUTIVE] in (tmp_path / "r.html").read_text()
    assert main([*DETECT, str(tmp_path / "frames"), "--fps", "30", *outputs]) == 0
    (video,) = json.loads((tmp_path / "r.json").read_text())["videos"]
    assert video["status"] == "scored" and video["fps"] == 30 and video["duration"] == pytest.approx(0.4)
    assert FILE_GONE not in (tmp_path / "r.html").read_text()


def test_files_that_are_not_videos_are_counted_in_one_line(tmp_path, man, capsys):
    (tmp_path / "videos").mkdir()
    shutil.copy(man, tmp_path / "videos" / "MOV001.MOD")
    (tmp_path / "videos" / "cover.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "videos" / "notes.txt").write_text("no video")
    (tmp_path / "empty").mkdir()
    assert main([*DETECT, str(tmp_path / "empty"), str(tmp_path / "videos")]) == 2
    out, err = capsys.readouterr()
    assert "MOV001.MOD" in out and err.splitlines()[1:] == ["facetell detect: left out: 1 image"]
    assert "empty holds no video" in err.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere*.mp4"], "nowhere*.mp4"),
        (["{empty}"], "no video"),
        (["{man}", "--model", "none.onnx"], "there is no model file"),
        (["{man}", "--engine", "torch", "--precision", "bf16"], "f32 only"),
        (["{man}", "--json", "{empty}"], "it is a folder"),
        (["{man}", "--json", "{empty}/" + 256 * "a"], "File name too long"),
        (["{frames}", "--json", "{frames}/r.json"], "its folder is one of the videos"),
        (["{man}", "--model", "{other}", "--json", "{other}"], "it is named for something else"),
        (["{man}", "--out", "{man}"], "cannot write"),
        (["{man}", "--report", "/dev/null"], "it is a device"),
        (["{link}", "--report", "{man}"], "would end in .html"),
        (["{man}", "--report", "-", "--json", "-"], "only one of"),
        (["{man}", "--json", "{empty}/r", "--report", "{empty}/../empty/r"], "it is named for something else"),
    ],
)
def test_an_error_of_the_call_is_one_message(arguments, message, tmp_path, man, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "link.mp4").symlink_to(man)
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "1.png").touch()
    (tmp_path / "other").touch()
    places = {name: tmp_path / name for name in ("empty", "frames", "other")}
    words = [word.format(man=man, link=tmp_path / "link.mp4", **places) for word in arguments]
    before = man.read_bytes()
    assert main([*DETECT, *words]) == 1
    assert man.read_bytes() == before, "what is to be scored is never written over"
    out, err = capsys.readouterr()
    assert out == "" and message in err and len(err.strip().splitlines()) == 1 and "probe" not in err


@pytest.mark.parametrize(
    "words", [["--fps-scored", "0"], ["--max-faces", "0"], ["--threshold", "2"], ["--engine", "x"]]
)
def test_wrong_options_are_refused(words, man, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*DETECT, str(man), *words])
    assert stop.value.code == 1 and words[1] in capsys.readouterr().err


def test_doctor_finds_everything_here(capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "face_detector" in out and "engine openvino" in out and "!!" not in out
