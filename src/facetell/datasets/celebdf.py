"""Celeb-DF v1, v2 and ++ (METHOD.md, section 2).

Their list of testing videos has 1 = real; a manifest has 1 = forged. Videos that are not on the list are for training.
A forgery ``idA_idB_NNNN`` is the video ``idA_NNNN`` with the face of idB. Celeb-DF++ has 22 methods in three scenarios.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from facetell.datasets.layout import CARVED, Benchmark, Layout, ReadOptions, below, subfolders
from facetell.datasets.manifest import Entry, Manifest, Split
from facetell.datasets.splits import carve_val
from facetell.types import FacetellError

TEST_LIST = "List_of_testing_videos.txt"
LAYOUT = Layout(
    "Celeb-DF",
    f"Celeb-real/idA_NNNN.mp4, YouTube-real/NNNNN.mp4, Celeb-synthesis/idA_idB_NNNN.mp4 and {TEST_LIST}",
)
PLUS_LAYOUT = Layout(
    "Celeb-DF++",
    "Celeb-real/idA_NNNN.mp4, YouTube-real/NNNNN.mp4, "
    f"Celeb-synthesis/{{FaceSwap,FaceReenact,TalkingFace}}/METHOD/*.mp4 and {TEST_LIST}",
)
_SWAPPED = re.compile(r"(id\d+)_(id\d+)_(\d+)")


def read_celebdf(root: Path, options: ReadOptions, dataset: str, layout: Layout) -> Manifest:
    """Celeb-DF in one of its versions."""
    celebrities = layout.folder(root, "Celeb-real")
    others = layout.folder(root, "YouTube-real", "Youtube-real")
    forged = layout.folder(root, "Celeb-synthesis")
    tests = _test_list(root, layout)
    # Method and identity by the path.
    found = {below(root, path): ("", path.stem.partition("_")[0]) for path in layout.videos(celebrities)}
    reals = {path.rpartition("/")[2]: path for path in found}
    found |= {below(root, path): ("", f"youtube{path.stem}") for path in layout.videos(others)}
    methods = {"Celeb-DF": forged}  # the only method of v1 and v2
    if layout is PLUS_LAYOUT:
        methods = {method.name: method for scenario in subfolders(forged) for method in subfolders(scenario)}
        if not methods:
            raise layout.fault(f"{forged} holds no folder of a method")
    layout.check_methods(options.methods, tuple(methods))
    for method, folder in methods.items():
        found |= {below(root, path): (method, "") for path in layout.videos(folder)}
    unknown = sorted(tests.keys() - {_key(path) for path in found})
    if unknown:
        raise layout.fault(f"{root} lacks {len(unknown)} videos of {TEST_LIST}, such as {unknown[0]}")
    entries = []
    for path, (method, identity) in found.items():
        label = int(bool(method))
        if tests.get(_key(path), label) != label:
            raise layout.fault(f"{TEST_LIST} in {root} gives {path} the wrong label (1 must mean real)")
        split: Split = "test" if _key(path) in tests else "train"
        if not method:
            entries.append(Entry(path, 0, split, identity=identity, dataset=dataset))
        elif not options.methods or method in options.methods:
            name = Path(path).stem
            identity, donor = [*re.findall(r"id\d+", name), "", ""][:2]
            swapped = _SWAPPED.fullmatch(name)
            source = reals.get(f"{swapped[1]}_{swapped[3]}.mp4", "") if swapped else ""
            entries.append(Entry(path, 1, split, identity, donor, method, dataset, source=source))
    return Manifest(root, tuple(carve_val(entries, root, options)))


def _test_list(root: Path, layout: Layout) -> dict[str, int]:
    """Label (1 = forged) of the testing videos by :func:`_key`."""
    path = layout.file(root, TEST_LIST)
    tests = {}
    for number, line in enumerate(layout.lines(path), 1):
        real, _, name = line.partition(" ")
        if real not in ("0", "1") or not name.strip():
            raise FacetellError(f"{path}, line {number}: '{line}' is not '1 FOLDER/VIDEO.mp4' (1 = real, 0 = fake)")
        tests[_key(name.strip())] = 1 - int(real)
    return tests


def _key(path: str) -> str:
    """A path in the spelling that all copies of the list have in common."""
    return path.replace("\\", "/").replace("/videos/", "/").lower()


def _version(name: str, about: str, layout: Layout, *options: str) -> Benchmark:
    return Benchmark(about, layout, partial(read_celebdf, dataset=name, layout=layout), CARVED | {*options})


BENCHMARKS = {
    "celebdf1": _version("celebdf1", "Celeb-DF v1", LAYOUT),
    "celebdf2": _version("celebdf2", "Celeb-DF v2: 590 + 300 reals, 5639 swaps, 518 for testing", LAYOUT),
    "celebdf++": _version("celebdf++", "Celeb-DF++: the reals of v2 and 22 methods", PLUS_LAYOUT, "methods"),
}
