"""``make demo``: real footage of two people, forgeries made from it, and what facetell says of each.

Everything is made on the spot: the sample videos come from a pinned distribution, the forgeries from
:mod:`facetell.forge`, the scores from the released model. Each real video is also only re-encoded ("none"), as the
forgeries are: what the detector says of that copy shows what re-encoding alone does to a score.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from facetell.assets import locate
from facetell.cli import main as facetell
from facetell.forge.video import forge_video
from facetell.types import FacetellError

OUT = Path("out")
PEOPLE = {"woman": "sample_woman", "man": "sample_man"}
KINDS = ("none", "swap", "sbv", "reenact")


def main() -> int:
    """Make the forgeries under ``out/``, score everything, leave JSON and pictures there; 0 when done."""
    videos = OUT / "videos"
    videos.mkdir(parents=True, exist_ok=True)
    for person, sample in PEOPLE.items():
        other = next(locate(PEOPLE[name]) for name in PEOPLE if name != person)
        shutil.copy(locate(sample), videos / f"{person}-real.mp4")
        for kind in KINDS:
            name = "re-encoded" if kind == "none" else f"forged-{kind}"
            print(f"making {videos / f'{person}-{name}.mp4'}", flush=True)
            forge_video(locate(sample), videos / f"{person}-{name}.mp4", kind, donor=other if kind == "swap" else None)
    shutil.copy(locate("sample_no_face"), videos / "no-face.mp4")
    report = OUT / "report.html"
    facetell(["detect", str(videos), "--json", str(OUT / "result.json"), "--out", str(OUT), "--report", str(report)])
    print(f"\n{OUT}/ holds the result (result.json), for each video its JSON and its score over time as a picture, and")
    print(f"{report}: what it all means, to be opened in a browser.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FacetellError as error:
        sys.exit(f"facetell demo: {error}")
