"""``make demo``: score real videos of two people and forgeries made from them.

The sample videos are from a pinned distribution, the forgeries from :mod:`facetell.forge`, the scores from the released
model. Each real video is also re-encoded as the forgeries are ("none"), to show what re-encoding alone does to a score.
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
    """Make the forgeries under ``out/``, score all videos, write JSON, plots and the report; 0 when done.

    Raises:
        FacetellError: a video with a face was not scored, or the report was not written.
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
        raise FacetellError(f"{report} was not written; see the messages above")
    print(f"\n{OUT}/ has the result (result.json), and for each video its JSON and a plot of its score over time.")
    print(f"{report} is the report; open it in a browser.")
    return 0


def check_scored(folder: Path, result: Path) -> None:
    """Raise if a video of a folder, other than the one without a face, has no score in a result.

    Raises:
        FacetellError: one has none.
    """
    found = json.loads(result.read_text(encoding="utf-8"))["videos"] if result.exists() else []
    scored = {Path(video["path"]).name for video in found if video["status"] == Status.SCORED}
    missed = sorted({path.name for path in find_videos([str(folder)])} - scored - {NO_FACE})
    if missed:
        raise FacetellError(f"not scored, although they show a face: {', '.join(missed)}; see the messages above")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FacetellError as error:
        sys.exit(f"facetell demo: {error}")
