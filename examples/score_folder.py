"""Score every video of a folder and plot the probability of its faces over time.

python examples/score_folder.py VIDEOS --out scores.png    # needs Matplotlib
"""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.figure import Figure

import facetell
from facetell.video.find import find_videos


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("scores.png"))
    args = parser.parse_args()

    detector = facetell.Detector()  # loads the model once
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    for path in find_videos([str(args.folder)]):
        verdict = detector(path)
        if verdict.probability is None:  # an abstention is a result
            print(f"{path.name}: not scored: {verdict.status}")
            continue
        low, high = verdict.interval
        print(f"{path.name}: {verdict.probability:.0%} ({low:.0%} to {high:.0%}), {verdict.verdict}")
        for track in verdict.tracks:
            if track.clips:
                times = [(clip.t0 + clip.t1) / 2 for clip in track.clips]
                axes.plot(times, [clip.probability for clip in track.clips], "o-", label=path.name)
    axes.set(xlabel="time (s)", ylabel="probability of each clip", ylim=(0, 1))
    if axes.lines:
        axes.legend()
    figure.savefig(args.out, dpi=120)
    print(args.out)


if __name__ == "__main__":
    main()
