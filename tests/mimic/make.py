"""Miniatures of benchmarks: their folders, names and lists, with short videos; no identity is in two splits."""

import json
from functools import partial

from facetell.datasets.faceforensics import FOLDERS, METHODS
from facetell.datasets.layout import SHARES, draw_split
from facetell.datasets.readers import TEST_LIST
from mimic.people import Recorder

CRF = {"raw": 0, "c23": 23, "c40": 40}
# Numbers of the first scenes: no two benchmarks share an identity, except those made from FaceForensics++.
ACTOR, DFO_ACTOR, CELEBRITY, OTHER = 2000, 3000, 4000, 4500
PAIRS = {"train": (0, 1), "val": (2, 3), "test": (4, 5)}


def make_miniature(name, root, seconds=0):
    """Write the miniature of a benchmark (of :data:`MIMICS`) with videos of that length, by default empty files."""
    MIMICS[name](Recorder(root, seconds))


def identifier(number):
    """The three digits of an identity, as scattered as in the published lists."""
    return f"{(33 + 379 * number) % 1000:03d}"


def in_all_compressions(recorder, path, *who):
    for compression, crf in CRF.items():
        recorder.video(path.format(compression), *who, crf=crf)


def mimic_youtube(recorder, methods=("FaceShifter",)):
    for split, pair in PAIRS.items():
        recorder.text(f"splits/{split}.json", json.dumps([[identifier(number) for number in pair]]))
        for a, b in (pair, pair[::-1]):
            name = f"{identifier(a)}_{identifier(b)}"
            in_all_compressions(recorder, f"original_sequences/youtube/{{}}/videos/{name[:3]}.mp4", a)
            for method in methods:
                in_all_compressions(recorder, f"manipulated_sequences/{method}/{{}}/videos/{name}.mp4", a, b)


def mimic_dfd(recorder):
    """DeepFakeDetection: each actor in one scene, forged with the face of a neighbour."""
    for a in range(1, 7):
        b = a + 1 if a % 2 else a - 1
        in_all_compressions(recorder, f"original_sequences/actors/{{}}/videos/{a:02d}__talk.mp4", ACTOR + a)
        path = f"manipulated_sequences/DeepFakeDetection/{{}}/videos/{a:02d}_{b:02d}__talk__CODE{a:02d}{b:02d}.mp4"
        in_all_compressions(recorder, path, ACTOR + a, ACTOR + b)


def mimic_dfo(recorder):
    """Targets are the identities of the FaceForensics++ miniature. No actor is in two splits."""
    actors = {f"{'M' if n % 3 == 2 else 'W'}{n % 1000 + 1:03d}": n for n in range(DFO_ACTOR, DFO_ACTOR + 6)}
    split_of = draw_split(actors, SHARES, 0)
    for actor, number in actors.items():
        path = f"source_videos/{actor}/light_uniform/neutral/camera_front"
        recorder.video(f"{path}/{actor}_light_uniform_neutral_camera_front.mp4", number)
    for split, pair in PAIRS.items():
        donors = [actor for actor, place in split_of.items() if place == split]
        names = []
        for i, target in enumerate(pair):
            donor = donors[i % len(donors)]
            names.append(f"{identifier(target)}_{donor}.mp4")
            for level, folder in enumerate(FOLDERS):
                recorder.video(f"manipulated_videos/{folder}/{names[-1]}", target, actors[donor], crf=18 + 2 * level)
        recorder.text(f"lists/splits/{split}.txt", *names, "")


def mimic_celebdf(recorder):
    """Identities 4 and 5 and every second video of YouTube are tested. The list of testing videos has 1 = real."""
    takes = [(i, take) for i in range(6) for take in range(2)]
    reals = [(f"Celeb-real/id{i}_{take:04d}.mp4", CELEBRITY + 2 * i + take, i >= 4) for i, take in takes]
    reals += [(f"YouTube-real/{170 + 7 * i:05d}.mp4", OTHER + i, bool(i % 2)) for i in range(4)]
    for path, number, _ in reals:
        recorder.video(path, number)
    listed = [f"1 {path}" for path, _, tested in reals if tested]
    for i, take in takes:
        path = f"Celeb-synthesis/id{i}_id{i ^ 1}_{take:04d}.mp4"
        recorder.video(path, CELEBRITY + 2 * i + take, CELEBRITY + 2 * (i ^ 1))
        listed += [f"0 {path}"] if i >= 4 else []
    recorder.text(TEST_LIST, *listed, "")


MIMICS = {
    "ffpp": partial(mimic_youtube, methods=METHODS),
    "faceshifter": mimic_youtube,
    "dfd": mimic_dfd,
    "dfo": mimic_dfo,
    "celebdf1": mimic_celebdf,
    "celebdf2": mimic_celebdf,
}
