"""Every word of the page that is ours, in one place; readings and their sentences are the report's.

Words in braces are filled in.
"""

from facetell.serve.jobs import State

LANGUAGE = "en"
BRAND = "facetell"
SKIP = "Skip to the content"

TITLE = "Is a face in this video forged?"
LEAD = (
    "facetell examines the faces in a video, and estimates whether a face was forged: swapped, "
    "re-enacted or generated. It says how sure that is, or that there is nothing to score."
)
DROP = "Drop videos here, or choose them"
SEND = "Upload"
LIMITS = "At most {size}, {minutes} and {pixels} million pixels a picture, each."
KEPT = "A video is deleted from this server as soon as it is scored; its result and report {after}."
KEPT_DAYS = "after {days}"
KEPT_EVER = "stay until you delete them"
MODEL = "Scored by the model {model}."

MINUTE_ONE, MINUTES = "1 minute", "{count} minutes"
DAY_ONE, DAYS = "1 day", "{count} days"

UPLOADS = "Uploads"
HISTORY = "Videos"
EMPTY = "No video has been uploaded yet."
OLDER = "Older videos"
NEWEST = "Newest videos"
UPLOADED = "uploaded"

STATES = {
    State.QUEUED: "Waiting to be scored",
    State.RUNNING: "Scoring",
    State.DONE: "Done",
    State.FAILED: "Failed",
}
FAILED = "Not scored: {message}."
PROGRESS = "Progress of {name}"
FIGURES = "Probability of forged: {probability} ({low} to {high})"
DELETE = "Delete"
DELETE_NAME = "Delete {name}"
BACK = "All videos"
REPORT = "Open the report"
REPORT_SAVE = "Save the report"
RESULT = "Result as JSON"
FACTS = "About the video"
SIZE = "Size"
LENGTH = "Length"
PICTURE = "Pictures"
PIXELS = "{width} × {height} pixels"
WHEN = "Uploaded"
SHA = "SHA-256"
EXPIRES = "Deleted on"
UNKNOWN = "not told by the file"

LOGIN = "Log in"
LOGIN_LEAD = "This server asks for its token."
TOKEN = "Token"
WRONG_TOKEN = "That is not the token of this server: check it and try again."
LOGOUT = "Log out"

GONE_TITLE = "There is nothing here"
GONE = "The video was deleted, has expired, or never was."
REFUSED_TITLE = "That did not work"

# For the script.
SCRIPT = {
    "confirm": "Delete {name}, its result and its report?",
    "folder": "{name} is a folder: drop the video files that are in it.",
    "notFile": "That is not a file: download the video, then drop the file here.",
    "large": "{name} is larger than {size}: cut out the part that matters.",
    "waiting": "{name}: waiting for its turn",
    "sending": "{name}: {percent} % sent",
    "checking": "{name}: sent, looking into it",
    "busy": "{name}: the server is busy, trying again in {seconds} s",
    "sent": "{name}: uploaded",
    "fault": "{name}: {message}",
    "offline": "{name}: the server cannot be reached.",
    "again": "Try again",
    "lost": "The server cannot be reached. What you see may be old; trying again…",
    "undeleted": "It could not be deleted: {message}",
    "unreachable": "the server cannot be reached",
    "scoring": "Scoring, {percent} % done",
}
