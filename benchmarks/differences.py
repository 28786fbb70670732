"""Does a frozen CLIP discriminate forged faces by how they move? AUC on the open clips, over all and within a source.

    facetell prepare DATA/manifest.csv --out prepared/open
    python benchmarks/differences.py prepared/open --out out/differences

One image of each clip goes through CLIP's ViT-B/16, cut after block 9 and frozen: its frame at a quarter of its length;
the difference of the next frame from it, times 6, around a grey of 128; its second difference, as in the MCB, times 4;
or, for comparison, the frame at three quarters. The class tokens of blocks 6, 8 and 9 are the features of a perceptron
as the member "plain" of `configs/facetell.yaml`, with forgeries balanced by family alone, trained on each fold of a
grouped cross-validation (no repository, family or identity in common). Logits are averaged over two divisions.

"Within a source" is the AUC of the forged against the real clips of one repository, averaged over the repositories that
have both (:func:`facetell.evaluate.crossval.mean_within`): a detector that only recognises repositories has 0.5. "Of
these sources" is the AUC over all videos of these repositories.

Features and logits that are stored in the folder are used again: give another folder for other clips.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from facetell.datasets.folds import balanced_weights, group_of, grouped_folds, training_rows
from facetell.datasets.manifest import Entry
from facetell.evaluate.crossval import by_kind, mean_within, within_sources
from facetell.faces.runtime import openvino_core
from facetell.files import write_text
from facetell.metrics.intervals import Estimate
from facetell.models.export import export_onnx
from facetell.models.zoo import create_model
from facetell.processes import unordered
from facetell.train.config import BatchConfig, DataConfig, FitConfig
from facetell.train.corpus import SPLITS, Recording, decode_all, load_recordings
from facetell.train.features import plain_window
from facetell.train.probe import fit_member
from facetell.train.validate import crop_recording
from facetell.types import FloatArray

FRAMES, SIZE, FOLDS, SEEDS = 8, 224, 5, (0, 1)
BATCH = BatchConfig(clip_frames=FRAMES, size=SIZE)
TAPS, WIDTH = (6, 8, 9), 768  # blocks, and channels of a token
FIT = FitConfig(steps=1500)
KINDS = "talking-head", "lip-sync", "reenactment", "face-swap", "human-animation"  # of forgeries with a column
Logits = NDArray[np.float64]
Image = Callable[[FloatArray, int], FloatArray]

# By name: the relative position in the recording, and the image (S, S, 3), 0 to 255, of a clip (T, S, S, 3) at frame t.
IMAGES: dict[str, tuple[float, Image]] = {
    "frame": (0.25, lambda clip, t: clip[t]),
    "another frame": (0.75, lambda clip, t: clip[t]),
    "first difference": (0.25, lambda clip, t: 128 + 6 * (clip[t + 1] - clip[t])),
    "second difference": (0.25, lambda clip, t: 128 + 4 * (clip[t - 1] - 2 * clip[t] + clip[t + 1])),
}
# Columns of features of one perceptron, by the name of a row.
ROWS: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in IMAGES if name != "another frame"},
    "frame and another frame": ("frame", "another frame"),
    "frame and first difference": ("frame", "first difference"),
    "frame and second difference": ("frame", "second difference"),
}


class Extractor:
    """Computes the class tokens of images in one process; ``job`` is the name of a kind and a recording's number."""

    def __init__(self, trunk: Path, recordings: Sequence[Recording]) -> None:
        model = openvino_core().read_model(trunk)
        model.reshape({"clip": [1, 1, 3, SIZE, SIZE]})
        options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
        compiled = openvino_core().compile_model(model, "CPU", {**options, "ENABLE_CPU_PINNING": False})
        self.request, self.recordings = compiled.create_infer_request(), recordings

    def __call__(self, job: tuple[str, int]) -> FloatArray:
        (place, make), recording = IMAGES[job[0]], self.recordings[job[1]]
        clip = crop_recording(recording, plain_window(recording, BATCH, FRAMES, place), BATCH).astype(np.float32)
        image = np.clip(make(clip, len(clip) // 2), 0, 255) / np.float32(255)
        found: FloatArray = self.request.infer({"clip": image.transpose(2, 0, 1)[None, None]})["features"][0]
        return found.reshape(len(TAPS), 3, WIDTH)[:, 0].ravel().copy()  # of each block: token, mean, deviation


extractor: Extractor  # of this process


def _start(trunk: Path, recordings: Sequence[Recording]) -> None:
    global extractor
    cv2.setNumThreads(1)
    extractor = Extractor(trunk, recordings)


def _extract(job: tuple[str, int]) -> tuple[int, FloatArray]:
    return job[1], extractor(job)


def compute(name: str, recordings: Sequence[Recording], folder: Path) -> FloatArray:
    """The features (N, D) of one image of each recording."""
    file, trunk = _file(folder, name), folder / "trunk.onnx"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        network = create_model(
            "clip_vit_b16", motion="none", anomaly="none", pretrained=True, hidden=1, depth=9, taps=TAPS, every=1
        )
        export_onnx(network, trunk, metadata={}, precision="w8", output="features")
        jobs = [(name, number) for number in range(len(recordings))]
        found = dict(unordered(_extract, jobs, 2, _start, (trunk, recordings)))
        np.save(file, np.stack([found[number] for number in range(len(recordings))]))
        print(f"{name}: computed", flush=True)
    return np.asarray(np.load(file))


def out_of_fold(values: FloatArray, entries: Sequence[Entry], seed: int) -> Logits:
    """Logits (N,) by perceptrons trained without the clip's repository, family and identity."""
    labels, features = np.array([entry.label for entry in entries]), torch.from_numpy(values).bfloat16()
    folds, logits = grouped_folds(entries, FOLDS, seed), np.zeros(len(entries))
    for fold in range(FOLDS):
        weights = balanced_weights(entries, training_rows(entries, folds, fold))
        for label in (0, 1):
            weights[labels == label] /= 2 * weights[labels == label].sum()
        member = fit_member(features, torch.from_numpy(labels).float(), weights, FIT, 10 * seed + fold)
        tested = folds == fold
        with torch.inference_mode():
            logits[tested] = member(features[tested].float())[:, 0].double().numpy()
    return logits


fits: tuple[dict[str, FloatArray], Sequence[Entry]]  # features by kind of image, and clips; of this process


def _start_fits(features: dict[str, FloatArray], entries: Sequence[Entry]) -> None:
    global fits
    torch.set_num_threads(1)
    fits = features, entries


def _fit(job: tuple[str, int]) -> tuple[tuple[str, int], Logits]:
    features, entries = fits
    values = np.concatenate([features[part] for part in ROWS[job[0]]], axis=1)
    return job, out_of_fold(values, entries, job[1])


def _file(folder: Path, name: str, seed: int | str = "features") -> Path:
    return folder / f"{name.replace(' ', '-')}-{seed}.npy"


def table(entries: Sequence[Entry], found: dict[str, Logits]) -> str:
    """Markdown; ``found`` are logits (N,) by row, the first one is the baseline."""
    first = next(iter(found))
    base = within_sources(entries, found[first])
    mixed = [number for number, entry in enumerate(entries) if group_of(entry) in base]
    largest = max(n for _, n in base.values()) / sum(n for _, n in base.values())
    head = ("image", "all", "of these sources", "within a source", "minus the first row", *KINDS)
    about = f"of which {len(mixed)} are of {len(base)} repositories with both classes; the largest has {largest:.0%}"
    lines = [f"{len(entries)} clips, {about} of the weight", ""]
    lines += [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, logits in found.items():
        inside, results = within_sources(entries, logits), by_kind(entries, logits).kinds
        change = mean_within({group: (value - base[group][0], n) for group, (value, n) in inside.items()})
        difference = "" if name == first else _written(change, "+")
        together = by_kind([entries[number] for number in mixed], logits[mixed]).kinds["all"].auc
        figures = (_written(results["all"].auc), _written(together), _written(mean_within(inside)), difference)
        of_kinds = (f"{results[kind].auc.value:.3f}" for kind in KINDS)
        lines.append(f"| {name} | {' | '.join((*figures, *of_kinds))} |")
    return "\n".join(lines) + "\n"


def _written(figure: Estimate, sign: str = "") -> str:
    return f"{figure.value:{sign}.3f} ({figure.low:{sign}.3f} to {figure.high:{sign}.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared", type=Path, help="output of `facetell prepare`")
    parser.add_argument("--out", type=Path, default=Path("out/differences"), help="(default: out/differences)")
    args = parser.parse_args()
    data = DataConfig((str(args.prepared),))
    decode_all(data, 2)
    recordings = [recording for split in SPLITS for recording in load_recordings(data, split, FRAMES)]
    entries = [recording.entry for recording in recordings]
    features = {name: compute(name, recordings, args.out) for name in IMAGES}
    jobs = [(name, seed) for name in ROWS for seed in SEEDS]
    missing = [job for job in jobs if not _file(args.out, *job).exists()]
    for (name, seed), logits in unordered(_fit, missing, 2, _start_fits, (features, entries)):
        np.save(_file(args.out, name, seed), logits)
        print(f"{name}, division {seed}: AUC {by_kind(entries, logits).kinds['all'].auc.value:.3f}", flush=True)
    found = {name: np.mean([np.load(_file(args.out, name, seed)) for seed in SEEDS], axis=0) for name in ROWS}
    found["frame, second difference: averaged"] = (found["frame"] + found["second difference"]) / 2
    text = table(entries, found)
    write_text(args.out / "table.md", text)
    print(text, end="")


if __name__ == "__main__":
    main()
