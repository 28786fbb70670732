"""Files, folders and patterns become videos; other files are counted by the kind of their content."""

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from facetell.types import FacetellError
from facetell.video.container import address_in, missing_file
from facetell.video.find import LeftOut, find_videos
from facetell.video.kinds import Kind, kind_of
from facetell.video.reader import Unreadable
from facetell.video.source import open_video
from fixtures import closed_to_all, encode, sample_frames
from video.painted import animation

NOISE, BLACK = np.random.default_rng(0).bytes(5000), np.zeros((9, 9, 3), np.uint8)
IMAGES = [cv2.imencode(suffix, BLACK)[1].tobytes() for suffix in (".png", ".webp", ".jpg", ".tiff", ".bmp")]


@pytest.fixture
def tree(tmp_path, monkeypatch):
    names = "b.mp4 a.MOV notes.txt Thumbs.db .hidden.mp4 sub/c.webm sub/deep/d.mkv .git/e.mp4 x[1].mp4 empty/.x"
    _write(tmp_path, names.split())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _write(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\xff\xd8\xff" if name.lower().endswith(("png", "jpg")) else b"text")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (".", "a.MOV b.mp4 sub/c.webm sub/deep/d.mkv x[1].mp4"),
        ("b.mp4 a.MOV", "b.mp4 a.MOV"),
        ("notes.txt", "notes.txt"),
        (".hidden.mp4", ".hidden.mp4"),
        ("missing.mp4", "missing.mp4"),
        ("~nobody-is-called-so.mp4", "~nobody-is-called-so.mp4"),
        ("x[1].mp4", "x[1].mp4"),
        ("*.mp4", "b.mp4 x[1].mp4"),
        ("**/*.mkv", "sub/deep/d.mkv"),
        ("[bs]*", "b.mp4 sub/c.webm sub/deep/d.mkv"),
        ("sub/**", "sub/c.webm sub/deep/d.mkv"),
        ("b.mp4 ./b.mp4 sub/../b.mp4 *.mp4 .", "b.mp4 x[1].mp4 a.MOV sub/c.webm sub/deep/d.mkv"),
    ],
)
def test_arguments_become_files(arguments, found, tree):
    assert [path.as_posix() for path in find_videos(arguments.split())] == found.split()


NOTHING = [(["empty"], "folder empty holds no video"), (["*.avi"], r"no file matches the pattern \*\.avi")]
NOTHING += [([], "no video was named"), ([""], "an empty name")]


@pytest.mark.parametrize(("arguments", "message"), NOTHING)
def test_nothing_found_is_one_message(arguments, message, tree):
    with pytest.raises(FacetellError, match=message):
        find_videos(arguments)


def test_links_and_pipes(tree):
    os.mkfifo(tree / "sub" / "pipe")  # to open it would block
    (tree / "sub" / "back").symlink_to(tree)
    (tree / "link.mp4").symlink_to(tree / "b.mp4")
    (tree / "sub" / "circle.mp4").symlink_to("circle.mp4")
    assert find_videos(["b.mp4", "link.mp4"]) == [Path("b.mp4")], "a link and its file are one"
    assert find_videos(["sub/circle.mp4"]) == [Path("sub/circle.mp4")], "left to the reader"
    assert len(find_videos(["sub"])) == 3, "links to folders are not followed"


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("1.png 2.png 10.png", "frames"),
        ("f_0001.JPG f_0002.jpg .directory Thumbs.db desktop.ini ._f_0001.JPG", "frames"),
        ("1.png 2.png times.csv __MACOSX/1.png", "frames"),
        ("deep/1.png deep/2.png deeper/1.webp", "frames/deep frames/deeper"),
        ("1.png 2.png a.mp4", "frames/a.mp4"),
        ("1.png deep/a.mp4", "frames/deep/a.mp4"),
    ],
)
def test_a_folder_of_numbered_images_is_one_video(names, found, tree):
    _write(tree / "frames", names.split())
    assert [path.as_posix() for path in find_videos(["frames"])] == found.split()


@pytest.mark.parametrize(
    ("names", "held"), [("1.png b1.png notes.txt", "but 2 images"), ("cover.png", "but 1 image"), (".1.png 1.txt", "")]
)
def test_other_images_are_not_a_video(names, held, tree):
    _write(tree / "frames", names.split())
    with pytest.raises(FacetellError, match=f"holds no video.*{held}"):
        find_videos(["frames"])


