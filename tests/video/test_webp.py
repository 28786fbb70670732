"""Animated WebP images are videos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facetell.video.reader import Unreadable
from facetell.video.source import open_video
from fixtures import sample_frames

DURATIONS = [40, 40, 40, 80, 40, 40]


@pytest.fixture(scope="module")
def content() -> bytes:
    animation = cv2.Animation()
    animation.frames = [np.ascontiguousarray(frame[::2, ::2, ::-1]) for frame in sample_frames()[: len(DURATIONS)]]
    animation.durations = DURATIONS
    return cv2.imencodeanimation(".webp", animation, [cv2.IMWRITE_WEBP_QUALITY, 95])[1].tobytes()


@pytest.fixture
def path(content: bytes, tmp_path: Path) -> Path:
    (tmp_path / "talk.webp").write_bytes(content)
    return tmp_path / "talk.webp"


def test_frames_come_at_their_times(path: Path) -> None:
    with open_video(path) as reader:
        assert (reader.info.width, reader.info.height, reader.info.codec) == (320, 180, "webp")
        assert reader.info.duration == pytest.approx(0.28) and reader.info.fps == pytest.approx(6 / 0.28)
        found = list(reader)
        assert reader.errors == ()
    assert [frame.time for frame in found] == pytest.approx([0, 0.04, 0.08, 0.12, 0.2, 0.24])
    for frame, image in zip(found, sample_frames(), strict=False):
        assert np.abs(frame.rgb().astype(int) - image[::2, ::2]).mean() < 4


def test_frames_without_a_duration_take_a_tenth_of_a_second(path: Path, content: bytes) -> None:
    data = bytearray(content)
    at = -1
    while (at := data.find(b"ANMF", at + 1)) >= 0:
        data[at + 20 : at + 23] = bytes(3)
    path.write_bytes(data)
    with open_video(path) as reader:
        assert [frame.time for frame in reader] == pytest.approx(np.arange(6) / 10)
        assert reader.info.fps == pytest.approx(10) and reader.duration == pytest.approx(0.6)


def test_frames_up_to_damage_are_read(path: Path, content: bytes) -> None:
    at = content.rindex(b"ANMF")
    path.write_bytes(content[: at + 500] + bytes(500) + content[at + 1000 :])
    with open_video(path) as reader:
        assert len(list(reader)) == 5
        assert reader.errors == reader.damage == ("the file is damaged after 5 of 6 frames",)


def test_a_file_that_is_cut_off_is_reported(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(Unreadable, match="is an animated WebP image that is cut off"):
        open_video(path)


def test_frames_that_are_too_large_are_not_decoded(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[24:30] = (16_000).to_bytes(3, "little") * 2
    path.write_bytes(data)
    with pytest.raises(Unreadable, match="16001 x 16001: scale it down"):
        open_video(path)


def test_a_still_webp_is_not_an_animation(tmp_path: Path) -> None:
    data = cv2.imencode(".webp", np.ascontiguousarray(sample_frames()[0]))[1]
    (tmp_path / "still.webp").write_bytes(data.tobytes())
    with open_video(tmp_path / "still.webp") as reader:
        assert len(list(reader)) == 1
