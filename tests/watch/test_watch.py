"""Live sources: files played in real time, and real streams over UDP and HTTP that stop, stall and come back."""

import contextlib
import io
import itertools
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import cv2
import numpy as np
import pytest
from rich.console import Console

from facetell.cli import main
from facetell.detector import PENDING, Detector, Settings
from facetell.faces.clips import LATE
from facetell.types import FacetellError
from facetell.video.live import open_source, source_of
from facetell.watch.pump import FEWEST_HELD, MOST_HELD, Pump
from facetell.watch.run import Watcher
from facetell.watch.screen import draw, summary
from fixtures import FAST, ODD, sample_frames, write_frames, zoomed

SECONDS = 600.0  # the longest wait for an event: only a test that fails waits so long


@pytest.fixture(scope="module")
def transport(tmp_path_factory):
    """The man as an MPEG transport stream, a key frame every 10."""
    path = tmp_path_factory.mktemp("ts") / "man.ts"
    return write_frames(path, sample_frames("sample_man", 72), options={"g": "10", "bf": "0", "preset": "ultrafast"})


def watched(detector, text, *, window=30.0, fast=False, also=lambda event: None, **options):
    """The board and the events of a complete watch."""
    events = []

    def emit(event):
        events.append(event)
        also(event)

    source = source_of(str(text))
    pump = Pump(source, fast=fast, **options)
    watcher = Watcher(detector, pump, source.name, window, emit)
    try:
        watcher.run(fast=fast)
    finally:
        watcher.close()
    return watcher.board, events, pump


def summary_of(detector, video):
    return summary(watched(detector, video, fast=True)[0], "it ended")


def wait_for(condition):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def clips_of(events):
    return [event for event in events if event["event"] == "clip"]


# --- scores


def test_a_file_read_fast_has_the_scores_of_detection(detector, man):
    _, events, _ = watched(detector, man, fast=True)
    (track,) = detector(man).tracks
    assert [(c["t0"], c["t1"], c["logit"]) for c in clips_of(events)] == [(c.t0, c.t1, c.logit) for c in track.clips]
    assert clips_of(events)[-1]["running"] == pytest.approx(track.probability)
    assert clips_of(events)[-1]["interval"] == pytest.approx(track.interval)
    dense = Detector(FAST, Settings(clips_per_second=3.0, max_clips=2))  # a bound holds for each window
    _, events, _ = watched(dense, man, window=2.0, fast=True)
    assert [(c["t0"], c["logit"]) for c in clips_of(events)] == [(c.t0, c.logit) for c in track.clips]


@pytest.mark.parametrize("zoom", [0.0, 0.002])
def test_a_photo_has_no_score(zoom, detector, tmp_path):
    """The first clips of a zoom over a photo are scored; with the third it is known that the face does not move."""
    images = [zoomed(sample_frames()[0], 1 + zoom * index) for index in range(100)]
    board, events, _ = watched(detector, write_frames(tmp_path / "photo.mp4", images), fast=True)
    assert bool(clips_of(events)) == bool(zoom) and board.highest is None
    assert "nothing was scored: faces were without motion" in summary(board, "it ended")
    assert board.threshold == detector.threshold_of(1), "a face without a score is not counted"


def test_why_nothing_was_scored(detector, tmp_path):
    brief = write_frames(tmp_path / "brief.mp4", sample_frames("sample_man", 4))
    assert "nothing was scored: no face was seen for long enough" in summary_of(detector, brief)
    small = [cv2.resize(image, (106, 60), interpolation=cv2.INTER_AREA) for image in sample_frames("sample_man", 40)]
    assert "nothing was scored: faces were too small" in summary_of(detector, write_frames(tmp_path / "s.mp4", small))


def test_the_view_and_the_summary(detector, man, tmp_path):
    board, events, _ = watched(detector, man, fast=True)
    shown, lines = io.StringIO(), summary(board, "it ended")
    console = Console(file=shown, width=110)
    console.print(draw(board))
    view = shown.getvalue()
    assert "forged, 95 % interval" in view and "nothing dropped" in view and any(bar in view for bar in "▁▂▃▄▅▆▇█")
    board.name = "folder/" * 30 + "man.mp4"
    console.print(draw(board))
    assert len(shown.getvalue().splitlines()) == 2 * len(view.splitlines()), "a long name breaks no line"
    clips = [clip["running"] for clip in clips_of(events)]
    over = 1 + clips.index(max(clips))
    what = "1 clip" if over == 1 else f"{over} clips of the 30 s before"
    assert f"{max(clips):.0%} over {what}\n" in lines and "after its last frame" in lines


def test_output_without_scores_and_with_a_strange_name(detector, tmp_path):
    grey = write_frames(tmp_path / "grey\x1b:smile:.mp4", np.full((9, 96, 96, 3), 90, np.uint8))
    board, _, _ = watched(detector, grey, fast=True)
    lines, shown = summary(board, "it ended"), io.StringIO()
    assert "after its last frame" not in lines and "nothing was scored: no face was seen\n" in lines
    Console(file=shown, width=300).print(draw(board))
    assert r"grey\x1b:smile:.mp4: it ended" in lines and r"grey\x1b:smile:.mp4" in shown.getvalue()


