"""Uploads that are hostile, broken, too much, or cut off: one sentence each, and nothing stays behind."""

import contextlib
import socket
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from serving import SECONDS, Server, wait_for

from facetell.serve.files import shown_name
from fixtures import BROKEN, encode

BOUNDARY = "b0undary"
HEAD = (
    f"--{BOUNDARY}\r\n"
    'Content-Disposition: form-data; name="file"; filename="talk.mp4"\r\n'
    "Content-Type: video/mp4\r\n\r\n"
).encode()


@pytest.fixture
def nothing_stays(server):
    """Whatever a test uploads is refused, and leaves no file and no job."""
    before = server.files(), server.client.get("/v1/jobs", params={"limit": 200}).json()
    yield
    wait_for(lambda: not [name for name in server.files() if name.startswith("incoming")])
    assert (server.files(), server.client.get("/v1/jobs", params={"limit": 200}).json()) == before


def refused(answer, status, code):
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert (
        body["error"] == code
        and "\n" not in body["message"]
        and "/" not in body["message"].replace("multipart/form-data", "")
    )
    return body["message"]


# --- names


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../../../etc/cron.d/x.mp4", "x.mp4"),
        ("..\\..\\windows\\x.mp4", "x.mp4"),
        ("/absolute/x.mp4", "x.mp4"),
        ("..", ".."),
        ("", "video"),
        ("a" * 2000 + ".mp4", "a" * 200),
        ("x\x1b[31m\u202e\x7fy.mp4", "x[31my.mp4"),
        ("<img src=x onerror=alert(1)>.mp4", "<img src=x onerror=alert(1)>.mp4"),
        ("ünïcode 视频.mp4", "ünïcode 视频.mp4"),
    ],
)
def test_a_name_is_only_ever_shown(server, short, name, shown):
    assert shown_name(name) == shown
    text = name.replace("\x1b", "%1B").replace("\x7f", "%7F") if name else "video"
    job = server.upload(short, text).json()
    folders = {path.split("/")[1] for path in server.files() if path.startswith("jobs/")}
    assert all(len(folder) == 32 and folder.isalnum() for folder in folders)
    assert "onerror" not in (page := server.client.get("/").text) or "&lt;img src=x onerror" in page
    assert {path.name for path in server.data.iterdir()} <= {
        "incoming", "jobs", "lock", "jobs.sqlite3", "jobs.sqlite3-wal", "jobs.sqlite3-shm"
    }  # fmt: skip
    server.client.delete(job["links"]["self"])


# --- content


def picture_bomb(folder):
    """Forty bytes that ask for a picture of 2.7 GB."""
    path = folder / "bomb.y4m"
    path.write_bytes(b"YUV4MPEG2 W30000 H30000 F25:1 C420\nFRAME\n")
    return path


def zip_bomb(folder):
    """A hundred megabytes of zeros in a hundred kilobytes, under a video's name."""
    path = folder / "bomb.mp4"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w") as stream:
        for _ in range(100):
            stream.write(bytes(2**20))
    return path


def grey_video(folder, name, frames=400, width=64, height=48):
    """Ten pictures a second of grey."""
    grey = [np.full((height, width, 3), 128, np.uint8)] * frames
    return encode(folder / name, grey, codec="libx264", pix_fmt="yuv420p", fps=10, options={"preset": "ultrafast"})


@pytest.mark.usefixtures("nothing_stays")
@pytest.mark.parametrize(
    ("make", "code"),
    [(zip_bomb, "unreadable"), (picture_bomb, "unreadable"), *((make, "unreadable") for make in BROKEN.values())],
)
def test_what_is_no_video_is_refused(server, tmp_path, make, code):
    refused(server.upload(make(tmp_path), "talk.mp4"), 422, code)


@pytest.mark.usefixtures("nothing_stays")
def test_playlists_cannot_make_the_server_open_other_files(server, tmp_path, man):
    """Decoders follow lists of files: an upload must not be able to name one of the server's."""
    (tmp_path / "part.mp4").write_bytes(man.read_bytes())
    part = tmp_path / "part.mp4"
    texts = {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\nfile:{part}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile '{part}'\n",
        "relative": "ffconcat version 1.0\nfile part.mp4\n",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        refused(server.upload(tmp_path / name, "talk.mp4"), 422, "unreadable")


@pytest.mark.usefixtures("nothing_stays")
def test_limits_of_length_pixels_and_size(server, tmp_path):
    message = refused(server.upload(grey_video(tmp_path, "long.mp4")), 422, "too_long")
    assert message == "the video lasts 0.7 minutes, and at most 0.5 are taken: cut out the part that matters"
    message = refused(server.upload(grey_video(tmp_path, "wide.mp4", 2, 1280, 960)), 422, "too_many_pixels")
    assert message == "its pictures are 1280 x 960, and at most 1.0 million pixels are taken: scale it down"
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(9 * 2**20))
    assert "larger than 8 MiB" in refused(server.upload(large), 413, "too_large")


def test_a_video_that_does_not_tell_its_length_is_stopped_at_the_limit(server, tmp_path):
    job = server.upload(grey_video(tmp_path, "long.h264", 1000)).json()
    assert job["duration"] is None or job["duration"] <= 30
    job = server.ended(job["id"])
    assert job["state"] == "failed" and "at most 0.5 are taken" in job["message"]
    answer = server.client.get(job["links"]["result"])
    assert answer.status_code == 409 and answer.json()["error"] == "failed"
    server.client.delete(job["links"]["self"])


# --- forms


def post(server, body, kind=f"multipart/form-data; boundary={BOUNDARY}"):
    return server.client.post("/v1/jobs", content=body, headers={"Content-Type": kind})


