"""Uploads that are hostile, broken, too large, or cut off: one message each, and nothing is kept."""

import contextlib
import time

import numpy as np
import psutil
import pytest
from serving import FORM, HEAD, SECONDS, Server, begin, connections, serving, upload, wait_for

from facetell.serve.models import Limits
from fixtures import BROKEN, encode

END = b"x\r\n--b--\r\n"
OTHER = HEAD.replace(b'"file"; filename="talk.mp4"', b'"other"; filename="talk.mp4"')


@pytest.fixture
def nothing_stays(server):
    """Whatever a test uploads is refused, and leaves no file and no job."""
    wait_for(lambda: {job["state"] for job in server.jobs()} <= {"done", "failed"})  # of earlier tests
    before = server.files(), server.jobs()
    yield
    wait_for(lambda: server.files() == before[0])
    assert server.jobs() == before[1]


def refused(answer, status, code):
    body = answer.json()
    assert (answer.status_code, body["error"]) == (status, code), answer.text
    assert "\n" not in body["message"] and "/" not in body["message"].replace("multipart/form-data", "")
    return body["message"]


NAMES = {
    "../../../../etc/cron.d/x.mp4": "x.mp4",
    "..\\..\\windows\\x.mp4": "x.mp4",
    "a" * 2000 + ".mp4": "a" * 200,
    **{name: name for name in ("<img src=x onerror=alert(1)>.mp4", "ünïcode 视频.mp4")},
}


@pytest.mark.parametrize(("name", "shown"), NAMES.items())
def test_a_name_is_only_displayed(server, short, name, shown):
    job = server.upload(short, name).json()
    assert job["name"] == shown
    folders = {path.split("/")[1] for path in server.files() if path.startswith("jobs/")}
    assert all(len(folder) == 32 and folder.isalnum() for folder in folders)
    assert "<img src=x" not in (page := server.client.get("/").text)
    assert ("&lt;img src=x onerror" in page) == ("<" in name)
    assert {path.name.partition(".sqlite3")[0] for path in server.data.iterdir()} <= {"jobs", "lock"}
    server.client.delete(f"/v1/jobs/{job['id']}")


def frame_bomb(folder):
    """Forty bytes that declare a frame of 2.7 GB."""
    path = folder / "bomb.y4m"
    path.write_bytes(b"YUV4MPEG2 W30000 H30000 F25:1 C420\nFRAME\n")
    return path


def grey_video(folder, name, frames=400, width=64, height=48):
    """Ten grey frames per second."""
    grey = [np.full((height, width, 3), 128, np.uint8)] * frames
    return encode(folder / name, grey, codec="libx264", pix_fmt="yuv420p", fps=10, options={"preset": "ultrafast"})


@pytest.mark.parametrize("make", [frame_bomb, *BROKEN.values()])
def test_what_is_no_video_is_refused(server, nothing_stays, tmp_path, make):
    refused(server.upload(make(tmp_path), "talk.mp4"), 422, "unreadable")