def test_clips_that_are_being_scored_at_the_end_are_emitted(woman):
    slow = Detector(FAST, settings=Settings(clips_per_second=3.0))
    score, gate = slow.score, threading.Event()

    def throttled(clip):
        gate.wait(SECONDS)
        return score(clip)

    slow.score = throttled
    events = []
    watcher = Watcher(slow, Pump(source_of(str(woman)), fast=True), "woman", 30.0, events.append)
    try:
        while len(watcher._scoring) < 3:
            watcher.step(fast=True)
        handed = len(clips_of(events)) + len(watcher._scoring)
    finally:
        threading.Timer(0.1, gate.set).start()  # while close waits
        watcher.close()
    assert len(clips_of(events)) == handed == watcher.board.scored


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
    watcher = Watcher(slow, pump, "woman", 5.0, events.append)
    try:
        while len(seen) < 9 and not pump.done:
            watcher.step()
            waiting.append(len(pump._waiting))
            scoring.append(len(watcher._scoring))
    finally:
        enough.set()
        watcher.close()
    dropped, share = watcher.board.dropped
    assert dropped >= 10 and 0 < share < 1 and max(waiting) <= MOST_HELD and max(scoring) <= PENDING
    assert next(e for e in events if e["event"] == "dropped")["pictures"] > 0
    assert f"{dropped} frames dropped" in summary(watcher.board, "enough")
    step = 1001 / 24000
    assert all(b - a < LATE * step for times in seen for a, b in itertools.pairwise(times))
    assert max(b[0] - a[-1] for a, b in itertools.pairwise(seen)) > 1 / 3, "frames between these clips were dropped"


def test_a_second_of_frames_is_held(woman):
    pump = Pump(source_of(str(woman)))
    try:
        wait_for(lambda: pump.dropped >= 40)
        assert len(pump._waiting) == 24
    finally:
        pump.close()


@pytest.mark.parametrize(("frames", "held"), [(10, 10), (1, FEWEST_HELD)])
def test_fewer_large_frames_are_held(frames, held, man, monkeypatch):
    """The limit in bytes is that of so many frames."""
    with open_source(source_of(str(man))) as reader:
        size = sum(plane.buffer_size for plane in next(iter(reader)).decoded.planes)
    monkeypatch.setattr("facetell.watch.pump.HELD_BYTES", frames * size)
    pump = Pump(source_of(str(man)), fast=True)
    try:
        wait_for(lambda: pump.read > held)  # the next one is decoded, and must not be added
        time.sleep(0.2)
        assert len(pump._waiting) == held
    finally:
        pump.close()


def test_skipped_frames_are_counted_and_what_follows_is_sound(transport):
    with open_source(source_of(str(transport))) as reader:
        frames = iter(reader)
        before = [next(frames).time for _ in range(5)]
        reader.skip(0.5)
        after = [frame.time for frame in frames]
    gaps = [b - a for a, b in itertools.pairwise(before + after) if b - a > 0.1]
    assert len(gaps) == 1 and gaps[0] >= 0.5 and reader.skipped >= 15 and reader.damaged == 0


# --- streams


def test_a_stream_over_udp_is_scored_and_given_up_when_silent(detector, transport):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    quit_now, clips = threading.Event(), itertools.count(1)

    def stop_after_two_clips(event):
        if event["event"] == "clip" and next(clips) == 2:
            quit_now.set()

    def send():
        with av.open(f"udp://127.0.0.1:{port}?pkt_size=1316", "w", format="mpegts") as out:
            stream, shift, began = None, 0, time.monotonic()
            while True:
                with av.open(str(transport)) as source:
                    stream = stream or out.add_stream_from_template(source.streams.video[0])
                    last = 0
                    for packet in source.demux(video=0):
                        if packet.pts is None:
                            continue
                        last = packet.pts + 3000  # a thirtieth of a second
                        due = began + float((packet.pts + shift) * packet.time_base)
                        if quit_now.wait(max(0, due - time.monotonic())):
                            return
                        packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                        out.mux(packet)
                    shift += last

    sender = threading.Thread(target=send)
    sender.start()
    try:
        address = f"udp://127.0.0.1:{port}"
        _, events, pump = watched(detector, address, also=stop_after_two_clips, stall=1.5, give_up=2.0)
    finally:
        quit_now.set()
        sender.join()
    assert len(clips_of(events)) >= 2
    assert pump.fault and "is gone (nothing came for 1.5 seconds)" in pump.ended
    assert any("is lost (nothing came" in e["message"] for e in events if e["event"] == "source")


