"""The view of a watch in a terminal, and its summary."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from facetell.report.table import STYLE, clock, estimate
from facetell.report.words import VERDICTS, one_line
from facetell.verdict import UNSCORED, unclear
from facetell.watch.run import Watcher

BARS, SHOWN = "▁▂▃▄▅▆▇█", 24  # scores that are drawn
QUIET = 2.0  # seconds without a frame, or of delay, that are reported


def draw(watcher: Watcher) -> RenderableType:
    """Return the view: the verdict, a table of the faces, the latest message on the source, and the delay."""
    running = watcher.decides()
    verdict = watcher.verdict(running)
    title = Text.assemble(
        (VERDICTS[verdict], STYLE[verdict]),
        f"   {clock(watcher.at)}   over the last {watcher.window:g} s   {one_line(watcher.pump.source.name)}",
        no_wrap=True,
        overflow="ellipsis",  # a long name stays on one line
    )
    table = Table("face", "verdict", "forged, 95 % interval", "recent scores", "seen", box=None, pad_edge=False)
    for face in watcher.faces.values():
        running = watcher.running(face)
        verdict = watcher.verdict(running)
        label = VERDICTS[verdict] if running else UNSCORED[face.unfit] if face.unfit else "no clip yet"
        figures = estimate(running[0], *running[1]) if running else ""
        recent = [clip.probability for clip in face.clips][-SHOWN:]
        bars = "".join(BARS[min(len(BARS) - 1, int(p * len(BARS)))] for p in recent)
        seen = f"{clock(face.first)} to {clock(face.last)}"
        table.add_row(str(face.number), Text(label, STYLE[verdict]), figures, bars, seen)
    notes = [one_line(watcher.note)] if watcher.note else []
    scored = [face for face in watcher.faces.values() if watcher.running(face)]
    notes += [f"face {face.number}: {note}" for face in scored for note in unclear(face.flaws)]
    if (silent := time.monotonic() - watcher.pump.arrived) > QUIET and watcher.pump.ended is None:
        notes.append(f"no frame for {silent:.0f} s")
    if watcher.pump.behind > QUIET:
        notes.append(f"behind by {watcher.pump.behind:.0f} s: decoding is slower than the source")
    late = f"score {watcher.delay:.1f} s after the frame; " if watcher.scored else ""
    dropped, share = watcher.dropped
    drops = f"dropped {dropped} frames ({share:.0%}) to keep up" if dropped else "nothing dropped"
    return Group(title, table, *(Text(note, "yellow") for note in notes), Text(f"{late}{drops}; Ctrl-C ends", "dim"))


def summary(watcher: Watcher, reason: str, warnings: Sequence[str] = ()) -> str:
    """Return the lines that are printed at the end."""
    watched = f"{clock(watcher.at)} watched; faces seen: {watcher.seen}, clips scored: {watcher.scored}"
    if watcher.scored:
        watched += f"; a score came at most {watcher.most_delay:.1f} s after its last frame"
    if watcher.highest:
        probability, when, face, clips, _ = watcher.highest
        result = f"most suspect: face {face} at {clock(when)}, {estimate(probability).strip()} (mean of clips: {clips})"
    elif watcher.unfit:
        reasons = ", ".join(f"{UNSCORED[status]} ({n} clips)" for status, n in watcher.unfit.most_common())
        result = f"nothing was scored: the face is {reasons}"
    else:
        result = f"nothing was scored: no face was seen{' for long enough without a break' * (watcher.seen > 0)}"
    dropped, share = watcher.dropped
    drops = f"{dropped} frames dropped ({share:.1%}) to keep up; no clip reaches across them"
    lines = (
        one_line(f"{watcher.pump.source.name}: {reason}"),
        watched,
        result,
        drops if dropped else "no frame was dropped",
    )
    return "\n".join((*lines, *warnings))
