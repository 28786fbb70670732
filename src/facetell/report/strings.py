"""Every word of the report that is ours, in one place: to translate it, give the page another module like this one.

Words in braces are filled in. Remarks of the detector on a single video (its message and warnings) come with the
result and are shown as they are.
"""

from facetell.types import Status, Verdict

LANGUAGE = "en"

TITLE = "facetell report"
TITLE_ONE = "facetell report: {name}"
LEAD = (
    "facetell examines the faces in a video, and estimates whether a face was forged: swapped, "
    "re-enacted or generated. This report says what it found, how sure that is, and what it cannot say."
)
SKIP = "Skip to the findings"
ON_THIS_PAGE = "On this page"

SUMMARY = "Summary"
SUMMARY_CAPTION = "One row a video"
COLUMN_FILE = "File"
COLUMN_READING = "Reading"
COLUMN_PROBABILITY = "Probability of forged"
COLUMN_INTERVAL = "95 % interval"
COLUMN_FACES = "Faces"
COLUMN_WHEN = "Most suspect at"

READING = "Reading"
READINGS = {
    Verdict.FORGED: "Reads as forged",
    Verdict.GENUINE: "No sign of forgery",
    Verdict.INCONCLUSIVE: "Inconclusive",
    Verdict.NONE: "No statement",
}
SENTENCES = {
    Verdict.FORGED: "A face in this video looks more like forged faces than like genuine ones.",
    Verdict.GENUINE: "Every scored face in this video looks more like genuine faces than like forged ones.",
    Verdict.INCONCLUSIVE: "How the faces look does not decide it: the figures allow either answer.",
    Verdict.NONE: "This video could not be scored. That is a result: it speaks neither for nor against the video.",
}
WHY = {
    Verdict.FORGED: "It reaches the threshold of {threshold}, and the whole interval lies at or above {even}.",
    Verdict.GENUINE: (
        "The whole interval lies below {even}. That does not prove the video genuine: a forgery "
        "of a kind that the model does not recognise looks the same."
    ),
    Verdict.INCONCLUSIVE: (
        "“Forged” would need an estimate of {threshold} or more and a whole interval at or above {even}; “no sign of "
        "forgery” a whole interval below {even}."
    ),
    Verdict.NONE: "",
}
ESTIMATE = "Estimated probability that it is forged: {probability} (95 % interval: {low} to {high})."
OF_FACES = "This is the figure of the most suspect of {count} scored faces, face {number}."
CORRECTED = (
    "The threshold is corrected for {count} faces, as the highest of several genuine faces reaches a threshold more "
    "often than one; for one face it is {one}."
)
CAVEAT = (
    "An indication from one automatic method, not a proof. It does not say who made or altered the video, when, or why."
)
CAVEAT_LINK = "How to read the figures, and what they leave out"
NOTED = "Noted, and not counted in the interval:"
ABSTAINED = {
    Status.NO_FACE: (
        "No face was found. facetell judges faces only; a video without one, or with faces turned away, covered or in "
        "the dark throughout, gets no figure. Other forms of manipulation are not looked for."
    ),
    Status.TOO_SHORT: (
        "No face stays in view, without a break, for as long as the model must see it. A longer excerpt may be scored."
    ),
    Status.FACE_TOO_SMALL: (
        "Every face is smaller than the model can judge. Enlarging the video does not help: the detail is not there. "
        "A version of higher resolution may be scored."
    ),
    Status.FACE_OBSCURED: (
        "The face is obscured: it is pixelated, and its detail is not there. A version of the video without the mosaic "
        "may be scored."
    ),
    Status.NO_MOTION: (
        "The face does not move by itself: the video may show a still image or a slide show, or the camera was frozen. "
        "facetell scores video, so there is nothing to score. This says nothing about whether the image is genuine."
    ),
    Status.NOT_CONSECUTIVE: (
        "The images of the folder are not consecutive frames of a video. facetell scores consecutive frames: "
        "score the video itself, or a folder of all its frames."
    ),
    Status.UNREADABLE: (
        "No picture could be read from the file. It may be damaged, cut off, or not a video. Get the file anew from "
        "its source, and compare the sha256 below."
    ),
}
REASON = "What the detector noted"
MODEL_SAYS = "How good the model is, by its own measurement:"
AUC = (
    "AUC: of pairs of a forged and a genuine video, the share in which the forged one gets the higher score. "
    "0.5 is chance, 1 is without fault. “val” are videos that the model was not trained on."
)
NO_CARD = "There is no model card beside the model file: how good this model is, is not known here."

