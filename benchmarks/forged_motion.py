"""How forgeries move, beside those of the generators: jerk, the share of motion that does not last from frame to frame.

    python benchmarks/forged_motion.py PREPARED [--kinds reenact swap ...] [--config configs/joint.yaml]

For each clip: the mean size of the second difference of its pixels over that of the first, on the square round the face
averaged down to 28 pixels, where the coder's own noise is gone. Smooth motion makes it small, errors that are new in
every frame make it large (up to the square root of three). Printed is the AUC of this one number, forged against real:
0.5 where both move alike, above where the forgeries are more restless than the reals, below where they are smoother. A
forging kind on the other side of 0.5 than the generators teaches a detector the opposite of what it will meet.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from facetell.evaluate.ranking import auc
from facetell.forge import KINDS, ForgeRecipe
from facetell.train.config import BatchConfig, DataConfig
from facetell.train.corpus import Recording, decode_all, load_recordings
from facetell.train.reading import read_config
from facetell.train.validate import pseudo_clips
from facetell.types import UInt8Array

CLIPS = BatchConfig(clip_frames=8, size=28)


def jerk(clip: UInt8Array) -> float:
    """Mean |second difference| over mean |first difference| of a clip (T, H, W, 3)."""
    first = np.diff(clip.astype(np.float32), axis=0)
    return float(np.abs(np.diff(first, axis=0)).mean() / max(1e-6, float(np.abs(first).mean())))


def jerks(recordings: list[Recording], recipe: ForgeRecipe | None = None) -> Iterator[float]:
    """The mean of each recording's clips, forged by ``recipe`` if there is one; all re-encoded alike."""
    for recording in recordings:
        values = [jerk(clip) for _, clip in pseudo_clips(recording, CLIPS, recipe)]
        if values:
            yield float(np.mean(values))


def versus(fakes: list[float], reals: list[float]) -> float:
    labels = np.array([0] * len(reals) + [1] * len(fakes))
    return float(auc(labels, np.array([*reals, *fakes]), np.ones((1, len(labels))))[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared", type=Path, help="folder made by `facetell prepare`")
    parser.add_argument("--kinds", nargs="*", default=KINDS, choices=KINDS)
    parser.add_argument("--config", type=Path, help="take each kind's ranges from this training configuration")
    args = parser.parse_args()
    data = DataConfig(folders=(str(args.prepared),))
    for _ in decode_all(data, 0):
        pass
    ranges = read_config(args.config, []).batch.recipe if args.config else ForgeRecipe()
    for split in ("train", "val"):
        recordings = load_recordings(data, split, CLIPS.clip_frames)
        real = [r for r in recordings if r.entry.label == 0]
        reals = [*jerks(real)]
        print(f"{split}: {len(reals)} reals, jerk {np.mean(reals):.2f} (standard deviation {np.std(reals):.2f})")
        methods = defaultdict(list)
        for recording in recordings:
            if recording.entry.label == 1:
                methods["all generators"].append(recording)
                methods[recording.entry.method].append(recording)
        for method, forged in methods.items():
            fakes = [*jerks(forged)]
            print(f"  {method:24} {len(fakes):4}  {versus(fakes, reals):.2f}")
        for kind in args.kinds:
            fakes = [*jerks(real, only(ranges, kind))]
            print(f"  {'made here: ' + kind:24} {len(fakes):4}  {versus(fakes, reals):.2f}", flush=True)


def only(ranges: ForgeRecipe, kind: str) -> ForgeRecipe:
    """One kind alone, with the ranges of another recipe."""
    names = ("blended", "temporal", "reenacted", "swapped", "resynthesised", "decoded")
    return ForgeRecipe.only(kind, **{name: getattr(ranges, name) for name in names})


if __name__ == "__main__":
    main()
