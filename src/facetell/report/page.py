"""The HTML report: one file without external resources.

It contains no time of writing: the same files, model and settings give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from facetell.assets import ASSETS, AssetError, locate
from facetell.detector import Detector, Progress, Watch
from facetell.engine.card import read_card
from facetell.engine.released import model_word
from facetell.files import write_text
from facetell.report import strings
from facetell.report.heat import HeatClip
from facetell.report.images import Budget, collect_images
from facetell.report.quality import read_facts, used_rate
from facetell.report.result import to_result
from facetell.report.table import clock
from facetell.report.views import VideoView, make_view
from facetell.report.words import moment, percent, plain_text
from facetell.types import VideoVerdict
from facetell.verdict import UNSCORED, even_odds

TEMPLATES = Path(__file__).with_name("templates")
NAMED = 10  # videos that the command names one by one
REFERENCE_SECONDS = 3.0  # of the reference that are scored


class Report:
    """Collects what a report shows, video by video, and writes it.

    Args:
        detector: the one that scores the videos; it also scores the genuine reference.
        videos: how many videos the report will hold: the more, the fewer images for each.
        references: of other reports by the same detector, where there are some.
    """

    def __init__(self, detector: Detector, videos: int = 1, references: References | None = None) -> None:
        self._detector, self._budget = detector, Budget.of(videos)
        self._views: list[VideoView] = []
        self._references = references or References(detector)
        self._card = read_card(detector.engine.path)

    def add(self, verdict: VideoVerdict, shown: VideoVerdict | None = None, progress: Progress | None = None) -> None:
        """Add a video; its images are cropped now, in a second pass over the file.

        Args:
            verdict: on the video, whose file it names.
            shown: the same with the names and messages to show, by default ``verdict``.
            progress: called with (seconds done, seconds in all or None) as the video is read.
        """
        engine = self._detector.engine
        images = collect_images(verdict, engine.info, self._budget, progress, self._detector.settings.image_rate)
        self._views.append(
            make_view(
                shown or verdict,
                images,
                read_facts(Path(verdict.path)),
                engine.info,
                self._card,
                threshold=self._detector.threshold if verdict.threshold is None else verdict.threshold,
                budget=self._budget,
                motion=None if images.worst is None else engine.motion(images.worst),
                reference=self._references(verdict) if images.worst is not None and self._budget.heat else None,
            )
        )

    def html(self) -> str:
        """The complete page."""
        verdicts = [view.verdict for view in self._views]
        return render(
            "report",
            title=strings.TITLE_ONE.format(name=self._views[0].name) if len(verdicts) == 1 else strings.TITLE,
            videos=self._views,
            threshold=self._detector.threshold,
            card=self._card,
            method=_method(self._detector),
            provenance=verdicts[0].provenance if verdicts else None,  # the same for all videos of a run
            command=plain_text(_command(verdicts, self._detector)),
            result=_embedded(verdicts),
        )

    def write(self, path: Path) -> None:
        """Write the page atomically.

        Raises:
            FacetellError: the file cannot be written.
        """
        write_text(path, self.html())


class References:
    """Genuine footage to compare with, scored by a detector; each is scored once."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._found: dict[str, HeatClip | None] = {}

    def __call__(self, verdict: VideoVerdict) -> HeatClip | None:
        """A clip of another video than this one; None where it is not installed."""
        name = "sample_man" if verdict.sha256 == ASSETS["sample_woman"].sha256 else "sample_woman"
        if name not in self._found:
            self._found[name] = find_reference(name, self._detector)
        return self._found[name]


def find_reference(name: str, detector: Detector) -> HeatClip | None:
    """The highest-scoring clip of the first seconds of a sample video; None where there is none."""
    try:
        path = locate(name)
    except AssetError:
        return None
    info = detector.engine.info
    verdict = detector(path, watch=Watch(until=REFERENCE_SECONDS))
    frames = collect_images(verdict, info, Budget(0, 0, 0)).worst
    if frames is None or len(frames) < 3 or verdict.most_suspect is None:
        return None
    note = strings.HEAT_REFERENCE_NOTE.format(name=path.name, probability=percent(verdict.most_suspect.probability))
    return HeatClip(strings.HEAT_REFERENCE, note, frames, used_rate(verdict, info), detector.engine.motion(frames))


def render(name: str, **values: Any) -> str:
    """The page of a template with its style and script, ``NAME.html``, ``NAME.css`` and ``NAME.js``."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters |= {"percent": percent, "even": even_odds, "clock": clock, "moment": moment, "text": plain_text}
    environment.filters["reason"] = UNSCORED.get
    css, js = ((TEMPLATES / f"{name}.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    page = environment.get_template(f"{name}.html").render(
        t=strings, policy=content_policy(css, js), css=Markup(css), js=Markup(js), **values
    )
    # Names and messages may hold what UTF-8 cannot encode.
    return plain_text(page)


def content_policy(css: str, js: str) -> str:
    """A policy that allows the page's own style and script by their hashes, images inside the file, nothing else."""

    def hashed(text: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii") + "'"

    return f"default-src 'none'; img-src data:; style-src {hashed(css)}; script-src {hashed(js)}; base-uri 'none'"


def _method(detector: Detector) -> list[str]:
    info, settings = detector.engine.info, detector.settings
    of_model = info.calibration.false_positives > 0 and settings.threshold is None
    values = {
        "rate": f"{info.frame_rate:g}",
        # Clips do not overlap.
        "every": f"{max(1 / settings.clips_per_second, info.clip_frames / info.frame_rate):.3g}",
        "frames": info.clip_frames,
        "model": info.name,
        "most": settings.max_clips,
        "threshold": percent(detector.threshold),
        "share": percent(info.calibration.false_positives),
    }
    first, second, *others = strings.METHOD_STEPS
    bound = [strings.METHOD_BOUND] if settings.max_clips else []
    threshold = strings.THRESHOLD_CHOSEN if of_model else strings.THRESHOLD_GIVEN
    return [step.format(**values) for step in (first, second, *bound, *others, threshold)]


def _command(verdicts: Sequence[VideoVerdict], detector: Detector) -> str:
    """The command that gives the same figures, with every setting that they depend on."""
    settings = replace(detector.settings, precision=detector.engine.precision)
    paths = [_word(verdict.path) for verdict in verdicts] if len(verdicts) <= NAMED else ["VIDEO..."]
    options = {
        "--fps-scored": repr(settings.clips_per_second).removesuffix(".0"),
        "--max-clips": settings.max_clips,
        "--max-faces": settings.max_faces,
        # A given threshold is not corrected for the number of faces; the model's own is.
        "--threshold": settings.threshold,
        "--engine": settings.engine,
        "--precision": settings.precision if settings.engine == "openvino" else None,
        "--threads": settings.threads or None,
        # The name of a file without its folders, which may be private; the hash above identifies it.
        "--model": _word(model_word(detector.engine.path)),
        "--report": "report.html",
    }
    words = [f"{option} {value}" for option, value in options.items() if value is not None]
    return " ".join(["facetell detect", *paths, *words])


def _word(path: str) -> str:
    """A path as one word of a command line that is not taken for an option."""
    return shlex.quote(f"./{path}" if path.startswith("-") else path)


def _embedded(verdicts: Sequence[VideoVerdict]) -> Markup:
    """The JSON result for a script element; what could end the element is escaped."""
    text = json.dumps(to_result(verdicts), ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)