GAUGE_ALT = "Scale from 0 to 100 %: estimate {probability}, interval {low} to {high}, threshold {threshold}"
FORGED_END = "100 % forged"
GENUINE_END = "0 %"
PERCENT = "{figure}\N{NO-BREAK SPACE}%"
OVER = "over {percent}"
UNDER = "under {percent}"
THRESHOLD = "threshold"

FACES_NOTE = (
    "A “face” here is one unbroken appearance: the same person may come back as another face after a cut. Faces are "
    "numbered as they appear."
)
FACE = "Face {number}"
FACE_FIGURES = "{probability} ({low} to {high}); in view from {start} to {end}; {clips} of {seconds} s scored."
CLIP_ONE = "1 clip"
CLIPS = "{count} clips"
CLIPS_CHOSEN = "{count} of {seen} clips (evenly spaced)"
SCENE_ALT = "The whole picture at {time}; a white square marks face {number}"
SCENE_CAPTION = "Face {number} in the picture, at {time}"
STRIP = "Face {number} over time"
MOMENT_ALT = "Face {number} at {time}, {probability} forged"
CHART = "Score over time"
CHART_ALT = (
    "Chart of the score of face {number} from {start} to {end}: lowest {lowest}, highest {highest} at {when}. "
    "All values stand in the table below."
)
CHART_NOTE = (
    "Each dot is one clip of {seconds} s; diamonds are the highest. The solid line is the estimate for the face, "
    "the band its 95 % interval, the dashed line the threshold. Single clips vary more than the estimate of the face, "
    "and their figures look surer than they are: the calibration is that of the mean score of a video."
)
CHART_GROUP = "Each dot is the most suspect of {group} clips in a row."
CHART_HINT = "Point at the chart, or move the slider with the arrow keys, to see the face at that moment."
SLIDER = "Moment of face {number}"
MOMENT = "{time}: {probability}"
MOMENT_OTHER = "picture of {time}"
TABLE = "All values of face {number} as a table"
TABLE_CAPTION = "Probability of forged by clip, face {number}"
COLUMN_TIME = "Time"
COLUMN_CLIP = "Probability of forged"
COLUMN_PICTURE = "Picture"
NO_PICTURE = "none kept"
SEGMENTS = "Most suspect segments"
SEGMENTS_NOTE = "The highest of this face, shown frame by frame; being the highest does not make them suspect."
SEGMENT_CAPTION = "{start} to {end}: {probability}"
SEGMENT_ALT = "Face {number} in segment {start} to {end}, picture {place} of {count}"
OTHERS = "Other faces"
OTHERS_CAPTION = "Faces shown without pictures"
COLUMN_FACE = "Face"
COLUMN_FROM = "From"
COLUMN_TO = "To"
COLUMN_WIDTH = "Width in pixels"
TRACK_ABSTAINED = {
    Status.TOO_SHORT: "not scored: seen too briefly",
    Status.FACE_TOO_SMALL: "not scored: too small",
    Status.FACE_OBSCURED: "not scored: pixelated",
    Status.NO_MOTION: "not scored: without motion",
}
MORE_FACES = "{count} more faces are in the embedded result only."
FILE_CHANGED = "There are no pictures: the file has changed since it was scored."
FILE_GONE = "There are no pictures: the file could no longer be read when this report was made."

