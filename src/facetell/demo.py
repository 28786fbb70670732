"""``make demo``: real footage of two people, forgeries made from it, and what facetell says of each.

Everything is made on the spot: the sample videos come from a pinned distribution, the forgeries from
:mod:`facetell.forge`, the scores from the released model. Each real video is also only re-encoded ("none"), as the
forgeries are: what the detector says of that copy shows what re-encoding alone does to a score.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from facetell.assets import locate
from facetell.cli import main as facetell
from facetell.forge.video import forge_video
from facetell.types import FacetellError, Status
from facetell.video.find import find_videos

OUT = Path("out")
PEOPLE = {"woman": "sample_woman", "man": "sample_man"}
KINDS = ("none", "swap", "sbv", "reenact")
NO_FACE = "no-face.mp4"


def main() -> int:
    """Make the forgeries under ``out/``, score everything, leave JSON and pictures there; 0 when done.

    Raises:
        FacetellError: a video with a face was not scored, or the report not written.
    """
    videos = OUT / "videos"
    videos.mkdir(parents=True, exist_ok=True)
    for person, sample in PEOPLE.items():
        other = next(locate(PEOPLE[name]) for name in PEOPLE if name != person)
        shutil.copy(locate(sample), videos / f"{person}-real.mp4")
        for kind in KINDS:
            name = "re-encoded" if kind == "none" else f"forged-{kind}"
            print(f"making {videos / f'{person}-{name}.mp4'}", flush=True)
            forge_video(locate(sample), videos / f"{person}-{name}.mp4", kind, donor=other if kind == "swap" else None)
    shutil.copy(locate("sample_no_face"), videos / NO_FACE)
    result, report = OUT / "result.json", OUT / "report.html"
    for earlier in (result, report):
        earlier.unlink(missing_ok=True)
    facetell(["detect", str(videos), "--json", str(result), "--out", str(OUT), "--report", str(report)])
    check_scored(videos, result)
    if not report.exists():
        raise FacetellError(f"{report} was not written: what is said above tells why")
    print(f"\n{OUT}/ holds the result (result.json), for each video its JSON and its score over time as a picture, and")
    print(f"{report}: what it all means, to be opened in a browser.")
    return 0


def check_scored(folder: Path, result: Path) -> None:
    """Make sure that every video of a folder but the one without a face has a score in a result.

    Raises:
        FacetellError: one has none.
    """
    held = json.loads(result.read_text(encoding="utf-8"))["videos"] if result.exists() else []
    scored = {Path(video["path"]).name for video in held if video["status"] == Status.SCORED}
    missed = sorted({path.name for path in find_videos([str(folder)])} - scored - {NO_FACE})
    if missed:
        raise FacetellError(f"not scored, though there is a face: {', '.join(missed)}; what is said above tells why")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FacetellError as error:
        sys.exit(f"facetell demo: {error}")