def test_playlists_cannot_make_the_server_open_other_files(server, nothing_stays, tmp_path, man):
    """Decoders open the files that a list names: an upload must not name one of the server's."""
    (tmp_path / "part.mp4").write_bytes(man.read_bytes())
    part = tmp_path / "part.mp4"
    texts = {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\nfile:{part}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile '{part}'\n",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        refused(server.upload(tmp_path / name, "talk.mp4"), 422, "unreadable")


def test_limits_of_length_pixels_and_size(server, nothing_stays, tmp_path):
    message = refused(server.upload(grey_video(tmp_path, "long.mp4")), 422, "too_long")
    assert message == "the video lasts 0.7 minutes, at most 0.5 are accepted: upload a shorter segment"
    message = refused(server.upload(grey_video(tmp_path, "wide.mp4", 2, 1280, 960)), 422, "too_many_pixels")
    assert message == "its frames are 1280 x 960, at most 1.0 megapixels are accepted: scale down"
    (tmp_path / "large.mp4").write_bytes(bytes(9 * 2**20))
    assert "larger than 8 MiB" in refused(server.upload(tmp_path / "large.mp4"), 413, "too_large")


def test_a_video_that_states_no_length_is_stopped_at_the_limit(server, tmp_path):
    job = server.upload(grey_video(tmp_path, "long.h264", 1000)).json()
    job = server.ended(job["id"])
    assert job["state"] == "failed" and "at most 0.5 are accepted" in job["message"]
    answer = server.client.get(f"/v1/jobs/{job['id']}/result")
    assert answer.status_code == 409 and answer.json()["error"] == "failed"


def post(server, body, kind=FORM["Content-Type"]):
    return server.client.post("/v1/jobs", content=body, headers={"Content-Type": kind})


FORMS = {
    "no_file": [OTHER + END],
    "several_files": [HEAD + b"x\r\n" + HEAD + END],
    "bad_form": [
        *(b"nonsense", HEAD + b"cut off", HEAD.replace(b"talk", b"x" * 70000) + END, b"\r\n" * 100_000 + HEAD + END),
        *(start + bytes(200_000) for start in (OTHER, HEAD.replace(b'; filename="talk.mp4"', b""), HEAD + END)),
    ],
}


@pytest.mark.parametrize("code", FORMS)
def test_malformed_forms(server, nothing_stays, code):
    for body in FORMS[code]:
        refused(post(server, body), 400 if code == "bad_form" else 422, code)
    for kind in ("video/mp4", "multipart/form-data"):  # the second without a boundary
        refused(post(server, b"video", kind), 415, "not_a_form")


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/nowhere", "/healthz"])
def test_endless_requests_are_ended(server, nothing_stays, path):
    with connections(server.url, 1) as (connection,):
        begin(connection, path, "Transfer-Encoding: chunked")
        connection.sendall(b"%x\r\n%s\r\n" % (len(HEAD), HEAD))
        piece, end = bytes(65536), time.monotonic() + SECONDS
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while True:
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                assert time.monotonic() < end, "the request was not ended"


def test_a_client_that_disconnects_leaves_nothing(server, nothing_stays):
    before = server.files()
    with connections(server.url, 1) as (connection,):
        begin(connection, "/v1/jobs", "Content-Length: 5000000")
        connection.sendall(HEAD + bytes(3 * 2**20))
        wait_for(lambda: server.files() > before)
    wait_for(lambda: "facetell_uploads_running 0.0" in server.metrics())


def test_a_client_that_still_sends_receives_the_error(server, nothing_stays):
    answer = post(server, iter([HEAD, *[bytes(65536)] * 200]))
    refused(answer, 413, "too_large")
    assert answer.headers["connection"] == "close"


def test_a_full_disk_and_a_missing_data_folder_are_507_and_the_server_goes_on(tmp_path, short, woman):
    """A limit on the size of files makes writing fail half-way, as a full disk does; then a network drive goes away."""
    with Server(tmp_path / "data") as server:
        psutil.Process(server.process.pid).rlimit(psutil.RLIMIT_FSIZE, (2**20, 2**20))
        answer = server.upload(woman)
        assert answer.status_code == 507 and answer.json()["error"] == "disk_full" and "Retry-After" in answer.headers
        assert server.files() == set()
        done = server.ended(server.upload(short).json()["id"])
        assert done["state"] == "done"
        (tmp_path / "data").rename(tmp_path / "away")
        (tmp_path / "data").touch()
        answer = server.upload(short)
        assert answer.status_code == 507 and answer.json()["error"] == "disk_full"
        assert "Traceback" not in server.log.read_text()
        (tmp_path / "data").unlink()
        (tmp_path / "away").rename(tmp_path / "data")
        assert server.ended(server.upload(short).json()["id"])["state"] == "done"
        assert server.client.get(f"/v1/jobs/{done['id']}/result").status_code == 200


def test_space_is_left_on_the_disk_and_the_queue_is_limited(tmp_path, short):
    with serving(tmp_path / "a", Limits(free_bytes=10**14)) as (url, _):
        assert upload(url, short).json()["error"] == "disk_full"
    with serving(tmp_path / "b", Limits(queue=2)) as (url, _):
        *accepted, refusal = [upload(url, short) for _ in range(3)]
        assert [answer.status_code for answer in accepted] == [201, 201]
        assert refusal.status_code == 429 and refusal.json()["error"] == "queue_full"
        assert int(refusal.headers["retry-after"]) > 0
