"""The table of results in the terminal."""

import doctest
import io

import pytest
from rich.console import Console

from facetell.report import words
from facetell.report.table import print_table
from facetell.types import ClipScore, Crop, Status, TrackVerdict, Verdict, VideoVerdict

CLIP = ClipScore(75.0, 75.28, 1.25, 0.75, Crop(50, 50, 100))
TRACK = TrackVerdict(0, Status.SCORED, 0.75, (0.5, 0.9), 1.25, 0.0, 99.0, 88.0, (CLIP,))


def lines(name, width):
    """The table of a video of this name that was scored and one that was not."""
    console = Console(file=io.StringIO(), width=width)
    scored = VideoVerdict(
        name, Status.SCORED, Verdict.FORGED, 0.75, (0.5, 0.9), (TRACK,), duration=99.0, seconds_spent=9.9
    )
    print_table([scored, VideoVerdict("b.mp4", Status.FACE_TOO_SMALL, Verdict.NONE, None, None, ())], console)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [55, 64, 80])
def test_a_narrow_terminal_folds_the_names_and_the_figures_and_cuts_nothing_off(width):
    name = "a_rather_long_name_of_a_video.mp4"
    found = lines(name, width)
    first = "".join(line[: line.find(" ")] for line in found if not line.startswith(" "))
    assert first == f"file{name}b.mp4"
    assert {"forged", "75%", "1:15.0", "(75%)", "10.0"} <= set(" ".join(found).split())


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("t\x1b]0;pwn\x07.mp4", r"t\x1b]0;pwn\x07.mp4"),
        ("a\nb.mp4", r"a\nb.mp4"),
        ("caf\udce9.mp4", r"caf\udce9.mp4"),
        (":smile:.mp4", ":smile:.mp4"),
    ],
)
def test_a_name_is_shown_as_it_is_on_one_line(name, shown):
    assert lines(name, 120)[1].startswith(shown)


def test_examples_run():
    assert doctest.testmod(words).attempted == 4 and doctest.testmod(words).failed == 0
