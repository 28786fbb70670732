"""Miniatures of benchmarks: their folders, names and lists (METHOD.md, section 2), with short videos of two people.

Unlike some published benchmarks, no miniature has an identity in two splits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from facetell.datasets.faceforensics import FOLDERS, METHODS, POSTPROCESSED
from facetell.datasets.readers import TEST_LIST
from facetell.datasets.splits import SHARES, draw_split
from mimic.people import Recorder

CRF = {"raw": 0, "c23": 23, "c40": 40}
SCENARIOS = {
    "FaceSwap": "Celeb-DF BlendFace GHOST HifiFace InSwapper MobileFaceSwap SimSwap UniFace",
    "FaceReenact": "DaGAN FSRT HyperReenact LIA LivePortrait MCNET TPSMM",
    "TalkingFace": "AniTalker EchoMimic EDTalk FLOAT IP_LAP Real3DPortrait SadTalker",
}
# Numbers of the first scenes: no two benchmarks share an identity, except those made from FaceForensics++.
ACTOR, DFO_ACTOR, CELEBRITY, OTHER = 2000, 3000, 4000, 4500
DFDC, PREVIEW, WILD, FFIW, PAIR = 5000, 5200, 5400, 5600, 5800


def make_miniature(name: str, root: Path, videos: int = 10, seconds: float = 2.0) -> int:
    """Write the miniature of a benchmark (of :data:`MIMICS`) and return the number of its videos.

    ``videos`` is the number of identities, at least 6; ``seconds`` the length of each video.
    """
    recorder = Recorder(root, seconds)
    MIMICS[name](recorder, videos)
    return recorder.count


def identifier(number: int) -> str:
    """The three digits of an identity, as scattered as in the published lists."""
    return f"{(33 + 379 * number) % 1000:03d}"


def pairs_of(videos: int) -> dict[str, list[tuple[int, int]]]:
    """Pairs of identities by split: about two in five for test, one in five for val."""
    pairs = [(2 * i, 2 * i + 1) for i in range(max(3, videos // 2))]
    val, test = max(1, len(pairs) // 5), max(1, 2 * len(pairs) // 5)
    train = len(pairs) - val - test
    return {"train": pairs[:train], "val": pairs[train : train + val], "test": pairs[train + val :]}


def ordered(pairs: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """(target, donor) both ways round."""
    return (order for a, b in pairs for order in ((a, b), (b, a)))


def tested_from(videos: int) -> int:
    """The first of the last third of some videos, at least two, which are for testing."""
    return videos - max(2, videos // 3)


def in_all_compressions(recorder: Recorder, path: str, *who: Any) -> None:
    for compression, crf in CRF.items():
        recorder.video(path.format(compression), *who, crf=crf)


def mimic_youtube(recorder: Recorder, videos: int, methods: tuple[str, ...] = METHODS[-1:]) -> None:
    """FaceForensics++ without the actors."""
    for split, pairs in pairs_of(videos).items():
        recorder.text(f"splits/{split}.json", json.dumps([[identifier(n) for n in pair] for pair in pairs], indent=1))
        for a, b in ordered(pairs):
            name = f"{identifier(a)}_{identifier(b)}"
            in_all_compressions(recorder, f"original_sequences/youtube/{{}}/videos/{name[:3]}.mp4", a)
            for method in methods:
                in_all_compressions(recorder, f"manipulated_sequences/{method}/{{}}/videos/{name}.mp4", a, b, method)


def mimic_dfd(recorder: Recorder, videos: int) -> None:
    """DeepFakeDetection: each actor in one scene, forged with the face of the next one and back."""
    actors, folder = range(1, videos + 1), "{}/videos"
    for actor in actors:
        in_all_compressions(recorder, f"original_sequences/actors/{folder}/{actor:02d}__talk.mp4", ACTOR + actor)
    for a, b in ordered(list(pairwise(actors))[::2]):
        path = f"manipulated_sequences/DeepFakeDetection/{folder}/{a:02d}_{b:02d}__talk__CODE{a:02d}{b:02d}.mp4"
        in_all_compressions(recorder, path, ACTOR + a, ACTOR + b, "DeepFakeDetection")


def mimic_ffpp(recorder: Recorder, videos: int) -> None:
    mimic_youtube(recorder, videos, METHODS)
    mimic_dfd(recorder, max(6, videos // 2))


def mimic_dfo(recorder: Recorder, videos: int) -> None:
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
                method = "FaceShifter" if folder == POSTPROCESSED else "end_to_end"
                path = f"manipulated_videos/{folder}/{names[-1]}"
                recorder.video(path, target, actors[donor], method, crf=18 + 2 * level)
        recorder.text(f"lists/splits/{split}.txt", *names, "")


def celebrities(videos: int) -> list[tuple[int, int, bool]]:
    """Target, donor, and whether they are for testing: neighbours are swapped, the last third is tested."""
    count = videos // 2 * 2
    return [(i, i ^ 1, i >= (2 * count // 3) // 2 * 2) for i in range(count)]


def celebrity_reals(recorder: Recorder, videos: int) -> list[str]:
    """Write the reals of Celeb-DF; returns the lines of those for testing, which have 1 = real."""
    reals = [
        (f"Celeb-real/id{i}_{take:04d}.mp4", CELEBRITY + 2 * i + take, tested)
        for i, _, tested in celebrities(videos)
        for take in range(2)
    ]
    reals += [(f"YouTube-real/{170 + 7 * i:05d}.mp4", OTHER + i, bool(i % 2)) for i in range(4)]
    for path, number, _ in reals:
        recorder.video(path, number)
    return [f"1 {path}" for path, _, tested in reals if tested]


def mimic_celebdf(recorder: Recorder, videos: int) -> None:
    listed = celebrity_reals(recorder, videos)
    for target, donor, tested in celebrities(videos):
        for take in range(2):
            path = f"Celeb-synthesis/id{target}_id{donor}_{take:04d}.mp4"
            recorder.video(path, CELEBRITY + 2 * target + take, CELEBRITY + 2 * donor, "Celeb-DF")
            listed += [f"0 {path}"] if tested else []
    recorder.text(TEST_LIST, *listed, "")


def mimic_celebdfpp(recorder: Recorder, videos: int) -> None:
    """Of each of the 22 methods one forgery for training and one for testing."""
    listed = celebrity_reals(recorder, videos)
    for scenario, methods in SCENARIOS.items():
        for i, method in enumerate(methods.split()):
            for tested in (False, True):
                chosen = [pair for *pair, place in celebrities(videos) if place is tested]
                target, donor = chosen[i % len(chosen)]
                path = f"Celeb-synthesis/{scenario}/{method}/id{target}_id{donor}_0000.mp4"
                recorder.video(path, CELEBRITY + 2 * target, CELEBRITY + 2 * donor, scenario, variant=i)
                listed += [f"0 {path}"] if tested else []
    recorder.text(TEST_LIST, *listed, "")


def mimic_dfdc(recorder: Recorder, videos: int) -> None:
    """Two training parts with metadata.json and two forgeries per real, and a test set with labels.csv."""
    trained = tested_from(videos)
    parts: list[dict[str, dict[str, str]]] = [{}, {}]
    for i in range(trained):
        folder, table = f"dfdc_train_part_{i % 2}", parts[i % 2]
        real = f"real{i:06d}.mp4"
        recorder.video(f"{folder}/{real}", DFDC + i)
        table[real] = {"label": "REAL", "split": "train"}
        for variant in (1, 2):
            fake = f"fake{i:05d}{variant}.mp4"
            donor = DFDC + (i + variant) % trained
            recorder.video(f"{folder}/{fake}", DFDC + i, donor, "Deepfakes", variant=variant)
            table[fake] = {"label": "FAKE", "split": "train", "original": real}
    for part, table in enumerate(parts):
        recorder.text(f"dfdc_train_part_{part}/metadata.json", json.dumps(table))
    lines = ["filename,label"]
    for i in range(trained, videos):
        donor = DFDC + (i + 1 if i + 1 < videos else trained)
        recorder.video(f"test/videos/real{i}.mp4", DFDC + i)
        recorder.video(f"test/videos/fake{i}.mp4", DFDC + i, donor, "Deepfakes")
        lines += [f"real{i}.mp4,0", f"fake{i}.mp4,1"]
    recorder.text("test/labels.csv", *lines, "")


def mimic_dfdcp(recorder: Recorder, videos: int) -> None:
    people = videos // 2 * 2
    table: dict[str, dict[str, Any]] = {}
    for i in range(people):
        split = "test" if i >= people - max(2, people // 3 // 2 * 2) else "train"
        target, donor = (str(643085 + 1013 * n) for n in (i, i ^ 1))
        real = f"original_videos/{target}/{target}_A_000.mp4"
        recorder.video(real, PREVIEW + i)
        table[real] = {"label": "real", "set": split, "target_id": None, "swapped_id": None}
        for method in ("method_A", "method_B"):
            fake = f"{method}/{target}_{donor}_A/{target}_{donor}_A_000.mp4"
            recorder.video(fake, PREVIEW + i, PREVIEW + (i ^ 1), method)
            table[fake] = {"label": "fake", "set": split, "target_id": target, "swapped_id": donor}
    recorder.text("dataset.json", json.dumps(table, indent=1))


def mimic_wilddeepfake(recorder: Recorder, videos: int) -> None:
    """Numbered folders of images, in the unpacked archives."""
    for i in range(videos):
        split, kind = "test" if i >= tested_from(videos) else "train", "fake" if i % 2 else "real"
        forged = (WILD + i - 1, "Deepfakes") if i % 2 else ()
        recorder.images(f"{kind}_{split}/{i}/{kind}/{i * 3 + 1}", WILD + i, *forged)


def mimic_ffiw(recorder: Recorder, videos: int) -> None:
    for i in range(videos):
        split = "val" if i >= tested_from(videos) else "train"
        recorder.video(f"source/{split}/{split}_{i:08d}.mp4", FFIW + 2 * i)
        recorder.video(f"target/{split}/{split}_{i:08d}.mp4", FFIW + 2 * i, FFIW + 2 * i + 1, "FFIW")


def mimic_deepfakebench(recorder: Recorder, videos: int) -> None:
    """FaceForensics++ as in DeepfakeBench: images, and a JSON file whose paths have backslashes."""
    table: dict[str, Any] = {"FF-real": {}, "FF-DF": {}}
    for split, pairs in pairs_of(videos).items():
        for target, donor in ordered(pairs):
            name = identifier(target)
            for label, folder, stem, *forged in (
                ("FF-real", "original_sequences/youtube", name),
                ("FF-DF", "manipulated_sequences/Deepfakes", f"{name}_{identifier(donor)}", donor, "Deepfakes"),
            ):
                path = f"datasets/rgb/FaceForensics++/{folder}/c23/frames/{stem}"
                images = recorder.images(path, target, *forged)
                listed = [image.removeprefix("datasets/rgb/").replace("/", "\\") for image in images]
                group = table[label].setdefault(split, {"c23": {}})["c23"]
                group[stem] = {"label": label, "frames": listed}
    recorder.text("preprocessing/dataset_json/FaceForensics++.json", json.dumps({"FaceForensics++": table}))


def mimic_pair(recorder: Recorder, videos: int) -> None:
    for i in range(videos):
        recorder.video(f"real/{i:03d}.mp4", PAIR + i)
        method = ("Deepfakes", "NeuralTextures")[i % 2]
        recorder.video(f"fake/{method}/{i:03d}.mp4", PAIR + i, PAIR + (i + 1) % videos, method)


MIMICS: dict[str, Callable[[Recorder, int], None]] = {
    "ffpp": mimic_ffpp,
    "faceshifter": mimic_youtube,
    "dfd": mimic_dfd,
    "dfo": mimic_dfo,
    "celebdf1": mimic_celebdf,
    "celebdf2": mimic_celebdf,
    "celebdf++": mimic_celebdfpp,
    "dfdc": mimic_dfdc,
    "dfdcp": mimic_dfdcp,
    "wilddeepfake": mimic_wilddeepfake,
    "ffiw": mimic_ffiw,
    "deepfakebench": mimic_deepfakebench,
    "pair": mimic_pair,
}