HEAT = "Where the picture changes unevenly"
HEAT_NOTE = (
    "Second differences of the picture: how far each picture of the clip departs from what the two before it lead one "
    "to expect, |x(t+2) − 2 x(t+1) + x(t)|, mean over the clip, in grey levels of 256. Steady motion gives little; "
    "trembling, flicker, noise, compression and quick natural movements such as blinks and speech all give much. "
    "These are differences of the picture itself, and alone no evidence."
)
RESPONSE_NOTE = (
    "The third picture is the network's own: how strongly its motion blocks answer to second differences of their "
    "features, mean over the blocks and the clip, brightest at the strongest answer of the two faces. It says where "
    "the network sees uneven motion, not what it makes of it: natural movement is answered as well."
)
HEAT_FACE_ALT = "{title}: the face"
HEAT_MAP_ALT = "{title}: map of second differences, mean {mean} grey levels, peak {top}"
RESPONSE_ALT = "{title}: map of the network's response"
HEAT_HERE = "This video, {time}"
HEAT_REFERENCE = "Genuine reference"
HEAT_HERE_NOTE = "Face {number}, its most suspect clip ({probability})."
HEAT_REFERENCE_NOTE = (
    "A genuine recording that comes with facetell's assets ({name}), scored the same way; its most suspect clip "
    "of the first seconds ({probability})."
)
HEAT_FIGURES = "Mean {mean}, peak {top} grey levels."
HEAT_SCALE = "Second differences, one scale for both faces, dark to bright: 0 to {top} grey levels"
HEAT_RATES = (
    "The two have {here} and {there} pictures a second as scored, and were filmed and compressed differently: "
    "compare where it is bright rather than how bright."
)
HEAT_NO_REFERENCE = "The genuine reference is not installed (“facetell doctor” says what is missing)."

CONDITION = "Condition of the picture"
CONDITION_CAPTION = "What was measured, and what it does to certainty"
COLUMN_WHAT = "What"
COLUMN_MEASURED = "Measured"
COLUMN_EFFECT = "What it does to certainty"
FACE_WIDTH = "Width of face {number}"
PIXELS = "{width} pixels (median)"
FACE_ENLARGED = (
    "Its square is {square} pixels wide and was enlarged to the {size} that the model takes: fine detail is missing, "
    "so take the figure with more caution than its interval says."
)
FACE_ENOUGH = (
    "Its square is {square} pixels wide, the model takes {size}: nothing had to be enlarged here. Whether the video "
    "was enlarged earlier was not measured."
)
FACE_UNSCORED = "Not scored: at least {least} pixels are needed, without a break for one clip."
EVIDENCE = "Amount looked at, face {number}"
EVIDENCE_VALUE = "{clips} of {seconds} s"
EVIDENCE_EFFECT = "More clips narrow the interval. It already counts how few there are."
RATE = "Frame rate"
RATE_VALUE = "{fps} pictures a second"
RATE_UNKNOWN = "not stated in the file"
RATE_GOOD = "Sampled at {used} a second; the model was trained at {trained}."
RATE_LOW = (
    "Sampled at {used} a second; the model was trained at {trained}: motion is coarser than what it knows. "
    "The interval does not count this."
)
SIZE = "Picture size"
SIZE_VALUE = "{width} × {height} pixels"
SIZE_EFFECT = "What counts is the width of the face."
CODEC = "Compression"
CODEC_VALUE = "{codec}, {rate} kbit/s on average (whole file, sound included)"
CODER = "; last encoded by {coder}, says the stream"
CODEC_EFFECT = (
    "Compression removes fine differences between pictures and adds others. How often this file was re-encoded, and "
    "what that did to its score, was not measured. Where an earlier version exists, score that."
)
RECODED = (
    "In general: on the videos that the model was measured on, its AUC was {before}, and with the same videos "
    "re-encoded {figures} (crf: the larger, the more is lost)."
)
RECODED_FIGURE = "{auc} at crf {crf}"
NARROWED = (
    "In general: with faces made {width} pixels wide, the model's AUC was {auc}, with the same videos as they were "
    "{before}."
)
WRITER = "Written by, says the file"
WRITER_EFFECT = (
    "A note that any software can set or remove. Names of editors or converters mean that the file is "
    "a copy, which is common and no sign of forgery."
)
DAMAGE = "Noted while it was read"
DAMAGE_NONE = "nothing noted"
DAMAGE_NONE_EFFECT = "No damaged picture was met, and no more than {share} of the frames scored from came late."
DAMAGE_EFFECT = "The interval counts none of this. To second differences, damage and uneven timing are motion."
NOT_MEASURED = (
    "Not measured: filters, colour changes, editing, sound, text, and whether the recording shows what is claimed of "
    "it."
)

