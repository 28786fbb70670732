"""What the check of an upload accepts and refuses."""

import cv2
import numpy as np
import pytest

from facetell.serve.faults import Refused
from facetell.serve.inspect import check
from facetell.serve.process import Checked
from facetell.serve.settings import Limits


def test_an_animated_webp_is_a_video(tmp_path):
    animation = cv2.Animation()
    animation.frames = [np.full((60, 80, 3), level, np.uint8) for level in (0, 90, 180)]
    animation.durations = [40] * 3
    (tmp_path / "upload").write_bytes(cv2.imencodeanimation(".webp", animation)[1].tobytes())
    assert check(tmp_path / "upload", Limits()) == Checked(width=80, height=60, duration=0.12)
    with pytest.raises(Refused, match="its frames are 80 x 60"):
        check(tmp_path / "upload", Limits(pixels=80 * 60 - 1))
