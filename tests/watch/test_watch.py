"""Live sources as they come: played files, real streams over UDP and HTTP that stop, stall and come back."""

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
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
from rich.console import Console

from facetell.assets import locate
from facetell.cli import main
from facetell.detector import PENDING, Detector, Settings
from facetell.faces.clips import LATE
from facetell.types import Crop, FacetellError
from facetell.verdict import ScoredClip
from facetell.video.live import LiveReader, open_source, source_of
from facetell.watch.board import Board, Watched
from facetell.watch.pump import FEWEST_HELD, MOST_HELD, Pump, _Pace
from facetell.watch.run import State, Watcher
from facetell.watch.screen import draw, summary
from fixtures import FAST, ODD, sample_frames, write_frames, zoomed

SECONDS = 600.0  # the longest wait for an event: only a test that fails waits so long


@pytest.fixture(scope="module")
def transport(tmp_path_factory):
    """The man as an MPEG transport stream, a key picture every 10."""
    path = tmp_path_factory.mktemp("ts") / "man.ts"
    with av.open(str(locate("sample_man"))) as source, av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"g": "10", "bf": "0", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for picture in source.decode(video=0):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture.to_ndarray(format="rgb24"))))
        out.mux(stream.encode())
    return path


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def watched(detector, text, *, window=30.0, fast=False, also=lambda event: None, **how):
    events = []

    def tell(event):
        events.append(event)
        also(event)

    source = source_of(str(text))
    pump = Pump(source, fast=fast, **how)
    watcher = Watcher(detector, pump, source.name, window, tell)
    try:
        watcher.run(fast=fast)
    finally:
        watcher.close()
    return watcher.state, events


def wait_for(condition):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def clips_of(events):
    return [event for event in events if event["event"] == "clip"]


def test_a_file_read_fast_has_the_scores_of_detection(detector, man):
    _, events = watched(detector, man, fast=True)
    (track,) = detector(man).tracks
    assert [(c["t0"], c["t1"], c["logit"]) for c in clips_of(events)] == [(c.t0, c.t1, c.logit) for c in track.clips]
    assert clips_of(events)[-1]["running"] == pytest.approx(track.probability)
    assert clips_of(events)[-1]["interval"] == pytest.approx(track.interval)


def test_a_bound_on_the_clips_is_one_of_each_window(detector, man):
    dense = Detector(FAST, Settings(clips_per_second=3.0, max_clips=2))
    _, events = watched(dense, man, window=2.0, fast=True)
    (track,) = detector(man).tracks  # one clip a second
    assert [(c["t0"], c["logit"]) for c in clips_of(events)] == [(c.t0, c.logit) for c in track.clips]


def test_a_photo_has_no_score(detector, tmp_path):
    photo = write_frames(tmp_path / "photo.mp4", [sample_frames()[0]] * 40, fps=25)
    state, events = watched(detector, photo, fast=True)
    assert not clips_of(events) and "faces were without motion" in summary(state, "it ended")


def test_a_zoom_over_a_photo_is_no_face_with_a_score(detector, tmp_path):
    """Its first clips are scored; with the third it is known that the face does not move."""
    images = [zoomed(sample_frames()[0], 1 + 0.002 * index) for index in range(100)]
    state, events = watched(detector, write_frames(tmp_path / "zoom.mp4", images), fast=True)
    assert clips_of(events) and state.board.highest is None
    assert "nothing was scored: faces were without motion" in summary(state, "it ended")


def test_a_face_without_motion_is_not_counted_for_the_threshold(detector):
    board = Board(detector.engine.info.calibration, window=30.0)
    for number, motion in enumerate((1.0, 0.0, 1.0)):
        face = board._faces[0, number] = Watched(number, first=0.0, last=0.0)
        face.clips.append(ScoredClip(0.0, 0.3, Crop(0.0, 0.0, 1.0), 0.0))
        face.motion.within.append(motion)
    assert State("two of three", detector.threshold_of, board, pump=None).threshold == detector.threshold_of(2)


def test_a_file_is_played_in_real_time(monkeypatch):
    now = 100.0
    monkeypatch.setattr("facetell.watch.pump.time", SimpleNamespace(monotonic=lambda: now))
    pace = _Pace(paced=True)
    assert pace(0.0) == (0, 0)
    now += 0.1
    assert pace(0.5) == pytest.approx((0.4, 0)), "seconds that a frame waits"
    now += 0.9
    assert pace(0.7) == pytest.approx((0, 0.3)), "seconds that a frame is late"
    assert pace(60.0) == (0, 0), "a jump of the file's clock is not waited for"


