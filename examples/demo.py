"""``make demo``: score real videos, as they are and re-encoded ("none") as the forgeries made from them are."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from facetell.assets import locate
from facetell.cli import main as facetell
from facetell.forge.video import forge_video
from facetell.types import FacetellError, Status

OUT = Path("out")
KINDS = ("none", "swap", "sbv", "reenact", "resynth")


def main() -> int:
    """Make the forgeries under ``out/``, score all videos, write JSON, plots and the report; 0 when done."""
    videos, result, report = OUT / "videos", OUT / "result.json", OUT / "report.html"
    videos.mkdir(parents=True, exist_ok=True)
    for person, other in (("woman", "man"), ("man", "woman")):
        sample = locate(f"sample_{person}")
        shutil.copy(sample, videos / f"{person}-real.mp4")
        for kind in KINDS:
            forgery = videos / f"{person}-{'re-encoded' if kind == 'none' else f'forged-{kind}'}.mp4"
            print(f"making {forgery}", flush=True)
            forge_video(sample, forgery, kind, donor=locate(f"sample_{other}") if kind == "swap" else None)
    shutil.copy(locate("sample_no_face"), videos / "no-face.mp4")
    for earlier in (result, report):
        earlier.unlink(missing_ok=True)
    facetell(["detect", str(videos), "--json", str(result), "--out", str(OUT), "--report", str(report)])
    found = json.loads(result.read_text(encoding="utf-8"))["videos"] if result.exists() else []
    if sum(video["status"] == Status.SCORED for video in found) < 2 * (1 + len(KINDS)) or not report.exists():
        raise FacetellError("a video with a face was not scored, or the report not written; see the messages above")
    print(f"\n{OUT}/ has the result (result.json), and for each video its JSON and a plot of its score over time.")
    print(f"{report} is the report; open it in a browser.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FacetellError as error:
        sys.exit(f"facetell demo: {error}")
