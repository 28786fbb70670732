"""Network addresses in place of files: recognised however they are written, and never for a file that exists."""

from pathlib import Path

import pytest

from facetell.video.container import address_in, missing_file
from facetell.video.find import find_videos
from facetell.video.reader import Unreadable, VideoReader


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/talk.mp4",
        "http://h:8080/a?b=*",
        "rtsp://10.0.0.7/door",
        "s3://b/k.mp4",
        "HTTPS://youtu.be/x",
    ],
)
def test_an_address_is_found_in_every_form(address):
    for path in (address, Path(address), Path("/data") / address, Path("clips", address)):
        assert address_in(path) == address
    assert find_videos([address]) == [Path(address)]
    with pytest.raises(Unreadable, match="is a network address, and facetell does not use the network: download"):
        VideoReader(Path(address))


@pytest.mark.parametrize("name", ["talk.mp4", "C:/talk.mp4", "10:30/talk.mp4", "file:///talk.mp4", "a: b/c", "https:/"])
def test_other_names_are_no_addresses(name):
    assert address_in(name) is None and missing_file(name) == f"there is no file {name}: check the name"


def test_a_file_that_exists_is_no_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("https:/example.org").mkdir(parents=True)
    Path("https:/example.org/talk.mp4").touch()
    assert address_in("https://example.org/talk.mp4") is None
