"""The report: one HTML file that needs nothing else, says what was found, and how far that carries.

Nothing in it depends on when it was made: the same files, model and settings give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from facetell.assets import ASSETS, AssetError, locate
from facetell.detector import Detector, Progress, Watch
from facetell.engine.info import ModelInfo
from facetell.engine.released import model_word
from facetell.files import write_text
from facetell.report import strings
from facetell.report.card import Card, read_card
from facetell.report.condition import read_facts, used_rate
from facetell.report.pictures import Budget, collect_pictures
from facetell.report.result import to_result
from facetell.report.table import clock
from facetell.report.views import Reference, VideoView, make_view
from facetell.report.words import moment, percent, plain_text
from facetell.types import VideoVerdict
from facetell.verdict import even_odds

TEMPLATES = Path(__file__).with_name("templates")
NAMED = 10  # videos that the command names one by one
REFERENCE_SECONDS = 3.0  # of the reference that are looked at


class Report:
    """Gathers what a report shows, video by video, and writes it.

    Args:
        detector: the one that scores the videos; it also scores the genuine reference.
        videos: how many videos the report will hold: the more, the fewer pictures each gets.
        references: of other reports by the same detector, where there are some.
    """

    def __init__(self, detector: Detector, videos: int = 1, references: References | None = None) -> None:
        self._detector, self._budget = detector, Budget.of(videos)
        self._views: list[VideoView] = []
        self._references = references or References(detector)
        self._card = read_card(detector.engine.path)

    def add(self, verdict: VideoVerdict, shown: VideoVerdict | None = None, progress: Progress | None = None) -> None:
        """Take a video up: its pictures are cut now, in a second pass over the file.

        Args:
            verdict: on the video, whose file it names.
            shown: the same as it is to be shown, by default as it is.
            progress: called with (seconds done, seconds in all or None) as the video is read.
        """
        info = self._detector.engine.info
        pictures = collect_pictures(verdict, info, self._budget, progress, self._detector.settings.image_rate)
        view = make_view(
            shown or verdict,
            pictures,
            read_facts(Path(verdict.path)),
            info,
            self._card,
            threshold=self._detector.threshold if verdict.threshold is None else verdict.threshold,
            budget=self._budget,
            motion=None if pictures.worst is None else self._detector.engine.motion(pictures.worst),
            reference=self._references(verdict) if pictures.worst is not None and self._budget.heat else None,
        )
        self._views.append(view)

    def html(self) -> str:
        """The whole page."""
        return render(self._views, self._detector, self._card)

    def write(self, path: Path) -> None:
        """Write the page; it appears whole or not at all.

        Raises:
            FacetellError: the file cannot be written.
        """
        write_text(path, self.html())


class References:
    """Genuine footage to compare with; each is scored once.

    Args:
        detector: scores it.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._found: dict[str, Reference | None] = {}

    def __call__(self, verdict: VideoVerdict) -> Reference | None:
        """Footage other than the video itself; None where it is not installed."""
        name = "sample_man" if verdict.sha256 == ASSETS["sample_woman"].sha256 else "sample_woman"
        if name not in self._found:
            self._found[name] = find_reference(name, self._detector)
        return self._found[name]


def find_reference(name: str, detector: Detector) -> Reference | None:
    """The most suspect clip of the first seconds of a sample video; None where it is missing or cannot be scored."""
    try:
        path = locate(name)
    except AssetError:
        return None
    verdict = detector(path, watch=Watch(until=REFERENCE_SECONDS))
    frames = collect_pictures(verdict, detector.engine.info, Budget(0, 0, 0)).worst
    if frames is None or len(frames) < 3 or verdict.most_suspect is None:
        return None
    return Reference(
        path.name,
        frames,
        verdict.most_suspect.probability,
        used_rate(verdict, detector.engine.info),
        detector.engine.motion(frames),
    )


