"""The table of results in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from facetell.report.words import VERDICTS, one_line, percent
from facetell.types import Status, Verdict, VideoVerdict

# "Not detected as forged" is no success: it has no colour.
STYLE = {Verdict.FORGED: "bold red", Verdict.GENUINE: "default", Verdict.INCONCLUSIVE: "yellow", Verdict.NONE: "dim"}


def print_table(verdicts: Sequence[VideoVerdict], console: Console) -> None:
    """One row per video: verdict with "(!)" for warnings, probability, interval, faces, highest clip, speed."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    # In a narrow terminal every column is folded and none cut off; names keep their share.
    table.add_column("file", overflow="fold", width=12 if console.width < 80 else None)
    table.add_column("verdict", overflow="fold")
    for heading in ("forged, 95 % interval", "faces", "most suspect", "speed"):
        table.add_column(heading, justify="right", overflow="fold")
    for verdict in verdicts:
        table.add_row(*_cells(verdict), style=None if verdict.status is Status.SCORED else "dim")
    console.print(table)


def estimate(*values: float) -> str:
    """A probability in percent, and its interval if that is given."""
    shown, *ends = (percent(value).replace("\N{NO-BREAK SPACE}", "") for value in values)
    return f"{shown:>4}" + (f"  ({ends[0]} to {ends[1]})" if ends else "")


def _cells(verdict: VideoVerdict) -> tuple[Text, str, str, str, str, str]:
    word, probability = VERDICTS[verdict.verdict], ""
    if verdict.probability is not None and verdict.interval is not None:
        probability = estimate(verdict.probability, *verdict.interval)
    else:
        word = f"{word}: {verdict.status}"
    suspect = verdict.most_suspect
    speed = f"{verdict.duration / verdict.seconds_spent:.1f} x" if verdict.duration and verdict.seconds_spent else ""
    return (
        Text(one_line(Path(verdict.path).name)),  # without markup and emoji codes
        f"[{STYLE[verdict.verdict]}]{word}[/]" + " [yellow](!)[/]" * bool(verdict.warnings),
        probability,
        str(len(verdict.tracks)) if verdict.tracks else "",
        f"{clock(suspect.t0)} ({estimate(suspect.probability).strip()})" if suspect else "",
        speed,
    )


def clock(seconds: float) -> str:
    """A time in a video as m:ss.s (or h:mm:ss.s).

    >>> clock(75.25)
    '1:15.2'
    """
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"
