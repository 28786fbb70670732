"""The kind of a file: by its suffix where that names a video, else by its content."""

from __future__ import annotations

import os
import re
import stat
from enum import StrEnum
from pathlib import Path

import av

_VIDEO = """
3g2 3gp asf avi divx f4v flv gif h264 h265 hevc ivf m1v m2ts m2v m4v mjpeg mkv mov mp4 mpeg mpg mxf ogm ogv vob webm
wmv y4m
"""
VIDEO_SUFFIXES = frozenset(f".{name}" for name in _VIDEO.split())
"""Suffixes of files that are listed as videos without being opened; no other file is refused because of its suffix."""
IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""Suffixes of images that can be the frames of a video."""
# Lower-case names of files and folders that operating systems and file managers add to a folder.
_SYSTEM_NAMES = (
    *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$recycle.bin", "system volume information"),
    *("__macosx", "icon\r", "@eadir", "#recycle", "picasa.ini", "lost+found"),
)
_AMBIGUOUS = frozenset({".mts", ".ts"})  # a transport stream, or a program in TypeScript
_HEAD = 4096  # bytes that are read of a file whose suffix does not name a video
# FFmpeg tries all its formats on this many bytes at most, which hold the streams of a transport or program stream; an
# index is read in any case. The default of 5 MB costs 0.1 to 1 s for each file that FFmpeg does not know.
_PROBED = 1 << 18
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")  # not in a text
BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")
_PLAYLIST = re.compile(rb"#EXTM3U|\[playlist\]|ffconcat version|(<\?xml[^>]*>\s*)?<(MPD|smil|asx)\b", re.IGNORECASE)
_SUBTITLES = re.compile(rb"WEBVTT|\[Script Info\]|\d+\r?\n\d+:\d\d:\d\d,\d{3} -->", re.IGNORECASE)
# Archives, documents, programs and arrays: never a video, and slow to probe.
_OTHER = (
    *(b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"(\xb5/\xfd"),
    *(b"%PDF", b"\xd0\xcf\x11\xe0", b"SQLite format 3", b"\x7fELF", b"MZ", b"\x93NUMPY", b"\x89HDF", b"PAR1"),
)
_IMAGES = (b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*", b"8BPS", b"\0\0\0\x0cjP  ")
_STILL_BRANDS = frozenset({b"avif", b"heic", b"heix", b"mif1"})


class Kind(StrEnum):
    """What a file is; the values are nouns for messages. ``OTHER`` is text, an archive, a document or a program."""

    VIDEO = "video"
    IMAGE = "image"
    AUDIO = "audio file"
    SUBTITLES = "subtitle file"
    PLAYLIST = "playlist"
    EMPTY = "empty file"
    UNKNOWN = "file of an unknown kind"
    CLOSED = "file that cannot be opened"
    OTHER = "other file"


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden (its name begins with a dot) or was added by an operating system."""
    return name.startswith(".") or name.lower() in _SYSTEM_NAMES


def kind_of(path: Path) -> Kind:
    """Return the kind of a file in a folder by suffix (:data:`VIDEO_SUFFIXES`), first bytes, or FFmpeg's streams."""
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return Kind.VIDEO
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe may never return
            return Kind.CLOSED
        head = read_head(path)
    except OSError:
        return Kind.CLOSED
    return kind_of_content(head) or (Kind.VIDEO if suffix in _AMBIGUOUS else _probed(path))


def read_head(path: Path) -> bytes:
    """Return the first bytes of a file, for :func:`kind_of_content`; raises OSError if it cannot be read."""
    with path.open("rb") as stream:
        return stream.read(_HEAD)


def kind_of_content(head: bytes) -> Kind | None:
    """Return the kind of a file from its first bytes; None where they can belong to a video or to an audio file.

    >>> kind_of_content(b"#EXTM3U\\n"), kind_of_content(b"see other folder"), kind_of_content(b"RIFF\\0\\0\\0\\0AVI ")
    (<Kind.PLAYLIST: 'playlist'>, <Kind.OTHER: 'other file'>, None)
    """
    if not head:
        return Kind.EMPTY
    if animated_webp_size(head):
        return Kind.VIDEO
    if head.startswith(b"\x89PNG"):
        return None if b"acTL" in head.partition(b"IDAT")[0] else Kind.IMAGE  # an animated PNG may be a video
    if head.startswith(_IMAGES) or (head[:4], head[8:12]) == (b"RIFF", b"WEBP"):
        return Kind.IMAGE
    if head[4:8] == b"ftyp" and head[8:12] in _STILL_BRANDS:
        return Kind.IMAGE
    if head.startswith(_OTHER):
        return Kind.OTHER
    if head.startswith(BYTE_ORDER_MARKS) or not (_CONTROL.search(head) or head.startswith(b"YUV4MPEG2")):
        text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if _PLAYLIST.match(text):
            return Kind.PLAYLIST
        return Kind.SUBTITLES if _SUBTITLES.match(text) else Kind.OTHER
    return None


def animated_webp_size(head: bytes) -> tuple[int, int] | None:
    """Return width and height of an animated WebP image from its first bytes; None for another file."""
    if head[:4] != b"RIFF" or head[8:16] != b"WEBPVP8X" or len(head) < 30 or not head[20] & 2:
        return None
    return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1


def _probed(path: Path) -> Kind:
    """Return the kind of a file by the streams that FFmpeg finds in it."""
    options = {"protocol_whitelist": "file", "probesize": str(_PROBED)}
    try:
        with av.open(f"file:{os.fspath(path)}", metadata_errors="replace", container_options=options) as container:
            if container.format.name.endswith("_pipe") or container.format.name in ("image2", "ico"):
                return Kind.IMAGE
            streams = container.streams
            if any(not stream.disposition & av.stream.Disposition.attached_pic for stream in streams.video):
                return Kind.VIDEO
            return Kind.AUDIO if streams.audio else Kind.SUBTITLES if streams.subtitles else Kind.UNKNOWN
    except (av.FFmpegError, OSError, ValueError):
        return Kind.UNKNOWN
