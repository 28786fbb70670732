"""Texts of verdicts and statuses that several outputs share: terminal, report, scan summary and the pages of serve."""

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
STATUSES = {
    Status.NO_FACE: "no face",
    Status.TOO_SHORT: "face in view too briefly",
    Status.FACE_TOO_SMALL: "face too small",
    Status.FACE_OBSCURED: "face pixelated",
    Status.NO_MOTION: "no motion",
    Status.DAMAGED: "frames damaged",
    Status.NOT_CONSECUTIVE: "images not consecutive",
    Status.UNREADABLE: "not readable",
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
