"""Texts that terminal, report and the pages of serve share, and formatting of numbers and of text from files."""

from __future__ import annotations

from unicodedata import category

from facetell.types import Status, Verdict

VERDICTS = {
    Verdict.FORGED: "forged",
    Verdict.GENUINE: "not detected as forged",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.NONE: "not scored",
}
READINGS = {
    Verdict.FORGED: "Likely manipulated",
    Verdict.GENUINE: "Not detected as forged",
    Verdict.INCONCLUSIVE: "Inconclusive",
    Verdict.NONE: "Not analysed",
}
SENTENCES = {
    Verdict.FORGED: "A face in this video resembles forged faces more than genuine ones.",
    Verdict.GENUINE: "Every scored face in this video resembles genuine faces more than forged ones.",
    Verdict.INCONCLUSIVE: "The scores allow either answer.",
    Verdict.NONE: "This video could not be scored. That is evidence neither for nor against it.",
}
WHY = {
    Verdict.FORGED: "The estimate reaches the threshold of {threshold}, and the whole interval is at or above {even}.",
    Verdict.GENUINE: "The whole interval is below {even}. A forgery that the model does not detect looks the same.",
    Verdict.INCONCLUSIVE: (
        "“Likely manipulated” needs an estimate of {threshold} or more and a whole interval at or above {even}; “not "
        "detected as forged” needs a whole interval below {even}."
    ),
    Verdict.NONE: "",
}
ESTIMATE = "Estimated probability of manipulation: {probability} (95 % interval: {low} to {high})."
CAVEAT = "An estimate by one automatic method, not a proof. It does not show who made or altered the video, or why."
NOTED = "Not included in the interval:"
ABSTAINED = {
    Status.NO_FACE: "No face was found: there is none, or it is turned away, covered or too dark throughout.",
    Status.TOO_SHORT: "No face is in view without a break for the length of one clip. A longer excerpt may be scored.",
    Status.FACE_TOO_SMALL: "Every face is too small for the model. A version of higher resolution may be scored.",
    Status.FACE_OBSCURED: "The face is pixelated. A version of the video without pixelation may be scored.",
    Status.NO_MOTION: "The face does not move: a still image, a slide show or a frozen camera. Only video is scored.",
    Status.DAMAGED: "Too few frames are undamaged to score a face. An undamaged copy of the file may be scored.",
    Status.NOT_CONSECUTIVE: "The images are not consecutive frames. Score the video itself, or all its frames.",
    Status.UNREADABLE: "No frame could be decoded: the file may be damaged, truncated, or not a video.",
}
REASON = "Message of the detector"
HIGH_CLIP = (
    "Clips that reach the threshold alone: {count} of {clips}, the highest at {time} ({probability}). The estimate is "
    "that of the mean of all clips of a face; a single clip is less certain than its figure."
)
ACCURACY = (
    "At its threshold for one face, {threshold}, the model flags about {forged} of 100 forged and {genuine} of 100 "
    "genuine videos of kinds it has not seen."
)
NO_RATES = "How often the model flags forged and genuine videos of kinds it has not seen is not measured."
NO_CARD = "There is no model card beside the model file: the accuracy of this model is unknown."


def percent(probability: float) -> str:
    """A probability; near the ends "over 99 %" and "under 1 %", never 0 % or 100 % by rounding.

    >>> percent(0.826), percent(0.9991)
    ('83\\xa0%', 'over 99\\xa0%')
    """
    if 0.995 < probability < 1:
        return "over 99\N{NO-BREAK SPACE}%"
    if 0 < probability < 0.005:
        return "under 1\N{NO-BREAK SPACE}%"
    return f"{100 * probability:.0f}\N{NO-BREAK SPACE}%"


def one_line(text: str) -> str:
    """Text from outside for a terminal or a plot: line breaks, control and invisible characters are escaped.

    >>> one_line("caf\\udce9\\n\\x1b]0;x\\x07")
    'caf\\\\udce9\\\\n\\\\x1b]0;x\\\\x07'
    """
    return "".join(
        # Spaces of other widths are harmless, and are part of our own messages.
        sign if sign.isprintable() or category(sign) == "Zs" else sign.encode("unicode_escape").decode("ascii")
        for sign in text
    )


def shortened(name: str, most: int) -> str:
    """A name on one line with at most ``most`` characters: its beginning and its end.

    >>> shortened("interview_of_2026-03-05_final.mp4", 20)
    'interview_…final.mp4'
    """
    name = one_line(name)
    return name if len(name) <= most else f"{name[: most // 2]}…{name[len(name) - (most - 1) // 2 :]}"


def plain_text(text: str) -> str:
    """Text that UTF-8 can encode: a file name may hold bytes that it cannot.

    >>> plain_text("caf\\udce9")
    'caf\\\\udce9'
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
