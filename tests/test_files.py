import os

import pytest

from facetell.files import NAME_BYTES, short_name, temporary_beside, write_text
from facetell.video.writer import VideoWriter
from fixtures import sample_frames


@pytest.mark.parametrize("sign", ["a", "\u00e9", "\N{CJK UNIFIED IDEOGRAPH-8BDD}", "\N{GRINNING FACE}", "\udce9"])
def test_a_long_name_is_shortened_between_characters_and_unique(sign):
    names = [short_name(sign * 300 + end, 5) for end in ("a.mp4", "b.mp4")]
    assert names[0] != names[1]
    for name in names:
        size = len(os.fsencode(name))
        assert NAME_BYTES - 5 - len(sign.encode("utf-8", "replace")) < size <= NAME_BYTES - 5
        assert set(name[: -len("-0123456789")]) == {sign}


def test_a_name_that_is_not_too_long_is_unchanged():
    assert short_name("a" * NAME_BYTES) == "a" * NAME_BYTES and short_name("a" * 250, 5) == "a" * 250
    assert short_name("a" * 251, 5) != "a" * 251


def test_files_with_the_longest_name_are_written(tmp_path):
    text, video = tmp_path / ("a" * NAME_BYTES), tmp_path / ("v" * (NAME_BYTES - 4) + ".mp4")
    write_text(text, "1")
    with VideoWriter(video, fps=25, width=64, height=64) as writer:
        writer.write(sample_frames("sample_man", 1)[0, :64, :64])
    assert sorted(tmp_path.iterdir()) == [text, video] and video.stat().st_size > 0
    assert len(temporary_beside(text).name) == NAME_BYTES
