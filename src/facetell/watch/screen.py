"""The view of a watch in a terminal, and its summary."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from facetell.report.table import STYLE, clock
from facetell.report.words import one_line
from facetell.types import Verdict
from facetell.verdict import UNSCORED
from facetell.watch.board import Board, Watched

BARS = "▁▂▃▄▅▆▇█"
AWAY = 1.0  # seconds after which a face that is not seen is shown as away


def draw(board: Board) -> RenderableType:
    """Return the view: the verdict, a table of the faces, messages on the source, and the delay."""
    verdict = board.verdict(board.most_suspect())
    title = Text.assemble(
        (_waits(board) if verdict is Verdict.NONE else verdict.value, STYLE[verdict]),
        f"   {clock(board.at)}   over the last {board.window:g} s   {one_line(board.name)}",
        no_wrap=True,
        overflow="ellipsis",  # a long name stays on one line
    )
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("face", justify="right")
    table.add_column("verdict", no_wrap=True, min_width=12)
    table.add_column("forged, 95 % interval", justify="right", no_wrap=True)
    table.add_column("recent scores", no_wrap=True)
    table.add_column("seen", no_wrap=True)
    for face in board.faces:
        table.add_row(*_cells(face, board))
    lines: list[RenderableType] = [title, table if board.faces else Text("")]
    if board.quiet:
        lines.append(Text(f"no frame for {board.quiet:.0f} s", "yellow"))
    lines += [Text(one_line(note), "yellow") for note in board.notes]
    late = f"score {board.delay:.1f} s after the frame; " if board.scored else ""
    dropped, share = board.dropped
    keeps = f"dropped {dropped} frames ({share:.0%}) to keep up" if dropped else "nothing dropped"
    lines.append(Text(f"{late}{keeps}; Ctrl-C ends", "dim"))
    return Group(*lines)


def _waits(board: Board) -> str:
    """Return why there is no score now."""
    near = [face for face in board.faces if board.at - face.last <= AWAY]
    if not near:
        return "no face"
    reasons = {face.unfit for face in near}
    return f"face {UNSCORED[reason]}" if len(reasons) == 1 and (reason := reasons.pop()) else "looking"


def _cells(face: Watched, board: Board) -> tuple[str, str, str, str, str]:
    running = board.running(face)
    label, figures = UNSCORED[face.unfit] if face.unfit else "looking", ""
    style = STYLE[Verdict.NONE]
    if running:
        verdict = board.verdict(running)
        label, style = verdict.value, STYLE[verdict]
        figures = f"{running[0]:4.0%}  ({running[1][0]:.0%} to {running[1][1]:.0%})"
    bars = "".join(BARS[min(len(BARS) - 1, int(p * len(BARS)))] for p in face.recent)
    away = board.at - face.last
    seen = f"away for {away:.0f} s" if away > AWAY else f"since {clock(face.first)}, {face.width:.0f} px"
    return str(face.number), f"[{style}]{escape(label)}[/]", figures, bars, seen


def summary(board: Board, reason: str, warnings: Sequence[str] = ()) -> str:
    """Return the lines that are printed at the end."""
    watched = f"{clock(board.at)} watched, {_counted(board.seen, 'face')} seen, {_counted(board.scored, 'clip')} scored"
    if board.scored:
        watched += f"; a score came at most {board.most_delay:.1f} s after its last frame"
    if board.highest:
        probability, when, face, clips = board.highest
        over = f"{_counted(clips, 'clip')} of the {board.window:g} s before" if clips > 1 else "1 clip"
        result = f"most suspect: face {face} at {clock(when)}, {probability:.0%} over {over}"
    else:
        result = f"nothing was scored: {_why_unscored(board)}"
    dropped, share = board.dropped
    drops = f"{dropped} frames dropped ({share:.1%}) to keep up; no clip reaches across them"
    lines = (one_line(f"{board.name}: {reason}"), watched, result, drops if dropped else "no frame was dropped")
    return "\n".join((*lines, *warnings))


def _why_unscored(board: Board) -> str:
    """Return why no face was scored at all."""
    if not board.seen:
        return "no face was seen"
    for reason, faces in sorted(board.unfit.items()):
        if faces == board.seen:
            return f"faces were {UNSCORED[reason]}"
    return "no face was seen for long enough without a break"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
