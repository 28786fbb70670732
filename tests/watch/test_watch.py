"""Live sources: files played in real time, and real streams over UDP and HTTP that stop, stall and come back."""

import contextlib
import io
import itertools
import json
import signal
import subprocess
import sys
import threading
from collections import deque
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from rich.console import Console

from facetell.assets import locate
from facetell.cli import main
from facetell.detector import Detector, Settings
from facetell.distort.video import distort_frame
from facetell.faces.clips import LATE
from facetell.report.words import percent
from facetell.tracks import PENDING
from facetell.types import ClipScore, Crop, Verdict
from facetell.video.live import open_source, source_of
from facetell.watch.pump import FEWEST_HELD, MOST_HELD, Pump
from facetell.watch.run import WatchedFace, Watcher
from facetell.watch.screen import draw, summary
from fixtures import FAST, ODD, SECONDS, sample_frames, wait_for, write_frames, zoomed


@pytest.fixture(scope="module")
def transport(tmp_path_factory):
    """The man as an MPEG transport stream, a key frame every 10."""
    path = tmp_path_factory.mktemp("ts") / "man.ts"
    return write_frames(path, sample_frames("sample_man", 72), options={"g": "10", "bf": "0", "preset": "ultrafast"})


def watched(detector, text, *, window=30.0, fast=False, show=lambda watcher: None, **options):
    events = []
    pump = Pump(source_of(str(text)), fast=fast, **options)
    watcher = Watcher(detector, pump, window, events.append)
    try:
        watcher.run(show, fast)
    finally:
        watcher.close()
    return watcher, events, pump


def clips_of(events):
    return [event for event in events if event["event"] == "clip"]


# --- scores


def test_a_file_read_fast_has_the_scores_of_detection_and_shows_them(detector, man):
    watcher, events, _ = watched(detector, man, fast=True)
    (track,) = detector(man).tracks
    assert [(c["t0"], c["t1"], c["logit"]) for c in clips_of(events)] == [(c.t0, c.t1, c.logit) for c in track.clips]
    assert clips_of(events)[-1]["running"] == pytest.approx(track.probability)
    assert {clip["behind"] for clip in clips_of(events)} == {0}
    assert clips_of(events)[-1]["interval"] == pytest.approx(track.interval)
    shown, running = io.StringIO(), [clip["running"] for clip in clips_of(events)]
    Console(file=shown, width=110).print(draw(watcher))
    assert all(word in shown.getvalue() for word in ("forged, 95 % interval", "nothing dropped"))
    assert any(bar in shown.getvalue() for bar in "▁▂▃▄▅▆▇█")
    shown_top = percent(top := max(running)).replace("\N{NO-BREAK SPACE}", "")
    assert f"{shown_top} (mean of clips: {1 + running.index(top)})" in summary(watcher, "it ended")
    dense = Detector(FAST, Settings(clips_per_second=3.0, max_clips=2))  # a bound holds for each window
    _, events, _ = watched(dense, man, window=2.0, fast=True)
    assert [(c["t0"], c["logit"]) for c in clips_of(events)] == [(c.t0, c.logit) for c in track.clips]


@pytest.mark.parametrize("zoom", [0.0, 0.0015])
def test_a_photo_has_no_score(zoom, detector, tmp_path):
    """The first clips of a zoom over a photo are scored; with the third it is known that the face does not move."""
    images = [zoomed(sample_frames()[0], 1 + zoom * index) for index in range(100)]
    watcher, events, _ = watched(detector, write_frames(tmp_path / "photo.mp4", images), fast=True)
    assert bool(clips_of(events)) == bool(zoom) and watcher.highest is None
    assert "nothing was scored: the face is without motion" in summary(watcher, "it ended")
    assert watcher.threshold == detector.threshold_of(1), "a face without a score is not counted"


@pytest.mark.parametrize(
    ("frames", "why"),
    [
        (lambda: sample_frames("sample_man", 4), "no face was seen for long enough without a break"),
        (lambda: sample_frames("sample_man", 40)[:, 3::6, 2:638:6], "the face is too small (2 clips)"),
        (lambda: np.full((9, 96, 96, 3), 90, np.uint8), "no face was seen"),
    ],
)
def test_why_nothing_was_scored_and_a_strange_name(frames, why, detector, tmp_path):
    watcher, _, _ = watched(detector, write_frames(tmp_path / "grey\x1b:smile:.mp4", frames()), fast=True)
    lines, shown = summary(watcher, "it ended"), io.StringIO()
    assert "after its last frame" not in lines and f"nothing was scored: {why}\n" in lines
    Console(file=shown, width=300).print(draw(watcher))
    assert r"grey\x1b:smile:.mp4: it ended" in lines and r"grey\x1b:smile:.mp4" in shown.getvalue()