def render(views: Sequence[VideoView], detector: Detector, card: Card) -> str:
    """The page of these videos; ``detector`` has scored them, ``card`` is that of its model."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters |= {"percent": percent, "even": even_odds, "clock": clock, "moment": moment, "text": plain_text}
    environment.globals["t"] = strings
    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    js = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    verdicts = [view.verdict for view in views]
    info = detector.engine.info
    page = environment.get_template("report.html").render(
        title=strings.TITLE_ONE.format(name=views[0].name) if len(views) == 1 else strings.TITLE,
        policy=content_policy(css, js),
        css=Markup(css),
        js=Markup(js),
        videos=views,
        threshold=detector.threshold,
        card=card,
        method=_method(info, detector),
        provenance=list(_provenance(verdicts)),
        command=plain_text(_command(verdicts, detector)),
        result=_embedded(verdicts),
    )
    # Names and remarks may hold what UTF-8 cannot carry.
    return plain_text(page)


def content_policy(css: str, js: str) -> str:
    """A policy under which the page's own style and script run and nothing else: no network, no inline handlers."""

    def hashed(text: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii") + "'"

    return f"default-src 'none'; img-src data:; style-src {hashed(css)}; script-src {hashed(js)}; base-uri 'none'"


def _method(info: ModelInfo, detector: Detector) -> list[str]:
    values = {
        "rate": f"{info.frame_rate:g}",
        # Clips do not overlap.
        "every": f"{max(1 / detector.settings.clips_per_second, info.clip_frames / info.frame_rate):.3g}",
        "frames": info.clip_frames,
        "model": info.name,
    }
    calibration = info.calibration
    of_model = calibration.false_positives > 0 and detector.settings.threshold is None
    threshold = (strings.THRESHOLD_CHOSEN if of_model else strings.THRESHOLD_GIVEN).format(
        threshold=percent(detector.threshold), share=percent(calibration.false_positives)
    )
    steps = [step.format(**values) for step in strings.METHOD_STEPS]
    if detector.settings.max_clips:
        steps.insert(2, strings.METHOD_BOUND.format(most=detector.settings.max_clips))
    return [*steps, threshold]


def _provenance(verdicts: Sequence[VideoVerdict]) -> Iterator[tuple[str, str]]:
    """Versions and settings, the same for all videos of a run."""
    if not verdicts:
        return
    found: Mapping[str, Any] = verdicts[0].provenance
    model, engine = found["model"], found["engine"]
    yield strings.VERSION, str(found["facetell"])
    yield strings.MODEL, f"{model['name']}, SHA-256 {model['sha256']}"
    yield (
        strings.ENGINE,
        strings.ENGINE_VALUE.format(name=engine["name"], version=engine["version"], precision=engine["precision"]),
    )
    yield strings.PYTHON, str(found["python"])
    yield strings.ASSETS, "; ".join(f"{name}: SHA-256 {digest}" for name, digest in found["assets"].items())
    yield strings.SETTINGS, ", ".join(f"{key} = {value}" for key, value in found["settings"].items())


def _command(verdicts: Sequence[VideoVerdict], detector: Detector) -> str:
    """The command that scores the same again, every setting that bears on the figures spelt out."""
    settings = replace(detector.settings, precision=detector.engine.precision)
    paths = [_word(verdict.path) for verdict in verdicts] if len(verdicts) <= NAMED else ["VIDEO..."]
    words = ["facetell", "detect", *paths]
    words += [
        "--fps-scored",
        repr(settings.clips_per_second).removesuffix(".0"),
        "--max-clips",
        str(settings.max_clips),
        "--max-faces",
        str(settings.max_faces),
    ]
    # A threshold that is given is not corrected for the number of faces; the model's own is.
    words += ["--threshold", repr(settings.threshold)] if settings.threshold is not None else []
    words += ["--engine", settings.engine]
    words += ["--precision", str(settings.precision)] if settings.engine == "openvino" else []
    words += ["--threads", str(settings.threads)] if settings.threads else []
    # Of a file only its name: where a server keeps its model is nobody's business, and the hash above says which it is.
    words += ["--model", _word(model_word(detector.engine.path))]
    return " ".join([*words, "--report", "report.html"])


def _word(path: str) -> str:
    """A path as one word of a command, which no shell takes apart and no program takes for an option."""
    return shlex.quote(f"./{path}" if path.startswith("-") else path)


def _embedded(verdicts: Sequence[VideoVerdict]) -> Markup:
    """The JSON result for a script element: what could end the element is written as an escape."""
    text = json.dumps(to_result(verdicts), ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)
