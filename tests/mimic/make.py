"""Miniatures of benchmarks: their folders, names and lists (METHOD.md, section 2), with short videos of two people.

Unlike some published benchmarks, no miniature has an identity in two splits.
"""

import json
from functools import partial
from itertools import pairwise

from facetell.datasets.faceforensics import FOLDERS, METHODS
from facetell.datasets.layout import SHARES, draw_split
from facetell.datasets.readers import TEST_LIST
from mimic.people import Recorder

CRF = {"raw": 0, "c23": 23, "c40": 40}
# Numbers of the first scenes: no two benchmarks share an identity, except those made from FaceForensics++.
ACTOR, DFO_ACTOR, CELEBRITY, OTHER = 2000, 3000, 4000, 4500


def make_miniature(name, root, videos=10, seconds=2.0):
    """Write the miniature of a benchmark (of :data:`MIMICS`) and return the number of its videos.

    ``videos`` is the number of identities, at least 6; ``seconds`` the length of each video, 0 for empty files.
    """
    recorder = Recorder(root, seconds)
    MIMICS[name](recorder, videos)
    return recorder.count


def identifier(number):
    """The three digits of an identity, as scattered as in the published lists."""
    return f"{(33 + 379 * number) % 1000:03d}"


def pairs_of(videos):
    """Pairs of identities by split: about two in five for test, one in five for val."""
    pairs = [(2 * i, 2 * i + 1) for i in range(max(3, videos // 2))]
    val, test = max(1, len(pairs) // 5), max(1, 2 * len(pairs) // 5)
    train = len(pairs) - val - test
    return {"train": pairs[:train], "val": pairs[train : train + val], "test": pairs[train + val :]}


def ordered(pairs):
    return (order for a, b in pairs for order in ((a, b), (b, a)))


def in_all_compressions(recorder, path, *who, only=CRF):
    for compression in only:
        recorder.video(path.format(compression), *who, crf=CRF[compression])


def mimic_youtube(recorder, videos, methods=("FaceShifter",), only=CRF):
    for split, pairs in pairs_of(videos).items():
        recorder.text(f"splits/{split}.json", json.dumps([[identifier(n) for n in pair] for pair in pairs], indent=1))
        for a, b in ordered(pairs):
            name = f"{identifier(a)}_{identifier(b)}"
            in_all_compressions(recorder, f"original_sequences/youtube/{{}}/videos/{name[:3]}.mp4", a, only=only)
            for method in methods:
                path = f"manipulated_sequences/{method}/{{}}/videos/{name}.mp4"
                in_all_compressions(recorder, path, a, b, only=only)


def mimic_dfd(recorder, videos):
    """DeepFakeDetection: each actor in one scene, forged with the face of the next one and back."""
    actors, folder = range(1, videos + 1), "{}/videos"
    for actor in actors:
        in_all_compressions(recorder, f"original_sequences/actors/{folder}/{actor:02d}__talk.mp4", ACTOR + actor)
    for a, b in ordered(list(pairwise(actors))[::2]):
        path = f"manipulated_sequences/DeepFakeDetection/{folder}/{a:02d}_{b:02d}__talk__CODE{a:02d}{b:02d}.mp4"
        in_all_compressions(recorder, path, ACTOR + a, ACTOR + b)


def mimic_dfo(recorder, videos):
    """Targets are the identities of the FaceForensics++ miniature of the same size. No actor is in two splits."""
    numbers = range(DFO_ACTOR, DFO_ACTOR + max(6, videos // 2))
    actors = {f"{'M' if n % 3 == 2 else 'W'}{n % 1000 + 1:03d}": n for n in numbers}
    split_of = draw_split(actors, SHARES, 0)
    for actor, number in actors.items():
        path = f"source_videos/{actor}/light_uniform/neutral/camera_front"
        recorder.video(f"{path}/{actor}_light_uniform_neutral_camera_front.mp4", number)
    for split, pairs in pairs_of(videos).items():
        donors = [actor for actor, place in split_of.items() if place == split]
        names = []
        for i, target in enumerate(number for pair in pairs for number in pair):
            donor = donors[i % len(donors)]
            names.append(f"{identifier(target)}_{donor}.mp4")
            for level, folder in enumerate(FOLDERS):
                path = f"manipulated_videos/{folder}/{names[-1]}"
                recorder.video(path, target, actors[donor], crf=18 + 2 * level)
        recorder.text(f"lists/splits/{split}.txt", *names, "")


def celebrities(videos):
    """Target, donor, and whether they are for testing: neighbours are swapped, the last third is tested."""
    count = videos // 2 * 2
    return [(i, i ^ 1, i >= (2 * count // 3) // 2 * 2) for i in range(count)]


def mimic_celebdf(recorder, videos):
    """The list of testing videos has 1 = real."""
    reals = [
        (f"Celeb-real/id{i}_{take:04d}.mp4", CELEBRITY + 2 * i + take, tested)
        for i, _, tested in celebrities(videos)
        for take in range(2)
    ]
    reals += [(f"YouTube-real/{170 + 7 * i:05d}.mp4", OTHER + i, bool(i % 2)) for i in range(4)]
    for path, number, _ in reals:
        recorder.video(path, number)
    listed = [f"1 {path}" for path, _, tested in reals if tested]
    for target, donor, tested in celebrities(videos):
        for take in range(2):
            path = f"Celeb-synthesis/id{target}_id{donor}_{take:04d}.mp4"
            recorder.video(path, CELEBRITY + 2 * target + take, CELEBRITY + 2 * donor)
            listed += [f"0 {path}"] if tested else []
    recorder.text(TEST_LIST, *listed, "")


MIMICS = {
    "ffpp": partial(mimic_youtube, methods=METHODS),
    "faceshifter": mimic_youtube,
    "dfd": mimic_dfd,
    "dfo": mimic_dfo,
    "celebdf1": mimic_celebdf,
    "celebdf2": mimic_celebdf,
}