@contextlib.contextmanager
def broadcast(file, refused):
    """Serve a file without its length, unless ``refused`` of the number of the request, from 1; yield the port."""
    asked = 0

    class Server(BaseHTTPRequestHandler):
        def do_GET(self):
            nonlocal asked
            asked += 1
            if refused(asked):
                self.send_error(503)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(file.read_bytes())

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def test_a_lost_connection_is_opened_again(detector, transport):
    """The server ends the stream, refuses once, gives it again, and then refuses."""
    with broadcast(transport, refused=lambda number: number == 2 or number > 3) as port:
        board, events, pump = watched(detector, f"http://me:secret@127.0.0.1:{port}/live", stall=2.0, give_up=3.2)
    messages = [event["message"] for event in events if event["event"] == "source"]
    assert "is lost (" in messages[0] and messages[0].endswith("trying again in 1 s")
    assert any("is back after" in message for message in messages)
    assert not any("secret" in json.dumps(event) for event in events) and "secret" not in pump.ended
    assert board.seen == 2, "a face that is seen after a break may be another one"
    times = [(clip["t0"], clip["t1"]) for clip in clips_of(events)]
    assert len(times) >= 3 and times == sorted(times) and all(t1 - t0 < 0.4 for t0, t1 in times)


# --- the command


def watch(*arguments):
    return main(["watch", "--model", FAST, *map(str, arguments)])


def test_a_lost_stream_is_given_up_when_asked(transport, capsys):
    with broadcast(transport, refused=lambda number: number > 1) as port:
        assert watch(f"http://127.0.0.1:{port}/live", "--give-up", "2") == 2
    assert "and did not come back in 2 seconds" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["97"], "camera 97 cannot be opened (no such file or directory); see that /dev/video97 is there"),
        (["rtsp://me:secret@127.0.0.1:9/x"], "rtsp://127.0.0.1:9/x cannot be opened (connection refused)"),
        (["gopher://x"], "'gopher://' is not a kind of stream"),
        (["none.mp4", "--model", "missing.onnx"], "there is no file none.mp4"),  # before the model is loaded
        (["0", "--fast"], "--fast is for files"),
        (["none.mp4", "--window", "0"], "--window is 1 to 3600"),
        (["none.mp4", "--threshold", "2"], "--threshold is a probability"),
        (["none.mp4", "--give-up", "nan"], "--give-up is 0 seconds or more"),
        (["rtsp://me:secret@[bad/x"], "what follows 'rtsp://' is no address; write it as in rtsp://10.0.0.7/door"),
        (["rtsp://me:secret@a\u2100b/x"], "what follows 'rtsp://' is no address"),
    ],
)
def test_faults_are_one_message(arguments, message, capsys):
    assert watch(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and len(err.splitlines()) == 1 and "secret" not in err


def test_sources():
    assert source_of("0").address == "/dev/video0" and source_of("/dev/video2").kind == "camera"
    assert source_of("https://a.b/c?token=x").name == "https://a.b/c" and source_of("a.mp4").paced
    with pytest.raises(FacetellError):
        source_of("ftp://a")


def test_other_files_are_not_written_over(man, tmp_path, capsys):
    letter, link, before = tmp_path / "letter.txt", tmp_path / "link.mp4", man.read_bytes()
    letter.write_text("Dear")
    link.symlink_to(man)
    assert watch(man, "--out", letter) == watch(man, "--out", link) == watch(man, "--fast", "--out", "/dev/full") == 2
    first, second, third = capsys.readouterr().err.splitlines()
    assert "letter.txt is not what `facetell watch` wrote; choose another file" in first
    assert "it is what is watched; choose another file" in second
    assert third == "facetell watch: /dev/full cannot be written (No space left on device); make room there"
    assert letter.read_text() == "Dear" and man.read_bytes() == before


def test_a_file_of_scores_is_appended_to(man, tmp_path, capsys):
    out, began = tmp_path / "scores.jsonl", datetime.now(UTC)
    assert watch(man, "--fast", "--out", out) == 0
    first = out.read_text()
    out.write_text(first + '{"event": "cl')  # the machine stopped in the middle of a line
    assert watch(man, "--fast", "--out", out) == 0
    kept, cut_short, more = out.read_text().partition('{"event": "cl\n')
    assert kept == first and cut_short
    for run in (first, more):
        events = [json.loads(line) for line in run.splitlines()]
        assert [events[0]["event"], events[-1]["event"]] == ["begin", "end"] and clips_of(events)
        assert all(event["time"].endswith("Z") for event in events)
        times = [datetime.fromisoformat(event["time"]) for event in events]
        assert times == sorted(times) and all(abs((at - began).total_seconds()) < SECONDS for at in times)


def test_the_warnings_of_detection_are_given_at_the_end(detector, tmp_path, capsys):
    slow = write_frames(tmp_path / "slow.mp4", sample_frames("sample_man", 60)[::4], fps=5)
    for video in (ODD["truncated"](tmp_path), slow):
        warnings = [*detector(video).warnings]
        out = tmp_path / f"{video.stem}.jsonl"
        assert warnings and watch(video, "--fast", "--out", out) == 0
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
    assert f"ended by {reason}" in printed and "1 face seen" in printed
    last = json.loads(out.read_text().splitlines()[-1])
    assert last["event"] == "end" and last["reason"] == f"ended by {reason}" and last["clips"] >= 1