FILE = "File"
FILE_NAME = "Name"
FILE_SHA = "SHA-256"
FILE_BYTES = "Size"
BYTES = "{size} bytes"
DURATION = "Duration"
SECONDS = "{seconds} s"
UNKNOWN = "unknown"

HOW_TO_READ = "How to read the figures"
MEANING = (
    "The probability. Of many videos like those the model was calibrated on, half of them forged and half genuine, "
    "those that get a figure of 80 % are forged in about 80 of 100 cases. The figure rests on these equal odds.",
    "It is not the chance that this video is forged, and no odds of guilt. That depends as well on how common "
    "forgeries are among videos of its origin, and on all other evidence. Where forgeries are rare, most alarms "
    "may be false even at a high figure.",
    "The interval. It counts two doubts: that few clips of the face were seen, and that the calibration rests on few "
    "videos. It does not count that a video may be of a kind that the model has never met: another way of forging, "
    "another camera, heavy compression.",
    "The reading. “Reads as forged” is said where the probability reaches the threshold and the whole interval lies "
    "on the side of forged, “no sign of forgery” where the whole interval lies on the other side; everything else is "
    "“inconclusive”.",
    "No statement. A video without a face, or with faces too small or too brief, or a file that cannot be read, "
    "gets no figure. It is never counted as one half, nor as genuine.",
    "The most suspect face speaks for the video. With many faces in it, a high figure of one of them by chance "
    "becomes likelier; the interval does not count this.",
)
METHOD = "How it was done"
METHOD_STEPS = (
    "The file is decoded from beginning to end; its pictures are taken at about {rate} a second, as evenly as the "
    "file has them.",
    "Faces are found and followed by a mesh of 468 points. Each face gives a clip of {frames} frames "
    "every {every} s, all cropped by one region that does not move, so that cropping adds no motion.",
    "A neural network, {model}, gives each clip a score. It looks at single pictures, compares neighbouring ones, and "
    "the differences of these differences: errors made anew in each picture stand out there, smooth motion fades. "
    "After arXiv 2403.05172, as far as its public description goes.",
    "The mean score of a face's clips is turned into a probability by a calibration fitted on videos that were not "
    "used for training. The most suspect face decides.",
)
METHOD_BOUND = (
    "At most {most} clips of a face are scored. Where it gives more, every second, fourth, eighth ... of them is "
    "scored, so that they are evenly spaced over the time that the face is in view."
)
THRESHOLD_CHOSEN = (
    "The threshold for “forged” is {threshold} for a video with one face, and higher for several. It was chosen so "
    "that about {share} of genuine videos reach it, on the genuine videos that the calibration was fitted on; they are "
    "few, and others may differ."
)
THRESHOLD_GIVEN = (
    "The threshold for “forged” is {threshold} for any number of faces, as set by whoever ran it or exported the model."
)
LIMITS = "Limits"
LIMITS_NOTE = "From the model card, as measured by the makers of the model:"
LIMITS_ALWAYS = (
    "Only faces are judged. Forged sound, text, scenes, or a genuine recording put in a false context are not seen.",
    "Someone who knows the detector can make forgeries that it misses.",
    "The figures are estimates of one program. A decision that matters needs the source of the file, other "
    "evidence, and a person who looks.",
)
CARD = "Model card, in full"
CARD_SHOW = "Show it"
REPEAT = "To repeat this"
REPEAT_NOTE = (
    "The same file, model, settings and versions on the same kind of processor give the same figures and the same "
    "report, byte for byte. Nothing here depends on when it was made."
)
COMMAND = "Command"
VERSION = "facetell"
PYTHON = "Python"
MODEL = "Model"
ENGINE = "Engine"
ENGINE_VALUE = "{name} {version}, {precision}"
ASSETS = "Face networks"
SETTINGS = "Settings"
EMBEDDED = (
    "The whole result, as “facetell detect --json” writes it, is in this file in the element "
    '<script type="application/json" id="result">.'
)
