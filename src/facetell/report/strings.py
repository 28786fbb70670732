"""All texts of the report. To translate it, replace this module by one with the same names.

Words in braces are filled in. The detector's own remarks on a video (its message and warnings) are part of the result.
"""

from facetell.types import Status, Verdict

LANGUAGE = "en"

VERDICTS = {
    Verdict.FORGED: "forged",
    Verdict.GENUINE: "not detected as forged",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.NONE: "not scored",
}

TITLE = "facetell report"
TITLE_ONE = "facetell report: {name}"
LEAD = "facetell estimates for each face in a video whether it was forged: swapped, reenacted or generated."
SKIP = "Skip to the results"
ON_THIS_PAGE = "On this page"

SUMMARY = "Summary"
COLUMN_FILE = "File"
COLUMN_PROBABILITY = "Probability of manipulation"
COLUMN_INTERVAL = "95 % interval"
COLUMN_FACES = "Faces"
COLUMN_WHEN = "Highest score at"

READING = "Result"
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
OF_FACES = "This is the highest estimate of {count} scored faces: face {number}."
CORRECTED = "The threshold is corrected for {count} faces; for one face it is {one}."
CAVEAT = "An estimate by one automatic method, not a proof. It does not show who made or altered the video, or why."
CAVEAT_LINK = "How to read the figures, and what they leave out"
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
MODEL_SAYS = "Model accuracy (test set of unseen generators):"
AUC = (
    "AUC: the share of pairs of a forged and a genuine video in which the forged one has the higher score; 0.5 is "
    "chance, 1 is perfect. “Out of fold” and “val”: videos that were not used to train the model that scored them."
)
NO_CARD = "There is no model card beside the model file: the accuracy of this model is unknown."

GAUGE_ALT = "Scale from 0 to 100 %: estimate {probability}, interval {low} to {high}, threshold {threshold}"
FORGED_END = "100 % forged"
GENUINE_END = "0 %"
PERCENT = "{figure}\N{NO-BREAK SPACE}%"
OVER = "over {percent}"
UNDER = "under {percent}"
THRESHOLD = "threshold"

FACES_NOTE = "A “face” is one unbroken appearance, numbered in order of time: after a cut a person is another face."
FACE = "Face {number}"
FACE_FIGURES = "{probability} ({low} to {high}); in view from {start} to {end}; {clips} of {seconds} s scored."
CLIP_ONE = "1 clip"
CLIPS = "{count} clips"
CLIPS_CHOSEN = "{count} of {seen} clips (evenly spaced)"
SCENE_ALT = "The whole frame at {time}; a white square marks face {number}"
SCENE_CAPTION = "Face {number} in the frame, at {time}"
STRIP = "Face {number} over time"
MOMENT_ALT = "Face {number} at {time}, {probability} forged"
CHART = "Score over time"
CHART_ALT = "Scores of face {number} from {start} to {end}: lowest {lowest}, highest {highest} at {when}; table below."
CHART_NOTE = (
    "Each dot is one clip of {seconds} s; diamonds are the highest. The solid line is the estimate for the face, the "
    "band its 95 % interval, the dashed line the threshold. The score of a single clip is less certain than its "
    "figure suggests: the calibration is that of the mean score of a video."
)
CHART_GROUP = "Each dot is the highest of {group} consecutive clips."
CHART_HINT = "Point at the chart, or move the slider with the arrow keys, to see the face at that time."
SLIDER = "Time in the score of face {number}"
MOMENT = "{time}: {probability}"
MOMENT_OTHER = "frame at {time}"
TABLE = "All values of face {number} as a table"
COLUMN_TIME = "Time"
COLUMN_IMAGE = "Image"
NO_IMAGE = "not stored"
SEGMENTS = "Highest-scoring segments"
SEGMENTS_NOTE = "The highest-scoring segments of this face, frame by frame; not evidence by themselves."
SEGMENT_CAPTION = "{start} to {end}: {probability}"
SEGMENT_ALT = "Face {number} in segment {start} to {end}, frame {place} of {count}"
OTHERS = "Other faces"
COLUMN_FACE = "Face"
COLUMN_FROM = "From"
COLUMN_TO = "To"
COLUMN_WIDTH = "Width in pixels"
TRACK_ABSTAINED = "not scored: {reason}"
MORE_FACES = "{count} more faces are only in the embedded result."
FILE_CHANGED = "There are no images: the file has changed since it was scored."
FILE_GONE = "There are no images: the file could not be read when this report was written."

HEAT = "Irregular-motion map"
HEAT_NOTE = (
    "Second differences of the grey values, |x(t+2) − 2 x(t+1) + x(t)|, mean over the clip, in grey levels of 256. "
    "Steady motion gives low values. Jitter, flicker, noise, compression and quick natural movement such as blinks and "
    "speech give high ones. The map is computed from the frames alone and is no evidence by itself."
)
RESPONSE_NOTE = "Third image: mean activation of the network's motion layers. Natural movement activates them as well."
HEAT_FACE_ALT = "{title}: the face"
HEAT_MAP_ALT = "{title}: map of second differences, mean {mean} grey levels, peak {top}"
RESPONSE_ALT = "{title}: activation of the network's motion layers"
HEAT_HERE = "This video, {time}"
HEAT_REFERENCE = "Genuine reference"
HEAT_HERE_NOTE = "Face {number}, its highest-scoring clip ({probability})."
HEAT_REFERENCE_NOTE = "The sample video {name}, scored in the same way; its highest-scoring clip ({probability})."
HEAT_FIGURES = "Mean {mean}, peak {top} grey levels."
HEAT_SCALE = "Second differences, one scale for both faces, dark to bright: 0 to {top} grey levels"
HEAT_RATES = "At {here} and {there} frames per second, recorded differently: compare places, not brightness."
HEAT_NO_REFERENCE = "The genuine reference is not installed (`facetell doctor` lists what is missing)."