def test_slow_scoring_drops_whole_stretches_and_says_so(woman):
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
    dropped, share = watcher.state.dropped
    assert dropped >= 10 and 0 < share < 1 and max(waiting) <= MOST_HELD and max(scoring) <= PENDING
    assert next(e for e in events if e["event"] == "dropped")["pictures"] > 0
    assert f"{dropped} frames dropped" in summary(watcher.state, "enough")
    step = 1001 / 24000
    assert all(b - a < LATE * step for times in seen for a, b in itertools.pairwise(times))
    assert max(b[0] - a[-1] for a, b in itertools.pairwise(seen)) > 1 / 3, "frames between these clips were dropped"


def test_a_stream_over_udp_is_scored_and_its_silence_is_told(detector, transport):
    port = free_port(socket.SOCK_DGRAM)
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
        state, events = watched(detector, f"udp://127.0.0.1:{port}", also=stop_after_two_clips, stall=1.5, give_up=2.0)
    finally:
        quit_now.set()
        sender.join()
    assert len(clips_of(events)) >= 2
    assert state.pump.fault and "is gone (nothing came for 1.5 seconds)" in state.pump.ended
    assert any("is lost (nothing came" in e["message"] for e in events if e["event"] == "source")


@contextlib.contextmanager
def broadcast(file, refused):
    """A server that gives a file without saying how long it is, but where ``refused`` of the how many-th time, from 1.

    Gives its port.
    """
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

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def test_a_lost_connection_is_made_again(detector, transport):
    """The server ends the stream without saying how long it is, refuses once, and then gives it anew."""
    with broadcast(transport, refused=lambda time: time == 2 or time > 3) as port:
        state, events = watched(detector, f"http://me:secret@127.0.0.1:{port}/live", stall=2.0, give_up=3.2)
    told = [event["message"] for event in events if event["event"] == "source"]
    assert "is lost (" in told[0] and told[0].endswith("trying again in 1 s")
    assert any("is back after" in words for words in told)
    assert not any("secret" in json.dumps(event) for event in events) and "secret" not in state.pump.ended
    assert state.board.seen == 2, "who is seen after a break may be somebody else"
    times = [(clip["t0"], clip["t1"]) for clip in clips_of(events)]
    assert len(times) >= 3 and times == sorted(times) and all(t1 - t0 < 0.4 for t0, t1 in times)


def test_nobody_looks_and_no_more_is_held(woman):
    pump = Pump(source_of(str(woman)))
    try:
        wait_for(lambda: pump.dropped >= 40)
        assert len(pump._waiting) == 24
    finally:
        pump.close()


@pytest.mark.parametrize("held", [10, FEWEST_HELD])
def test_of_large_pictures_fewer_wait(man, monkeypatch, held):
    """The limit in bytes is made small in place of the frames large."""
    with open_source(source_of(str(man))) as reader:
        size = sum(plane.buffer_size for plane in next(iter(reader)).decoded.planes)
    monkeypatch.setattr("facetell.watch.pump.HELD_BYTES", (10 if held == 10 else 1) * size)
    pump = Pump(source_of(str(man)), fast=True)
    try:
        wait_for(lambda: pump.read > held)  # the next one is decoded, and must not be let in
        time.sleep(0.2)
        assert len(pump._waiting) == held
    finally:
        pump.close()


def test_pictures_that_are_skipped_are_counted_and_what_follows_is_sound(transport):
    with open_source(source_of(str(transport))) as reader:
        pictures = iter(reader)
        before = [next(pictures).time for _ in range(5)]
        reader.skip(0.5)
        after = [picture.time for picture in pictures]
    hole = [b - a for a, b in itertools.pairwise(before + after) if b - a > 0.1]
    assert len(hole) == 1 and hole[0] >= 0.5 and reader.skipped >= 15 and reader.damaged == 0