@pytest.mark.parametrize("rate", [3.0, 0.5])
def test_clips_and_faces_that_are_older_than_the_window_leave_the_view(rate, monkeypatch):
    """A face for 2 s, then none for 4 s."""
    detector = Detector(FAST, Settings(clips_per_second=rate, max_clips=0))
    monkeypatch.setattr("facetell.watch.run.TICK", 0.0)  # `show` is called after each frame: it adds the score at once
    path, add = locate("sample_face_then_none"), lambda watcher: watcher._collect(0)
    watcher, events, _ = watched(detector, path, window=0.9, fast=True, show=add)
    clips, probability = clips_of(events), detector.engine.info.calibration.probability
    for clip in clips:
        logits = [other["logit"] for other in clips if clip["t1"] - 0.9 <= other["t1"] <= clip["t1"]]
        assert clip["running"] == pytest.approx(probability(np.mean(logits)))
    assert len(logits) < len(clips) and watcher.faces == {}
    assert watcher.highest[:3] == max((clip["running"], clip["t1"], 1) for clip in clips)


def test_the_view_has_the_verdict_of_the_face_that_is_forged_else_of_the_highest(detector, man):
    watcher = Watcher(detector, Pump(source_of(str(man))), 30.0)

    def add(number, *logits, noise=0.0):
        clips = deque(ClipScore(n, n + 0.3, logit, 0.5, Crop(9, 9, 9)) for n, logit in enumerate(logits))
        face = WatchedFace(number, 0.0, 2.0, clips=clips, flaws_of_clips=deque([np.array([noise, 0.0])]))
        watcher.faces[0, number] = face
        return watcher.running(face)

    def shown():
        return draw(watcher).renderables[0].plain.split("  ")[0]

    assert watcher.decides() is None and shown() == "not scored"
    low = add(1, -9.0, -9.0)
    assert watcher.decides() == low and shown() == "not detected as forged"
    noisy = add(2, 12.0, 12.0, noise=9.0)
    assert watcher.decides() == noisy and shown() == "inconclusive"
    forged = add(3, 9.0, 9.0)
    assert noisy[0] > forged[0] and watcher.decides() == forged and shown() == "forged"


# --- memory and delay


def test_slow_scoring_drops_stretches_of_frames(woman):
    """Each score lasts until frames are dropped: clips that are scored have no gap, and few frames and clips wait."""
    slow = Detector(FAST, settings=Settings(clips_per_second=3.0))
    score, seen, enough = slow.score, [], threading.Event()
    pump = Pump(source_of(str(woman)))

    def throttled(clip):
        seen.append(clip.times)
        before = pump.dropped
        while pump.dropped < before + 5 and pump.ended is None and not enough.wait(0.01):
            pass
        return score(clip)

    slow.score = throttled
    events, waiting, scoring = [], [], []
    watcher = Watcher(slow, pump, 5.0, events.append)
    pump.start()
    try:
        while len(seen) < 9 and not pump.done:
            watcher.step()
            waiting.append(len(pump._waiting))
            scoring.append(len(watcher._scoring))
    finally:
        enough.set()
        watcher.close()
    assert len(clips_of(events)) == len(seen) == watcher.scored, "also those that were being scored at the end"
    dropped, share = watcher.dropped
    assert dropped >= 10 and 0 < share < 1 and max(waiting) <= MOST_HELD and max(scoring) <= PENDING
    assert next(e for e in events if e["event"] == "dropped")["pictures"] > 0
    assert f"{dropped} frames dropped" in summary(watcher, "enough")
    assert all(b - a < LATE * 1001 / 24000 for times in seen for a, b in itertools.pairwise(times))
    assert max(b[0] - a[-1] for a, b in itertools.pairwise(seen)) > 1 / 3, "frames between these clips were dropped"


@pytest.mark.parametrize(("frames", "held"), [(1000, 24), (10, 10), (1, FEWEST_HELD)])
def test_a_second_of_frames_is_held_and_fewer_large_ones(frames, held, woman, monkeypatch):
    """The limit in bytes is that of so many frames."""
    with open_source(source_of(str(woman))) as reader:
        size = sum(plane.buffer_size for plane in next(iter(reader)).decoded.planes)
    monkeypatch.setattr("facetell.watch.pump.HELD_BYTES", frames * size)
    pump = Pump(source_of(str(woman)))
    pump.start()
    try:
        wait_for(lambda: pump.dropped >= 40)
        assert len(pump._waiting) == held
    finally:
        pump.close()


# --- streams


@contextlib.contextmanager
def broadcast(file, refused=lambda number: False, silent=None):
    """Serve a file without its length, unless the request is ``refused``, then nothing until ``silent``."""
    requests = itertools.count(1)

    class Server(BaseHTTPRequestHandler):
        def do_GET(self):
            if refused(next(requests)):
                self.send_error(503)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(file.read_bytes())
            if silent:
                silent.wait(SECONDS)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        if silent:
            silent.set()
        server.shutdown()
        server.server_close()


