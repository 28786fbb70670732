"""What a video file states about itself: facts beside its score, which any software can set or remove."""

from __future__ import annotations

import contextlib
import os
import re
from itertools import chain
from pathlib import Path
from typing import Any

from facetell.video.container import open_container, video_streams
from facetell.video.credentials import read_credentials

# Of software, devices and times; not of places and persons.
_TAGS = re.compile(
    r"encoder|encoding_tool|encoded_by|software|handler_name|creation_time|date|make|model|comment"
    r"|com\.apple\.quicktime\.(software|make|model|creationdate)|com\.android\.(version|manufacturer|model)"
)
# Source types of IPTC, the label that Chinese law requires, graphs of ComfyUI, names of generators.
_MARKS = re.compile(
    r"trainedAlgorithmicMedia|^aigc: |[\"']class_type[\"']|comfyui|stable.?diffusion|deepfacelab|facefusion|faceswap"
    r"|\b(openai|midjourney|heygen|synthesia|d-id|hailuo|runway ?ml|pika labs|kling ?ai|google veo|adobe firefly)\b",
    re.IGNORECASE,
)
_CHARACTERS, _BEFORE = 80, 30  # most of a value; of that, most in front of a mark


def read_facts(path: Path) -> dict[str, Any] | None:
    """The metadata and Content Credentials of a video file (``file`` of the JSON result); None if it is not a file.

    What cannot be read is None or empty. ``size`` is in bytes; ``container`` and ``codec`` are FFmpeg's names; ``tags``
    are on software, device and time; ``marks`` are metadata as generators of synthetic media write them.
    """
    if not os.path.isfile(path):  # noqa: PTH113  # unlike Path.is_file it accepts a folder that may not be read
        return None
    facts: dict[str, Any] = dict.fromkeys(("size", "container", "codec", "tags", "marks", "c2pa"))
    tags: dict[str, dict[str, None]] = {}
    marks: dict[str, None] = {}
    # Errors of any kind, as in Detector.__call__: one file must not end a run.
    with contextlib.suppress(Exception):
        facts["size"] = path.stat().st_size
        facts["c2pa"] = read_credentials(path)
    with contextlib.suppress(Exception), open_container(path) as file:
        brand = file.metadata.get("major_brand", "").strip()
        facts["container"] = file.format.long_name + f", brand {brand}" * bool(brand)
        for name, value in chain(file.metadata.items(), *(stream.metadata.items() for stream in file.streams.video)):
            text = f"{name.lower()}: {value}"
            if mark := _MARKS.search(text):
                place = max(0, mark.start() - len(name) - 2 - _BEFORE)
                marks[f"{name}: {value[place:][:_CHARACTERS]}"] = None
            elif value and _TAGS.fullmatch(name.lower()):
                tags.setdefault(name.lower(), {})[value[:_CHARACTERS]] = None
        facts["codec"] = video_streams(file, path)[0].codec_context.codec.canonical_name
    return facts | {"tags": {name: "; ".join(values) for name, values in tags.items()}, "marks": list(marks)}