def test_the_view(detector, man):
    from rich.console import Console

    state, _ = watched(detector, man, fast=True)
    console = Console(width=110, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(draw(state, detector))
    view = console.export_text()
    state.name = "folder/" * 30 + "man.mp4"
    console.print(draw(state, detector))
    assert len(console.export_text().splitlines()) == len(view.splitlines()), "a long name breaks no line"
    assert "forged, 95 % interval" in view and "nothing dropped" in view and any(bar in view for bar in "▁▂▃▄▅▆▇█")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["97"], "camera 97 cannot be opened (no such file or directory); see that /dev/video97 is there"),
        (["rtsp://me:secret@127.0.0.1:9/x"], "rtsp://127.0.0.1:9/x cannot be opened (connection refused)"),
        (["gopher://x"], "'gopher://' is not a kind of stream"),
        (["none.mp4"], "there is no file none.mp4"),
        (["0", "--fast"], "--fast is for files"),
        (["none.mp4", "--window", "0"], "--window is 1 to 3600"),
        (["none.mp4", "--threshold", "2"], "--threshold is a probability"),
        (["none.mp4", "--give-up", "-1"], "--give-up is 0 seconds or more"),
        (["none.mp4", "--give-up", "nan"], "--give-up is 0 seconds or more"),
        (["rtsp://me:secret@[bad/x"], "what follows 'rtsp://' is no address; write it as in rtsp://10.0.0.7/door"),
        (["rtsp://me:secret@a\u2100b/x"], "what follows 'rtsp://' is no address"),
    ],
)
def test_faults_are_one_sentence(words, sentence, capsys):
    assert main(["watch", "--model", FAST, *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and sentence in err and len(err.splitlines()) == 1 and "secret" not in err


def test_addresses():
    assert source_of("0").address == "/dev/video0" and source_of("/dev/video2").kind == "camera"
    assert source_of("https://a.b/c?token=x").name == "https://a.b/c" and source_of("a.mp4").paced
    with pytest.raises(FacetellError):
        source_of("ftp://a")


def test_a_first_connection_that_gives_nothing_is_given_its_time_too(transport, monkeypatch):
    """It lets itself be opened, gives nothing and refuses from then on: the time to give up counts from the start."""
    asked = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            if len(asked) > 1:
                self.send_error(503)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(transport.read_bytes())

        def log_message(self, *words):
            pass

    monkeypatch.setattr(LiveReader, "__iter__", lambda self: iter(()))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        pump = Pump(source_of(f"http://127.0.0.1:{server.server_port}/live"), stall=1.0, give_up=2.5)
        wait_for(lambda: pump.get(0.1) is None and pump.done)
        pump.close()
    finally:
        server.shutdown()
        server.server_close()
    assert pump.fault and "did not come back in" in pump.ended and len(asked) >= 2
    assert all("trying again in" in note for note in pump.notes())


def test_why_nothing_was_scored(detector, man, tmp_path):
    state, _ = watched(detector, write_frames(tmp_path / "brief.mp4", sample_frames("sample_man", 4)), fast=True)
    assert "nothing was scored: no face was seen for long enough" in summary(state, "it ended")
    state, _ = watched(detector, write_frames(tmp_path / "grey.mp4", np.full((9, 96, 96, 3), 90, np.uint8)), fast=True)
    assert "nothing was scored: no face was seen\n" in summary(state, "it ended")
    small = [cv2.resize(image, (106, 60), interpolation=cv2.INTER_AREA) for image in sample_frames("sample_man", 40)]
    state, _ = watched(detector, write_frames(tmp_path / "small.mp4", small), fast=True)
    assert "nothing was scored: faces were too small" in summary(state, "it ended")


def test_a_wrong_name_is_told_before_the_model_is_loaded(tmp_path, capsys):
    (tmp_path / "model.onnx").write_text("no model")
    assert main(["watch", "none.mp4", "--model", str(tmp_path / "model.onnx")]) == 2
    assert "there is no file none.mp4" in capsys.readouterr().err


def test_what_is_watched_is_never_written_over(man, tmp_path, capsys):
    before, link = man.read_bytes(), tmp_path / "link.mp4"
    link.symlink_to(man)
    assert main(["watch", str(man), "--model", FAST, "--out", str(link)]) == 2
    assert "it is what is watched; choose another file" in capsys.readouterr().err and man.read_bytes() == before


def test_a_file_of_scores_is_gone_on_with_and_says_when(man, tmp_path, capsys):
    out, began = tmp_path / "scores.jsonl", datetime.now(UTC)
    words = ["watch", str(man), "--model", FAST, "--fast", "--out", str(out)]
    assert main(words) == 0
    first = out.read_text()
    out.write_text(first + '{"event": "cl')  # the machine stopped in the middle of a line
    assert main(words) == 0
    whole, cut_short, more = out.read_text().partition('{"event": "cl\n')
    assert whole == first and cut_short
    for run in (first, more):
        events = [json.loads(line) for line in run.splitlines()]
        assert [events[0]["event"], events[-1]["event"]] == ["begin", "end"] and clips_of(events)
        assert all(event["time"].endswith("Z") for event in events)
        times = [datetime.fromisoformat(event["time"]) for event in events]
        assert times == sorted(times) and all(abs((at - began).total_seconds()) < 600 for at in times)


def test_what_is_no_file_of_scores_is_left_alone(man, tmp_path, capsys):
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear")
    assert main(["watch", str(man), "--model", FAST, "--out", str(letter)]) == 2
    assert "letter.txt is not what `facetell watch` wrote; choose another file" in capsys.readouterr().err
    assert letter.read_text() == "Dear"


def test_a_full_disk_is_one_sentence(man, capsys):
    assert main(["watch", str(man), "--model", FAST, "--fast", "--out", "/dev/full"]) == 2
    error = capsys.readouterr().err
    assert error == "facetell watch: /dev/full cannot be written (No space left on device); make room there\n"


def test_what_detection_warns_of_is_told_at_the_end(detector, tmp_path, capsys):
    slow = write_frames(tmp_path / "slow.mp4", sample_frames("sample_man", 60)[::4], fps=5)
    for video in (ODD["truncated"](tmp_path), ODD["damaged"](tmp_path), slow):
        warnings = [*detector(video).warnings]
        assert warnings
        out = tmp_path / f"{video.stem}.jsonl"
        assert main(["watch", str(video), "--model", FAST, "--fast", "--out", str(out)]) == 0
        assert capsys.readouterr().out.splitlines()[-len(warnings) :] == warnings
        assert json.loads(out.read_text().splitlines()[-1])["warnings"] == warnings


def test_the_summary_claims_only_what_was_there(detector, man, tmp_path):
    state, events = watched(detector, man, fast=True)
    told = summary(state, "it ended")
    clips = [clip["running"] for clip in clips_of(events)]
    over = 1 + clips.index(max(clips))
    words = "1 clip" if over == 1 else f"{over} clips of the 30 s before"
    assert f"{max(clips):.0%} over {words}\n" in told and "after its last picture" in told
    grey = write_frames(tmp_path / "grey\x1b:smile:.mp4", np.full((9, 96, 96, 3), 90, np.uint8))
    state, _ = watched(detector, grey, fast=True)
    told = summary(state, "it ended")
    assert "after its last picture" not in told
    assert r"grey\x1b:smile:.mp4: it ended" in told
    shown = io.StringIO()
    Console(file=shown, width=300).print(draw(state, detector))
    assert r"grey\x1b:smile:.mp4" in shown.getvalue()


def test_what_is_being_scored_at_the_end_is_told(woman):
    slow = Detector(FAST, settings=Settings(clips_per_second=3.0))
    score, gate = slow.score, threading.Event()

    def throttled(clip):
        gate.wait(SECONDS)
        return score(clip)

    slow.score = throttled
    source, events = source_of(str(woman)), []
    watcher = Watcher(slow, Pump(source, fast=True), source.name, 30.0, events.append)
    try:
        while len(watcher._scoring) < 3:
            watcher.step(fast=True)
        handed = len(clips_of(events)) + len(watcher._scoring)
    finally:
        threading.Timer(0.1, gate.set).start()  # while close waits
        watcher.close()
    assert len(clips_of(events)) == handed == watcher.state.board.scored


def test_a_stream_that_is_away_is_given_up_when_asked(transport, capsys):
    with broadcast(transport, refused=lambda time: time > 1) as port:
        assert main(["watch", "--model", FAST, f"http://127.0.0.1:{port}/live", "--give-up", "2"]) == 2
    assert "and did not come back in 2 seconds" in capsys.readouterr().out


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGHUP, "SIGHUP")])
def test_a_signal_ends_it_with_a_summary(woman, tmp_path, number, reason):
    out = tmp_path / "scores.jsonl"
    command = [sys.executable, "-m", "facetell", "watch", str(woman), "--model", FAST, "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: process.poll() is not None or (out.exists() and '"clip"' in out.read_text()))
        process.send_signal(number)
        told, errors = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    assert process.returncode == 0 and errors == ""
    assert f"ended by {reason}" in told and "1 face seen" in told
    last = json.loads(out.read_text().splitlines()[-1])
    assert last["event"] == "end" and last["reason"] == f"ended by {reason}" and last["clips"] >= 1
