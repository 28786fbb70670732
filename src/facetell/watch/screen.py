"""The view of a watch in a terminal, and its summary."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from facetell.report.table import STYLE, clock
from facetell.report.words import one_line
from facetell.types import Verdict
from facetell.verdict import UNSCORED
from facetell.watch.run import WatchedFace, Watcher

BARS = "▁▂▃▄▅▆▇█"
AWAY = 1.0  # seconds after which a face that is not seen is shown as away
QUIET = 2.0  # seconds without a frame that are reported


def draw(watcher: Watcher) -> RenderableType:
    """Return the view: the verdict, a table of the faces, messages on the source, and the delay."""
    verdict = watcher.verdict(watcher.most_suspect())
    title = Text.assemble(
        (_waits(watcher) if verdict is Verdict.NONE else verdict.value, STYLE[verdict]),
        f"   {clock(watcher.at)}   over the last {watcher.window:g} s   {one_line(watcher.name)}",
        no_wrap=True,
        overflow="ellipsis",  # a long name stays on one line
    )
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("face", justify="right")
    table.add_column("verdict", no_wrap=True, min_width=12)
    table.add_column("forged, 95 % interval", justify="right", no_wrap=True)
    table.add_column("recent scores", no_wrap=True)
    table.add_column("seen", no_wrap=True)
    for face in watcher.faces:
        table.add_row(*_cells(face, watcher))
    lines: list[RenderableType] = [title, table if watcher.faces else Text("")]
    silent = time.monotonic() - watcher.pump.arrived
    if silent > QUIET and watcher.pump.ended is None:
        lines.append(Text(f"no frame for {silent:.0f} s", "yellow"))
    if watcher.pump.behind > QUIET:
        lines.append(Text(f"behind by {watcher.pump.behind:.0f} s: decoding is slower than the source", "yellow"))
    lines += [Text(one_line(note), "yellow") for note in watcher.notes]
    late = f"score {watcher.delay:.1f} s after the frame; " if watcher.scored else ""
    dropped, share = watcher.dropped
    drops = f"dropped {dropped} frames ({share:.0%}) to keep up" if dropped else "nothing dropped"
    lines.append(Text(f"{late}{drops}; Ctrl-C ends", "dim"))
    return Group(*lines)


def _waits(watcher: Watcher) -> str:
    """Return why there is no score now."""
    near = [face for face in watcher.faces if watcher.at - face.last <= AWAY]
    if not near:
        return "no face"
    reasons = {face.unfit for face in near}
    return f"face {UNSCORED[reason]}" if len(reasons) == 1 and (reason := reasons.pop()) else "looking"


def _cells(face: WatchedFace, watcher: Watcher) -> tuple[str, str, str, str, str]:
    running = watcher.running(face)
    verdict = watcher.verdict(running)
    label, figures = UNSCORED[face.unfit] if face.unfit else "looking", ""
    if running:
        label, figures = verdict.value, f"{running[0]:4.0%}  ({running[1][0]:.0%} to {running[1][1]:.0%})"
    bars = "".join(BARS[min(len(BARS) - 1, int(p * len(BARS)))] for p in face.recent)
    away = watcher.at - face.last
    seen = f"away for {away:.0f} s" if away > AWAY else f"since {clock(face.first)}, {face.width:.0f} px"
    return str(face.number), f"[{STYLE[verdict]}]{escape(label)}[/]", figures, bars, seen


def summary(watcher: Watcher, reason: str, warnings: Sequence[str] = ()) -> str:
    """Return the lines that are printed at the end."""
    seen, scored = _counted(watcher.seen, "face"), _counted(watcher.scored, "clip")
    watched = f"{clock(watcher.at)} watched, {seen} seen, {scored} scored"
    if watcher.scored:
        watched += f"; a score came at most {watcher.most_delay:.1f} s after its last frame"
    if watcher.highest:
        probability, when, face, clips = watcher.highest
        over = f"{_counted(clips, 'clip')} of the {watcher.window:g} s before" if clips > 1 else "1 clip"
        result = f"most suspect: face {face} at {clock(when)}, {probability:.0%} over {over}"
    else:
        why = "no face was seen for long enough without a break" if watcher.seen else "no face was seen"
        every = [UNSCORED[status] for status, faces in sorted(watcher.unfit.items()) if faces == watcher.seen]
        result = f"nothing was scored: {f'faces were {every[0]}' if every else why}"
    dropped, share = watcher.dropped
    drops = f"{dropped} frames dropped ({share:.1%}) to keep up; no clip reaches across them"
    lines = (one_line(f"{watcher.name}: {reason}"), watched, result, drops if dropped else "no frame was dropped")
    return "\n".join((*lines, *warnings))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
