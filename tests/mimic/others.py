"""Miniatures of the smaller sets: DFDC and its preview, WildDeepfake, FFIW, DeepfakeBench files, a folder pair."""

from __future__ import annotations

import json
from typing import Any

import cv2
import numpy as np

from facetell.types import FloatArray, UInt8Array
from facetell.video.image import write_image
from mimic.ffpp import METHODS, identifier, mimic_actors, pairs_of
from mimic.people import Recorder, forgery, scene

FIRST_DFDC, FIRST_PREVIEW, FIRST_WILD, FIRST_FFIW, FIRST_PAIR = 5000, 5200, 5400, 5600, 5800


def mimic_dfd(recorder: Recorder, videos: int) -> None:
    """DeepFakeDetection: the actors' part of FaceForensics++ alone."""
    mimic_actors(recorder, range(1, videos + 1))


def mimic_dfdc(recorder: Recorder, videos: int) -> None:
    """Two training parts with metadata.json, and a test set with labels.csv; two forgeries a real."""
    tested = max(2, videos // 3)
    parts: list[dict[str, dict[str, str]]] = [{}, {}]
    for i in range(videos - tested):
        table, folder = parts[i % 2], f"dfdc_train_part_{i % 2}"
        real = f"{_letters(3 * i)}.mp4"
        recorder.real(f"{folder}/{real}", FIRST_DFDC + i)
        table[real] = {"label": "REAL", "split": "train"}
        for variant in (1, 2):
            fake = f"{_letters(3 * i + variant)}.mp4"
            donor = FIRST_DFDC + (i + variant) % (videos - tested)
            recorder.fake(f"{folder}/{fake}", "Deepfakes", FIRST_DFDC + i, donor, variant=variant)
            table[fake] = {"label": "FAKE", "split": "train", "original": real}
    for part, table in enumerate(parts):
        recorder.text(f"dfdc_train_part_{part}/metadata.json", json.dumps(table))
    lines = ["filename,label"]
    for i in range(videos - tested, videos):
        donor = FIRST_DFDC + (i + 1 if i + 1 < videos else videos - tested)
        real, fake = f"{_letters(3 * i)}.mp4", f"{_letters(3 * i + 1)}.mp4"
        recorder.real(f"test/videos/{real}", FIRST_DFDC + i)
        recorder.fake(f"test/videos/{fake}", "Deepfakes", FIRST_DFDC + i, donor)
        lines += [f"{real},0", f"{fake},1"]
    recorder.text("test/labels.csv", "\n".join(lines) + "\n")


def mimic_dfdcp(recorder: Recorder, videos: int) -> None:
    """The preview: dataset.json and three folders; neighbours swap."""
    people = videos // 2 * 2
    tested = max(2, people // 3 // 2 * 2)
    table: dict[str, dict[str, Any]] = {}
    for i in range(people):
        split = "test" if i >= people - tested else "train"
        target, donor = (str(643085 + 1013 * n) for n in (i, i ^ 1))
        numbers = FIRST_PREVIEW + i, FIRST_PREVIEW + (i ^ 1)
        real = f"original_videos/{target}/{target}_A_000.mp4"
        recorder.real(real, numbers[0])
        table[real] = {"label": "real", "set": split, "target_id": None, "swapped_id": None, "augmentations": []}
        for method in ("method_A", "method_B"):
            fake = f"{method}/{target}_{donor}_A/{target}_{donor}_A_000.mp4"
            recorder.fake(fake, method, *numbers)
            table[fake] = {
                "label": "fake",
                "set": split,
                "target_id": target,
                "swapped_id": donor,
                "augmentations": [],
            }
    recorder.text("dataset.json", json.dumps(table, indent=1))


def mimic_wilddeepfake(recorder: Recorder, videos: int) -> None:
    """Numbered folders of face pictures of 224 pixels, in the unpacked archives."""
    for i in range(videos):
        split = "test" if i >= videos - max(2, videos // 3) else "train"
        kind = "fake" if i % 2 else "real"
        number = FIRST_WILD + i
        shown = scene(number, recorder.seconds)
        frames = forgery("Deepfakes", number, number - 1, recorder.seconds) if i % 2 else shown.frames
        faces = _faces(frames, shown.landmarks)
        _pictures(recorder, f"{kind}_{split}/{i}/{kind}/{i * 3 + 1}", faces)


def mimic_ffiw(recorder: Recorder, videos: int) -> None:
    """Two people in each picture, of whom one is forged."""
    for i in range(videos):
        split = "val" if i >= videos - max(2, videos // 3) else "train"
        number = FIRST_FFIW + 2 * i
        guest = scene(number + 1, recorder.seconds).frames
        for kind in ("source", "target"):
            shown = scene(number, recorder.seconds).frames
            if kind == "target":
                shown = forgery("FaceShifter", number, number + 1, recorder.seconds)
            length = min(len(shown), len(guest))
            both = np.concatenate([shown[:length], guest[:length]], axis=2)
            recorder.video(f"{kind}/{split}/{split}_{i:08d}.mp4", both, number)


def mimic_deepfakebench(recorder: Recorder, videos: int) -> None:
    """FaceForensics++ as DeepfakeBench lays it out: pictures, and a JSON file whose paths hold backslashes."""
    labels = {"FF-real": ("original_sequences/youtube", ""), "FF-DF": ("manipulated_sequences/Deepfakes", METHODS[0])}
    table: dict[str, Any] = {label: {split: {"c23": {}} for split in ("train", "val", "test")} for label in labels}
    for split, pairs in pairs_of(videos).items():
        for target, donor in (order for a, b in pairs for order in ((a, b), (b, a))):
            shown = scene(target, recorder.seconds)
            for label, (folder, method) in labels.items():
                frames = forgery(method, target, donor, recorder.seconds) if method else shown.frames
                name = identifier(target) + (f"_{identifier(donor)}" if method else "")
                path = f"FaceForensics++/{folder}/c23/frames/{name}"
                names = _pictures(recorder, f"datasets/rgb/{path}", _faces(frames, shown.landmarks, 256), 3)
                listed = [f"{path}/{picture}".replace("/", "\\") for picture in names]
                table[label][split]["c23"][name] = {"label": label, "frames": listed}
    text = json.dumps({"FaceForensics++": table})
    recorder.text("preprocessing/dataset_json/FaceForensics++.json", text)


def mimic_pair(recorder: Recorder, videos: int) -> None:
    """real/ and fake/METHOD/ with the same names."""
    for i in range(videos):
        number = FIRST_PAIR + i
        recorder.real(f"real/{i:03d}.mp4", number)
        method = ("Deepfakes", "NeuralTextures")[i % 2]
        recorder.fake(f"fake/{method}/{i:03d}.mp4", method, number, FIRST_PAIR + (i + 1) % videos)


def _letters(value: int) -> str:
    """Ten letters, as DFDC names its videos."""
    mixed = value * 6364136223846793005 + 1442695040888963407
    return "".join(chr(97 + mixed // 26**i % 26) for i in range(3, 13))


def _faces(frames: UInt8Array, landmarks: FloatArray, side: int = 224) -> UInt8Array:
    """Each frame cut round its own face, (T, side, side, 3)."""
    cuts = []
    for frame, points in zip(frames, landmarks, strict=True):
        low, high = points.min(axis=0), points.max(axis=0)
        ratio = side / (1.3 * float((high - low).max()))
        x, y = (low + high) / 2
        matrix = np.array([[ratio, 0, side / 2 - ratio * x], [0, ratio, side / 2 - ratio * y]])
        cuts.append(cv2.warpAffine(frame, matrix, (side, side), flags=cv2.INTER_LINEAR))
    return np.asarray(cuts, dtype=np.uint8)


def _pictures(recorder: Recorder, folder: str, frames: UInt8Array, digits: int = 0) -> list[str]:
    """Write frames as numbered PNG files; their names."""
    target = recorder.root / folder
    names = [f"{index:0{digits}d}.png" for index in range(len(frames))]
    for name, frame in zip(names, frames, strict=True):
        write_image(target / name, frame)
    recorder.count += 1
    return names
