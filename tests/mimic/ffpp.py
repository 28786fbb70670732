"""A miniature of FaceForensics++ (METHOD.md, section 2)."""

from __future__ import annotations

import json
from itertools import pairwise

from mimic.people import CRF, Recorder, forgery, scene

METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")
SCENES = ("outside_talking_still_laughing", "kitchen_pan")
FIRST_ACTOR = 2000  # number of the scene of the first actor: none of the YouTube identities


def identifier(number: int) -> str:
    """The three digits of an identity, as scattered as in the published lists."""
    return f"{(33 + 379 * number) % 1000:03d}"


def pairs_of(videos: int) -> dict[str, list[tuple[int, int]]]:
    """Pairs of identity numbers by split: about two in five for test, one in five for val."""
    pairs = [(2 * i, 2 * i + 1) for i in range(max(3, videos // 2))]
    val, test = max(1, len(pairs) // 5), max(1, 2 * len(pairs) // 5)
    train = len(pairs) - val - test
    return {"train": pairs[:train], "val": pairs[train : train + val], "test": pairs[train + val :]}


def mimic_ffpp(recorder: Recorder, videos: int) -> None:
    """The whole tree: reals, five methods, the actors and their forgeries, each raw, c23 and c40, and the splits."""
    _mimic_youtube(recorder, videos, METHODS)
    mimic_actors(recorder, range(1, max(6, videos // 2) + 1))


def mimic_faceshifter(recorder: Recorder, videos: int) -> None:
    """The same tree with the fifth method alone."""
    _mimic_youtube(recorder, videos, METHODS[-1:])


def _mimic_youtube(recorder: Recorder, videos: int, methods: tuple[str, ...]) -> None:
    """The splits, the YouTube reals and the forgeries made from them."""
    splits = pairs_of(videos)
    for split, pairs in splits.items():
        recorder.text(f"splits/{split}.json", json.dumps([[identifier(n) for n in pair] for pair in pairs], indent=1))
    for a, b in (pair for pairs in splits.values() for pair in pairs):
        for target, donor in ((a, b), (b, a)):
            _write(recorder, "original_sequences/youtube", identifier(target), target, None, "")
            for method in methods:
                name = f"{identifier(target)}_{identifier(donor)}"
                _write(recorder, f"manipulated_sequences/{method}", name, target, donor, method)


def mimic_actors(recorder: Recorder, actors: range) -> None:
    """DeepFakeDetection's part: every actor in one scene, each forged with the next one's face and back."""
    for actor in actors:
        name = f"{actor:02d}__{SCENES[0]}"
        _write(recorder, "original_sequences/actors", name, FIRST_ACTOR + actor, None, "")
    for a, b in pairwise(actors):
        if (a - actors.start) % 2:
            continue
        for target, donor in ((a, b), (b, a)):
            name = f"{target:02d}_{donor:02d}__{SCENES[0]}__{_tag(target, donor)}"
            numbers = FIRST_ACTOR + target, FIRST_ACTOR + donor
            _write(recorder, "manipulated_sequences/DeepFakeDetection", name, *numbers, "DeepFakeDetection")


def _write(recorder: Recorder, folder: str, name: str, target: int, donor: int | None, method: str) -> None:
    """One video at all compressions; forged once."""
    seconds = recorder.seconds
    frames = scene(target, seconds).frames if donor is None else forgery(method, target, donor, seconds)
    for compression, crf in CRF.items():
        recorder.video(f"{folder}/{compression}/videos/{name}.mp4", frames, target, crf)


def _tag(target: int, donor: int) -> str:
    """Eight letters and digits, as at the end of DeepFakeDetection's names."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    value = 7919 * target + 104729 * donor + 15485863
    return "".join(letters[value // 36**i % 36] for i in range(8))
