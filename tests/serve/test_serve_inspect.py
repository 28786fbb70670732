"""What a first look at an upload accepts and refuses."""

import cv2
import numpy as np
import pytest

from facetell.serve.inspect import look

PIXELS = 10_000


def write(path, suffix, images):
    animation = cv2.Animation()
    animation.frames, animation.durations = images, [40] * len(images)
    path.write_bytes(cv2.imencodeanimation(suffix, animation)[1].tobytes())
    return path


def test_an_animated_webp_is_a_video(tmp_path):
    frames = [np.full((60, 80, 3), level, np.uint8) for level in (0, 90, 180)]
    assert look(write(tmp_path / "upload", ".webp", frames), PIXELS) == {"width": 80, "height": 60, "duration": 0.12}
    assert look(tmp_path / "upload", 80 * 60 - 1)["refused"] == "too_many_pixels"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xd8\xff\xe0", "the file is an image, not a video: send a video"),
        (b"#EXTM3U\n#EXTINF:2,\nother.ts\n", "the file is a playlist, not a video: send a video"),
        (b"plain text", "the file is not a video that can be read"),
        (b"", "the file is not a video that can be read"),
    ],
)
def test_what_is_not_a_video_is_refused(content, message, tmp_path):
    (tmp_path / "upload").write_bytes(content)
    found = look(tmp_path / "upload", PIXELS)
    assert found["refused"] == "unreadable" and found["message"].startswith(message)
