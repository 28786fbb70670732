"""The kind of a file is that of its content, whatever its name."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from facetell.video.kinds import Kind, is_hidden, kind_of
from fixtures import BROKEN, encode, sample_frames


@pytest.mark.parametrize(("codec", "container"), [("mpeg2video", "mpeg"), ("mpeg2video", "mpegts"), ("libx264", "mp4")])
def test_a_video_is_known_by_its_content(codec: str, container: str, tmp_path: Path) -> None:
    for name in ("MOV001.MOD", "call.3gpp", "tape.qt", "video", "clip.txt"):
        encode(tmp_path / name, sample_frames()[:4], codec=codec, pix_fmt="yuv420p", fps=25, container=container)
        assert kind_of(tmp_path / name) is Kind.VIDEO, name


def test_sound_without_frames_is_not_a_video(tmp_path: Path) -> None:
    (tmp_path / "sound.m4a").write_bytes(BROKEN["audio_only"](tmp_path).read_bytes())
    assert kind_of(tmp_path / "sound.m4a") is Kind.AUDIO


def test_a_file_that_is_named_as_a_video_is_left_to_its_reader(tmp_path: Path) -> None:
    assert kind_of(BROKEN["text"](tmp_path)) is Kind.VIDEO
    assert kind_of(tmp_path / "missing.mp4") is Kind.VIDEO


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("no video", Kind.OTHER),
        ("kein Vidéo\n".encode("latin-1"), Kind.OTHER),
        ("no video".encode("utf-16"), Kind.OTHER),
        (b"", Kind.EMPTY),
        (b"%PDF-1.7\n\0", Kind.OTHER),
        (b"PK\x03\x04\0\0", Kind.OTHER),
        ("\ufeff#EXTM3U\nother.ts\n", Kind.PLAYLIST),
        ('<?xml version="1.0"?>\n<MPD type="static">', Kind.PLAYLIST),
        ("1\r\n00:00:01,000 --> 00:00:02,000\r\nHello\r\n", Kind.SUBTITLES),
        ("WEBVTT\n\n", Kind.SUBTITLES),
        (np.random.default_rng(0).bytes(5000), Kind.UNKNOWN),
    ],
)
def test_what_is_not_a_video(content: str | bytes, kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "file.xyz"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert kind_of(path) is kind


def test_a_program_is_not_a_transport_stream(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_text("export const a = 1\n")
    (tmp_path / "b.ts").write_bytes(np.random.default_rng(0).bytes(5000))
    assert kind_of(tmp_path / "a.ts") is Kind.OTHER
    assert kind_of(tmp_path / "b.ts") is Kind.VIDEO, "a damaged one is left to its reader"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tiff", ".webp"])
def test_images_are_known_by_their_content(suffix: str, tmp_path: Path) -> None:
    _, data = cv2.imencode(suffix, np.zeros((20, 30, 3), np.uint8))
    (tmp_path / "image").write_bytes(data.tobytes())
    assert kind_of(tmp_path / "image") is Kind.IMAGE


def test_animated_images_are_videos(tmp_path: Path) -> None:
    animation = cv2.Animation()
    animation.frames = [np.full((20, 30, 3), level, np.uint8) for level in (0, 200)]
    animation.durations = [40, 40]
    for suffix in (".webp", ".png"):
        _, data = cv2.imencodeanimation(suffix, animation)
        (tmp_path / "image").write_bytes(data.tobytes())
        assert kind_of(tmp_path / "image") is Kind.VIDEO, suffix
    png, text = data.tobytes(), b"tEXtComment\0" + bytes(100)
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    (tmp_path / "image").write_bytes(png[:33] + chunk + png[33:])
    assert kind_of(tmp_path / "image") is Kind.VIDEO, "with another chunk first"


def test_what_cannot_be_opened_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to("circle")
    assert kind_of(tmp_path / "pipe") is kind_of(tmp_path / "circle") is Kind.CLOSED


def test_names_of_system_files() -> None:
    assert all(
        map(is_hidden, ("Thumbs.db", "THUMBS.DB", "ehthumbs.db", "desktop.ini", ".DS_Store", "._1.png", "__MACOSX"))
    )
    assert not any(map(is_hidden, ("thumbs.png", "1.png", "desktop.mp4")))
