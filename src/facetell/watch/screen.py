"""The view of a watch in a terminal, and its summary."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from facetell.detector import Detector
from facetell.report.table import STYLE, clock
from facetell.report.words import one_line
from facetell.types import Verdict
from facetell.verdict import UNSCORED, read_verdict
from facetell.watch.board import Watched
from facetell.watch.run import State

BARS = "▁▂▃▄▅▆▇█"
AWAY = 1.0  # seconds after which a face that is not seen is shown as away


def draw(state: State, detector: Detector) -> RenderableType:
    """Return the view: the verdict, a table of the faces, messages on the source, and the delay."""
    verdict = state.verdict()
    title = Text.assemble(
        (_waits(state) if verdict is Verdict.NONE else verdict.value, STYLE[verdict]),
        f"   {clock(state.at)}   over the last {state.board.window:g} s   {one_line(state.name)}",
        no_wrap=True,
        overflow="ellipsis",  # a long name stays on one line
    )
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("face", justify="right")
    table.add_column("verdict", no_wrap=True, min_width=12)
    table.add_column("forged, 95 % interval", justify="right", no_wrap=True)
    table.add_column("recent scores", no_wrap=True)
    table.add_column("seen", no_wrap=True)
    for face in state.board.faces:
        table.add_row(*_cells(face, state, detector))
    lines: list[RenderableType] = [title, table if state.board.faces else Text("")]
    if state.quiet:
        lines.append(Text(f"no frame for {state.quiet:.0f} s", "yellow"))
    lines += [Text(one_line(note), "yellow") for note in state.notes]
    late = f"score {state.delay:.1f} s after the frame; " if state.board.scored else ""
    dropped, share = state.dropped
    keeps = f"dropped {dropped} frames ({share:.0%}) to keep up" if dropped else "nothing dropped"
    lines.append(Text(f"{late}{keeps}; Ctrl-C ends", "dim"))
    return Group(*lines)


def _waits(state: State) -> str:
    """Return why there is no score now."""
    near = [face for face in state.board.faces if state.at - face.last <= AWAY]
    if not near:
        return "no face"
    reasons = {face.unfit for face in near}
    return f"face {UNSCORED[reason]}" if len(reasons) == 1 and (reason := reasons.pop()) else "looking"


def _cells(face: Watched, state: State, detector: Detector) -> tuple[str, str, str, str, str]:
    running = face.running(detector.engine.info.calibration)
    label, figures = UNSCORED[face.unfit] if face.unfit else "looking", ""
    style = STYLE[Verdict.NONE]
    if running:
        verdict = read_verdict(*running, state.threshold)
        label, style = verdict.value, STYLE[verdict]
        figures = f"{running[0]:4.0%}  ({running[1][0]:.0%} to {running[1][1]:.0%})"
    bars = "".join(BARS[min(len(BARS) - 1, int(p * len(BARS)))] for p in face.recent)
    away = state.at - face.last
    seen = f"away for {away:.0f} s" if away > AWAY else f"since {clock(face.first)}, {face.width:.0f} px"
    return str(face.number), f"[{style}]{escape(label)}[/]", figures, bars, seen


def summary(state: State, reason: str, warnings: Sequence[str] = ()) -> str:
    """Return the lines that are printed at the end."""
    board = state.board
    watched = f"{clock(state.at)} watched, {_counted(board.seen, 'face')} seen, {_counted(board.scored, 'clip')} scored"
    if board.scored:
        watched += f"; a score came at most {state.most_delay:.1f} s after its last frame"
    if board.highest:
        probability, when, face, clips = board.highest
        over = f"{_counted(clips, 'clip')} of the {board.window:g} s before" if clips > 1 else "1 clip"
        result = f"most suspect: face {face} at {clock(when)}, {probability:.0%} over {over}"
    else:
        result = f"nothing was scored: {_why_unscored(state)}"
    dropped, share = state.dropped
    drops = f"{dropped} frames dropped ({share:.1%}) to keep up; no clip reaches across them"
    lines = (one_line(f"{state.name}: {reason}"), watched, result, drops if dropped else "no frame was dropped")
    return "\n".join((*lines, *warnings))


def _why_unscored(state: State) -> str:
    """Return why no face was scored at all."""
    if not state.board.seen:
        return "no face was seen"
    for reason, faces in sorted(state.board.unfit.items()):
        if faces == state.board.seen:
            return f"faces were {UNSCORED[reason]}"
    return "no face was seen for long enough without a break"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