QUALITY = "Video quality"
COLUMN_WHAT = "Property"
COLUMN_MEASURED = "Measured"
COLUMN_EFFECT = "Effect on reliability"
FACE_WIDTH = "Width of face {number}"
PIXELS = "{width} pixels (median)"
FACE_ENLARGED = "Face crop {crop} px; model input {size} px: enlarged, so the score is less certain than its interval."
FACE_ENOUGH = "Face crop {crop} px; model input {size} px: not enlarged here. Earlier enlargement is not measured."
FACE_UNSCORED = "Not scored: needs at least {least} pixels, without a break for one clip."
EVIDENCE = "Clips analysed, face {number}"
EVIDENCE_VALUE = "{clips} of {seconds} s"
EVIDENCE_EFFECT = "More clips give a narrower interval."
RATE = "Frame rate"
RATE_VALUE = "{fps} frames per second"
RATE_UNKNOWN = "not stated in the file"
RATE_GOOD = "Sampled at {used} frames per second; the model was trained at {trained}."
RATE_LOW = RATE_GOOD + " The interval does not include that motion is coarser than in training."
SIZE = "Frame size"
SIZE_VALUE = "{width} × {height} pixels"
SIZE_EFFECT = "Only the width of the face matters."
CODEC = "Compression"
CODEC_VALUE = "{codec}, {rate} kbit/s on average (whole file, audio included)"
CODER = "; last encoded with {coder} (stream metadata)"
CODEC_EFFECT = "Removes fine differences between frames and adds others; the effect on this score is not measured."
RECODED = "On the model's test videos AUC was {before:.3f}; re-encoded {figures} (larger crf: stronger compression)."
RECODED_FIGURE = "{auc:.3f} at crf {crf}"
NARROWED = "On the model's test videos AUC was {auc:.3f} with faces {width} pixels wide, {before:.3f} unchanged."
WRITER = "Encoder (file metadata)"
WRITER_EFFECT = "Any software can set or remove it. An editor or converter means a copy, not a sign of forgery."
DAMAGE = "Decoding"
DAMAGE_NONE = "no errors"
DAMAGE_NONE_EFFECT = "No decoding errors; at most {share} of frames with irregular timestamps."
DAMAGE_EFFECT = "The interval does not include it. Damage and irregular timestamps look like irregular motion."
NOT_MEASURED = "Not measured: filters, colour changes, editing, audio, text, and whether what is claimed is true."

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
    "Probability. Of many videos like those used for calibration, half of them forged, about 80 in 100 with a figure "
    "of 80 % are forged. The figure assumes these equal odds.",
    "Base rate. The figure is not the chance that this video is forged. That also depends on how common forgeries are "
    "among videos of this origin, and on other evidence. Where forgeries are rare, most alarms can be false.",
    "Interval. It includes that there are few clips of the face, and few videos for calibration. It does not include "
    "that a video may differ from all of these: another generator, another camera, strong compression.",
    "Result. “Likely manipulated”: the probability reaches the threshold and the whole interval is on the side of "
    "forged. “Not detected as forged”: the whole interval is on the other side. “Inconclusive”: neither.",
    "Not analysed. Without a face that is large enough and in view for long enough, or if a file cannot be read, there "
    "is no figure. It counts neither as 50 % nor as genuine.",
    "Several faces. The face with the highest estimate decides. With many faces a high estimate by chance is more "
    "likely; the interval does not include this.",
)
METHOD = "Method"
METHOD_STEPS = (
    "The whole file is decoded; frames are sampled at about {rate} per second, in whole steps of its frame rate.",
    "Faces are detected and tracked with a mesh of 468 points. Each face gives a clip of {frames} frames every "
    "{every} s. All frames of a clip are cropped by the same region, so that cropping adds no motion.",
    "The neural network {model} gives each clip a score.",
    "The mean score of the clips of a face becomes a probability by a calibration on videos that were not used for "
    "training. The face with the highest estimate decides.",
)
METHOD_BOUND = "At most {most} clips of a face are scored; of more, every second, fourth, eighth ..., evenly spaced."
THRESHOLD_CHOSEN = (
    "The threshold is {threshold} for a video with one face, and higher for several. It was chosen on the genuine "
    "calibration videos for a false positive rate of {share}; they are few, and other videos may differ."
)
THRESHOLD_GIVEN = "The threshold is {threshold} for any number of faces, as given by the user or the model file."
LIMITS = "Limits"
LIMITS_NOTE = "From the model card:"
LIMITS_ALWAYS = (
    "Only faces are examined. Forged audio, text or scenes, and false context, are not detected.",
    "A forger who knows the detector can evade it.",
    "A decision that matters needs the source of the file, other evidence, and human review.",
)
CARD = "Model card"
CARD_SHOW = "Show the model card"
REPEAT = "Reproducibility"
REPEAT_NOTE = "The same file, model, settings and versions on the same kind of processor give the same bytes."
COMMAND = "Command"
VERSION = "facetell"
PYTHON = "Python"
MODEL = "Model"
ENGINE = "Engine"
ASSETS = "Face networks"
SETTINGS = "Settings"
EMBEDDED = 'The complete JSON result is in the element <script type="application/json" id="result"> of this file.'
