"""The plot of the scores over time that ``facetell detect --out`` writes beside the JSON: a PNG, one line per face."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from facetell.files import write_bytes
from facetell.report.images import by_estimate
from facetell.report.strings import VERDICTS
from facetell.report.words import one_line
from facetell.types import Status, VideoVerdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMED = 7  # faces with a colour of their own
MAX_TITLE = 60  # characters of a file name


def draw_timeline(verdict: VideoVerdict, threshold: float, path: Path) -> None:
    """Write :func:`make_timeline` as a PNG, atomically.

    Raises:
        FacetellError: the file cannot be written.
    """
    png = io.BytesIO()
    with warnings.catch_warnings():
        # Characters of a file name that the font lacks are drawn as boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing")
        make_timeline(verdict, threshold).savefig(png, metadata={"Software": None})
    write_bytes(path, png.getvalue())


def make_timeline(verdict: VideoVerdict, threshold: float) -> Figure:
    """The probability of each clip of each scored face over time, or why the video is not scored.

    Faces are numbered by their place in ``verdict.tracks``, as everywhere.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.axhline(threshold, color="0.5", linewidth=1, linestyle="--")
    axes.text(1.005, threshold, "threshold", color="0.4", va="center", fontsize=8, transform=axes.get_yaxis_transform())
    scored = [(n, track) for n, track in enumerate(verdict.tracks, start=1) if track.status is Status.SCORED]
    named = {track.track_id for track in by_estimate(verdict.tracks)[:NAMED]}
    for number, track in sorted(scored, key=lambda each: each[1].track_id in named):  # the named ones on top
        times = [(clip.t0 + clip.t1) / 2 for clip in track.clips]
        is_named = track.track_id in named
        look = {"label": f"face {number}: {track.probability:.0%}"} if is_named else {"color": "0.75", "linewidth": 1.0}
        (line,) = axes.plot(times, [clip.probability for clip in track.clips], marker="o", markersize=4, **look)
        if track.interval is not None and is_named:
            axes.fill_between([track.t0, track.t1], *track.interval, color=line.get_color(), alpha=0.12, linewidth=0)
    if len(scored) > len(named):
        axes.plot([], [], color="0.75", label=f"{len(scored) - len(named)} more")
    if scored:
        figure.legend(loc="outside lower left", frameon=False, fontsize=8, ncols=4)
    else:
        # Wrapping reads formulas between dollar signs whatever parse_math says.
        message = one_line(verdict.message).replace("$", r"\$")
        axes.text(0.5, 0.5, message, ha="center", va="center", wrap=True, transform=axes.transAxes, in_layout=False)
    axes.set(ylim=(-0.02, 1.02), xlabel="time (s)", ylabel="probability of forged")
    axes.set_xlim(0, max(verdict.duration or 0.0, *(track.t1 for track in verdict.tracks), 0.1))
    axes.spines[["top", "right"]].set_visible(False)
    name = one_line(Path(verdict.path).name)
    if len(name) > MAX_TITLE:
        name = f"{name[: MAX_TITLE - 16]}…{name[-15:]}"
    axes.set_title(f"{name}: {VERDICTS[verdict.verdict]}", loc="left", fontsize=10, parse_math=False)
    return figure
