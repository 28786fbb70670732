"""How fast forging and distorting are, in one run.

    python benchmarks/forge.py [--seconds 2] [--json FILE]

Forging: clips of 16 x 224 x 224 by kind, and the default training mixture alone, with its degradation of the pair, and
with a harmless twin. Distortions: frames of 1280 x 720, level 3. Each figure is from one process of one thread, by
CPU time, so that other work on the machine hardly matters; "2 cores" is twice that: workers share nothing.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from facetell.assets import locate
from facetell.distort import KINDS as DISTORTIONS
from facetell.distort.frames import FUNCTIONS
from facetell.faces.crop import clip_crop, crop_frame, crop_matrix, face_pose
from facetell.forge import KINDS, ForgeRecipe, degrade_pair, forge_clip, harmless_twin
from facetell.forge.reenact import Donor
from facetell.forge.video import follow, read_frames
from facetell.video.reader import VideoReader


def rate(work: Callable[[int], object], seconds: float) -> tuple[float, float]:
    """Times a second that ``work`` runs: by CPU time, and by the clock on the wall."""
    work(0)
    count, cpu, wall = 0, time.process_time(), time.perf_counter()
    while time.process_time() - cpu < seconds or count < 10:
        count += 1
        work(count)
    return count / (time.process_time() - cpu), count / (time.perf_counter() - wall)


def sample_clip(name: str) -> Donor:
    """16 frames of a sample clip, in one crop of 224 x 224 around the face, and their landmarks."""
    run = follow(locate(name))[0]
    landmarks = run.landmarks[:16]
    crop = clip_crop([face_pose(points) for points in landmarks], 1.9)
    matrix = crop_matrix(crop, 224)
    frames = [crop_frame(image, crop, 224) for _, image in read_frames(locate(name), range(run.start, run.start + 16))]
    return np.stack(frames), (landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="CPU seconds a figure (default: 2)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    figures: dict[str, dict[str, float]] = {}

    def report(name: str, unit: str, work: Callable[[int], object]) -> None:
        cpu, wall = rate(work, args.seconds)
        figures[name] = {"per_cpu_second": cpu, "per_second": wall, "on_2_cores": 2 * cpu}
        print(f"{name:28} {cpu:8.1f} {unit}/CPU s {2 * cpu:8.1f} on 2 cores   ({wall:.1f} by the wall)")

    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, OpenCV {cv2.__version__}")
    woman, man = sample_clip("sample_woman"), sample_clip("sample_man")
    print("forging clips of", " x ".join(map(str, woman[0].shape[:3])))
    for kind in KINDS:
        recipe = ForgeRecipe.only(kind)
        report(kind, "clips", lambda i, r=recipe: forge_clip(*woman, np.random.default_rng(i), r, man))  # type: ignore[misc]
    report("mixture", "clips", lambda i: forge_clip(*woman, np.random.default_rng(i), donor=man))
    report("harmless twin", "clips", lambda i: harmless_twin(*woman, np.random.default_rng(i)))

    def pair(i: int) -> None:
        rng = np.random.default_rng(i)
        forged = forge_clip(*woman, rng, donor=man)
        degrade_pair([woman[0], forged.frames], rng)

    report("mixture, pair degraded", "pairs", pair)
    with VideoReader(locate("sample_woman")) as reader:
        image = cv2.resize(next(iter(reader)).rgb(), (1280, 720))
    print("distorting frames of 1280 x 720, level 3")
    for code, function in FUNCTIONS.items():
        p = DISTORTIONS[code].levels[2]
        report(
            code,
            "frames",
            lambda i, f=function, q=p: f(image, q, np.random.Generator(np.random.SFC64(i))),  # type: ignore[misc]
        )
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
