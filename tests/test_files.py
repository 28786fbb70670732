"""Output files: their names, and what is refused before and while they are written."""

import os
from pathlib import Path

import pytest

from facetell.files import NAME_BYTES, check_all_writable, short_name, temporary_beside, write_text
from facetell.types import FacetellError
from facetell.video.writer import VideoWriter
from fixtures import closed_to_all, sample_frames


@pytest.mark.parametrize("sign", ["a", "\u00e9", "\N{CJK UNIFIED IDEOGRAPH-8BDD}", "\N{GRINNING FACE}", "\udce9"])
def test_a_long_name_is_shortened_between_characters_and_unique(sign):
    names = [short_name(sign * 300 + end, 5) for end in ("a.mp4", "b.mp4")]
    assert names[0] != names[1]
    for name in names:
        size = len(os.fsencode(name))
        assert NAME_BYTES - 5 - len(sign.encode("utf-8", "replace")) < size <= NAME_BYTES - 5
        assert set(name[: -len("-0123456789")]) == {sign}


def test_files_with_the_longest_name_are_written(tmp_path):
    text, video = tmp_path / ("a" * NAME_BYTES), tmp_path / ("v" * (NAME_BYTES - 4) + ".mp4")
    write_text(text, "1")
    with VideoWriter(video, fps=25, width=64, height=64) as writer:
        writer.write(sample_frames("sample_man", 1)[0, :64, :64])
    assert sorted(tmp_path.iterdir()) == [text, video] and video.stat().st_size > 0
    assert len(temporary_beside(text).name) == NAME_BYTES


def test_paths_that_cannot_be_written_are_one_message(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link.json").symlink_to("pipe")
    for name, reason in (("file/a.json", "its folder is a file"), ("circle/a.json", ""), ("link.json", "a pipe")):
        with pytest.raises(FacetellError, match=rf"cannot write .*{reason}.*; "):
            check_all_writable([tmp_path / name], [tmp_path / "circle"])
        with pytest.raises(FacetellError, match=rf"cannot write .*{reason}.*; "):
            write_text(tmp_path / name, "{}")
    assert (tmp_path / "link.json").is_symlink() and (tmp_path / "pipe").is_fifo()


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "link.json").symlink_to("deep/a.json")
    for text in ("1", "2"):
        write_text(tmp_path / "link.json", text)
        assert (tmp_path / "deep" / "a.json").read_text() == text
    assert (tmp_path / "link.json").is_symlink() and len(list((tmp_path / "deep").iterdir())) == 1


def test_a_folder_without_permission_is_refused(tmp_path, monkeypatch):
    (closed := tmp_path / "closed").mkdir()
    monkeypatch.chdir(tmp_path)
    with closed_to_all(closed, tmp_path), pytest.raises(FacetellError, match=r"cannot write .*: Permission denied; ch"):
        check_all_writable([Path("closed/a.json")])