def test_a_stream_that_is_silent_is_given_up(detector, transport):
    with broadcast(transport, lambda number: number > 1, threading.Event()) as port:
        _, events, pump = watched(detector, f"http://127.0.0.1:{port}/live", stall=1.5, give_up=2.0)
    assert len(clips_of(events)) >= 2 and pump.fault and "and did not come back in 2 seconds" in pump.ended
    assert any("is lost (nothing came for 1.5 seconds)" in e["message"] for e in events if e["event"] == "source")


def test_a_lost_connection_is_opened_again(detector, transport):
    """The server ends the stream, refuses once, gives it again, and then refuses."""
    with broadcast(transport, lambda number: number == 2 or number > 3) as port:
        watcher, events, pump = watched(detector, f"http://me:secret@127.0.0.1:{port}/live", stall=2.0, give_up=3.2)
    messages = [event["message"] for event in events if event["event"] == "source"]
    assert "is lost (" in messages[0] and messages[0].endswith("trying again in 1 s")
    assert any("is back after" in message for message in messages)
    assert not any("secret" in json.dumps(event) for event in events) and "secret" not in pump.ended
    assert watcher.seen == 2, "a face that is seen after a break may be another one"
    times = [(clip["t0"], clip["t1"]) for clip in clips_of(events)]
    assert len(times) >= 3 and times == sorted(times) and all(t1 - t0 < 0.4 for t0, t1 in times)


# --- the command


def watch(*arguments):
    return main(["watch", "--model", FAST, *map(str, arguments)])


def test_a_model_that_fails_ends_it_with_one_message(man, tmp_path, monkeypatch, capsys):
    (tmp_path / "failing_model.py").write_text("def predict(frames, fps, face_boxes): raise ValueError('my fault')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["watch", str(man), "--fast", "--model", "failing_model:predict"]) == 2
    out, err = capsys.readouterr()
    assert "failing_model:predict failed (ValueError: my fault)" in out + err and "Traceback" not in out + err


def test_a_file_of_scores_is_appended_to(man, tmp_path, capsys):
    out, began = tmp_path / "scores.jsonl", datetime.now(UTC)
    words = (man, "--fast", "--out", out, "--window", 2)  # a clip in each second; with the default, half as many
    assert watch(*words) == 0
    first = out.read_text()
    out.write_text(first + '{"event": "cl')  # the machine stopped in the middle of a line
    assert watch(*words) == 0
    kept, cut_short, more = out.read_text().partition('{"event": "cl\n')
    assert kept == first and cut_short
    for run in (first, more):
        events = [json.loads(line) for line in run.splitlines()]
        assert [events[0]["event"], events[-1]["event"]] == ["begin", "end"] and len(clips_of(events)) == 3
        assert all(event["time"].endswith("Z") for event in events)
        times = [datetime.fromisoformat(event["time"]) for event in events]
        assert times == sorted(times) and all(abs((at - began).total_seconds()) < SECONDS for at in times)


def test_the_warnings_of_detection_are_given_at_the_end(tmp_path, capsys):
    detector = Detector(FAST, Settings(threshold=0.5))  # at which the blurred face would be forged
    slow = write_frames(tmp_path / "slow.mp4", sample_frames("sample_man", 60)[::4], fps=5)
    expected = {ODD["truncated"](tmp_path): "", slow: "5 frames per second is"}
    for code, level, words in (("GNC", 3, "face is noisy ("), ("GB", 5, "face is blurred")):
        frames = (distort_frame(i, code, level, np.random.default_rng(0)) for i in sample_frames("sample_man", 20))
        expected[write_frames(tmp_path / f"{code}.mp4", frames)] = words
    for video, words in expected.items():
        warnings = [*(verdict := detector(video)).warnings]
        assert verdict.verdict is Verdict.INCONCLUSIVE or "face" not in words
        out = tmp_path / f"{video.stem}.jsonl"
        assert any(words in warning for warning in warnings) and watch(video, "--fast", "--out", out) == 0
        assert capsys.readouterr().out.splitlines()[-len(warnings) :] == warnings
        assert json.loads(out.read_text().splitlines()[-1])["warnings"] == warnings


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGHUP, "SIGHUP")])
def test_a_signal_ends_it_with_a_summary(number, reason, woman, tmp_path):
    out = tmp_path / "scores.jsonl"
    command = [sys.executable, "-m", "facetell", "watch", str(woman), "--model", FAST, "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: process.poll() is not None or (out.exists() and '"clip"' in out.read_text()))
        process.send_signal(number)
        printed, errors = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    assert process.returncode == 0 and errors == ""
    assert f"ended by {reason}" in printed and "faces seen: 1" in printed
    last = json.loads(out.read_text().splitlines()[-1])
    assert last["event"] == "end" and last["reason"] == f"ended by {reason}" and last["clips"] >= 1