@pytest.mark.usefixtures("nothing_stays")
@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"video", "video/mp4", 415, "not_a_form"),
        (b"video", "multipart/form-data", 415, "not_a_form"),
        (b"nonsense", None, 400, "bad_form"),
        (HEAD + b"cut off", None, 400, "bad_form"),
        (b"", None, 400, "bad_form"),
        (HEAD.replace(b'name="file"', b'name="other"') + f"x\r\n--{BOUNDARY}--\r\n".encode(), None, 422, "no_file"),
        (
            HEAD.replace(b'"talk.mp4"', b'"' + b"x" * 70000 + b'"') + f"x\r\n--{BOUNDARY}--\r\n".encode(),
            None,
            400,
            "bad_form",
        ),
        (HEAD + b"x\r\n" + HEAD + f"x\r\n--{BOUNDARY}--\r\n".encode(), None, 422, "several_files"),
        (HEAD.replace(b'name="file"', b'name="other"') + bytes(200_000), None, 422, "no_file"),
        (HEAD.replace(b'; filename="talk.mp4"', b"") + bytes(200_000), None, 422, "no_file"),
        (HEAD.replace(b'"file"; filename="talk.mp4"', b'"note"') + bytes(200_000), None, 400, "bad_form"),
        (HEAD + f"x\r\n--{BOUNDARY}--\r\n".encode() + bytes(200_000), None, 400, "bad_form"),
        (b"\r\n" * 100_000 + HEAD + f"x\r\n--{BOUNDARY}--\r\n".encode(), None, 400, "bad_form"),
    ],
)
def test_forms_that_are_none(server, body, kind, status, code):
    refused(post(server, body, kind or f"multipart/form-data; boundary={BOUNDARY}"), status, code)


# --- streams


def stream_to(server, path):
    """Send a body without end until the server closes the connection."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=SECONDS) as connection:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nTransfer-Encoding: chunked\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode()
        )
        piece, deadline = bytes(65536), time.monotonic() + SECONDS
        connection.sendall(b"%x\r\n%s\r\n" % (len(HEAD), HEAD))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while True:
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                assert time.monotonic() < deadline, "the stream was not ended"


@pytest.mark.usefixtures("nothing_stays")
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/nowhere", "/healthz"])
def test_endless_streams_are_ended(server, path):
    stream_to(server, path)
    assert server.client.get("/healthz").status_code == 200


@pytest.mark.usefixtures("nothing_stays")
def test_a_client_that_still_sends_gets_to_see_why_it_is_refused(server):
    def endless():
        yield HEAD
        for _ in range(200):
            yield bytes(65536)

    answer = post(server, endless())
    refused(answer, 413, "too_large")
    assert answer.headers["connection"] == "close"


@pytest.mark.usefixtures("nothing_stays")
def test_a_client_that_goes_away_leaves_nothing(server):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"POST /v1/jobs HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5000000\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode()
        )
        connection.sendall(HEAD + bytes(3 * 2**20))
        wait_for(lambda: [name for name in server.files() if name.startswith("incoming")])
    wait_for(lambda: "facetell_uploads_running 0.0" in server.client.get("/metrics").text)


def test_a_hundred_clients_at_once(server, short):
    """Those who find no place are told when to come again, and all get in."""
    content, refusals = short.read_bytes(), []

    def client(number):
        while True:
            answer = server.client.post(
                "/v1/jobs", files={"file": (f"{number}.mp4", content)}, headers={"Idempotency-Key": f"client-{number}"}
            )
            if answer.status_code != 429:
                return answer
            refusals.append(answer.json()["error"])
            time.sleep(int(answer.headers["retry-after"]) / 4)

    with ThreadPoolExecutor(100) as clients:
        answers = list(clients.map(client, range(100)))
    assert {answer.status_code for answer in answers} == {201} and set(refusals) <= {"too_many_uploads"}
    jobs = [answer.json() for answer in answers]
    assert len({job["id"] for job in jobs}) == 100
    assert [job["name"] for job in jobs] == [f"{number}.mp4" for number in range(100)]
    ended = server.ended(jobs[0]["id"])  # scored while the others wait
    assert ended["state"] == "done"
    for job in jobs:
        assert server.client.delete(job["links"]["self"]).status_code == 204
    wait_for(lambda: not any(job["id"] in name for job in jobs for name in server.files()))
    wait_for(lambda: server.client.get("/healthz").status_code == 200)


# --- want of room


def test_a_full_disk_is_507_and_the_server_goes_on(tmp_path, short, woman):
    """A limit on the size of files makes writing fail half-way, as a full disk does."""
    with Server(tmp_path / "data", ulimit=1024) as server:
        answer = server.upload(woman)
        assert answer.status_code == 507 and answer.json()["error"] == "disk_full" and "Retry-After" in answer.headers
        assert server.files() == set()
        assert server.ended(server.upload(short).json()["id"])["state"] == "done"


def test_room_is_left_on_the_disk_and_in_the_queue(tmp_path, short, woman):
    data = tmp_path / "data"
    with Server(data, "--min-free-mb", "100000000") as server:
        assert server.upload(short).json()["error"] == "disk_full"
    with Server(data, "--max-queue", "2") as server:
        jobs = [server.upload(woman) for _ in range(2)]
        wait_for(lambda: server.job(jobs[0].json()["id"])["state"] == "running")
        jobs.append(server.upload(woman))
        answer = server.upload(short)
        assert [job.status_code for job in jobs] == [201] * 3
        assert answer.status_code == 429 and answer.json()["error"] == "queue_full"
        assert int(answer.headers["retry-after"]) > 0
        page = server.client.post("/jobs", files={"file": ("a.mp4", short.read_bytes())})
        assert page.status_code == 429 and "no more are taken" in page.text