def test_what_is_left_out_is_counted_by_kind(tree):
    _write(tree, ["sub/cover.jpg", "sub/1.png", "other/1.png", "other/b.png"])
    (tree / "sub" / "list.m3u8").write_text("#EXTM3U\n")
    (tree / "sub" / "noise.bin").write_bytes(NOISE)
    left_out = LeftOut()
    assert len(find_videos(["other", "*.none", "sub"], left_out)) == 2, "an empty folder stops no other"
    assert [("2 images" in fault, "*.none" in fault) for fault in left_out.faults] == [(True, False), (False, True)]
    assert str(left_out) == "2 images, 1 playlist, 1 file of an unknown kind (noise.bin)"


@pytest.fixture
def closed(tree):
    """``sub/deep`` without permissions, and the process without the rights of root, who may read everything."""
    with closed_to_all(tree / "sub" / "deep", tree):
        yield


@pytest.mark.usefixtures("closed")
def test_a_folder_that_may_not_be_read_is_reported_by_its_reader():
    assert find_videos(["sub"]) == [Path("sub/c.webm"), Path("sub/deep")]
    assert find_videos(["sub/deep", "sub/deep/d.mkv"]) == [Path("sub/deep"), Path("sub/deep/d.mkv")]
    with pytest.raises(Unreadable, match="may not be read"):
        open_video(Path("sub/deep"))
    with pytest.raises(Unreadable, match="cannot be accessed: change the permissions of its folder"):
        open_video(Path("sub/deep/d.mkv"))


# --- network addresses


@pytest.mark.parametrize("address", ["https://example.org/a.mp4", "http://h:8080/a?b=*", "s3://b/k", "HTTPS://x.y/z"])
def test_an_address_is_found_in_every_form(address):
    for path in (address, Path(address), Path("/data") / address, Path("clips", address)):
        assert address_in(path) == address
    assert find_videos([address]) == [Path(address)]
    with pytest.raises(Unreadable, match="is a network address"):
        open_video(Path(address))


@pytest.mark.parametrize("name", ["talk.mp4", "C:/talk.mp4", "10:30/talk.mp4", "file:///talk.mp4", "a: b/c", "https:/"])
def test_other_names_are_not_addresses(name):
    assert address_in(name) is None and missing_file(name) == f"there is no file {name}: check the name"


# --- kinds


@pytest.mark.parametrize(("codec", "container"), [("mpeg2video", "mpeg"), ("mpeg2video", "mpegts"), ("libx264", "mp4")])
def test_a_video_is_recognised_by_its_content(codec, container, tmp_path):
    path = encode(tmp_path / "a", sample_frames()[:4], codec=codec, pix_fmt="yuv420p", fps=25, container=container)
    for name in ("MOV001.MOD", "call.3gpp", "tape.qt", "video", "clip.txt"):
        path = path.rename(tmp_path / name)
        assert kind_of(path) is Kind.VIDEO, name


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.mp4", b"text", Kind.VIDEO),  # left to its reader
        ("a.xyz", "kein Vidéo\n".encode("latin-1"), Kind.OTHER),
        ("a.xyz", "no video".encode("utf-16"), Kind.OTHER),
        ("a.xyz", b"", Kind.EMPTY),
        ("a.xyz", b"%PDF-1.7\n\0", Kind.OTHER),
        ("a.xyz", b"PK\x03\x04\0\0", Kind.OTHER),
        ("a.xyz", "\ufeff#EXTM3U\nother.ts\n".encode(), Kind.PLAYLIST),
        ("a.xyz", b'<?xml version="1.0"?>\n<MPD type="static">', Kind.PLAYLIST),
        ("a.xyz", b"1\r\n00:00:01,000 --> 00:00:02,000\r\nHello\r\n", Kind.SUBTITLES),
        ("a.xyz", b"WEBVTT\n\n", Kind.SUBTITLES),
        ("a.xyz", NOISE, Kind.UNKNOWN),
        ("a.ts", b"export const a = 1\n", Kind.OTHER),
        ("a.ts", NOISE, Kind.VIDEO),  # a damaged transport stream
        *(("image", content, Kind.IMAGE) for content in IMAGES),
    ],
)
def test_kinds_of_other_files(name, content, kind, tmp_path):
    (tmp_path / name).write_bytes(content)
    assert kind_of(tmp_path / name) is kind


def test_animated_images_are_videos(tmp_path):
    images = [np.full((20, 30, 3), level, np.uint8) for level in (0, 200)]
    webp, png = (animation(images, [40, 40], suffix) for suffix in (".webp", ".png"))
    text = b"tEXtComment\0" + bytes(100)
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    for data in (webp, png, png[:33] + chunk + png[33:]):  # the last one with another chunk first
        (tmp_path / "image").write_bytes(data)
        assert kind_of(tmp_path / "image") is Kind.VIDEO
