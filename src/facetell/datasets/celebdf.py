"""Celeb-DF v1, v2 and ++ (METHOD.md, section 2).

Their list of testing videos counts the other way round, 1 = real; here 1 = forged. What is not on the list is for
training. A forgery ``idA_idB_NNNN`` shows the video ``idA_NNNN`` with the face of idB.
"""

from __future__ import annotations

import re
from pathlib import Path

from facetell.datasets.layout import Layout, ReadOptions, below, subfolders
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


def read_celebdf1(root: Path, options: ReadOptions) -> Manifest:
    """Celeb-DF v1.

    Raises:
        FacetellError: the layout is another one.
    """
    return _read(root, options, "celebdf1", LAYOUT)


def read_celebdf2(root: Path, options: ReadOptions) -> Manifest:
    """Celeb-DF v2.

    Raises:
        FacetellError: the layout is another one.
    """
    return _read(root, options, "celebdf2", LAYOUT)


def read_celebdfpp(root: Path, options: ReadOptions) -> Manifest:
    """Celeb-DF++: 22 methods under three scenarios, each method by its folder's name.

    Raises:
        FacetellError: the layout is another one.
    """
    return _read(root, options, "celebdf++", PLUS_LAYOUT)


def _read(root: Path, options: ReadOptions, dataset: str, layout: Layout) -> Manifest:
    celebrities = layout.folder(root, "Celeb-real")
    others = layout.folder(root, "YouTube-real", "Youtube-real")
    forged = layout.folder(root, "Celeb-synthesis")
    tests = _test_list(root, layout)
    found = {below(root, path): ("", path.stem.partition("_")[0]) for path in _videos(layout, celebrities)}
    reals = {path.rpartition("/")[2]: path for path in found}
    found |= {below(root, path): ("", f"youtube{path.stem}") for path in _videos(layout, others)}
    methods = _methods(layout, forged)
    layout.check_methods(options.methods, tuple(methods))
    for method, folder in methods.items():
        found |= {below(root, path): (method, "") for path in _videos(layout, folder)}
    unknown = sorted(tests.keys() - {_key(path) for path in found})
    if unknown:
        raise layout.fault(f"{root} lacks {len(unknown)} videos of {TEST_LIST}, such as {unknown[0]}")
    entries = []
    for path, (method, identity) in found.items():
        label = int(bool(method))
        listed = tests.get(_key(path), label)
        if listed != label:
            raise layout.fault(f"{TEST_LIST} in {root} gives {path} the wrong label (1 must mean real)")
        split: Split = "test" if _key(path) in tests else "train"
        if not method:
            entries.append(Entry(path, 0, split, identity=identity, dataset=dataset))
        elif not options.methods or method in options.methods:
            entries.append(_fake(path, split, method, reals, dataset))
    return Manifest(root, tuple(carve_val(entries, root, options)))


def _fake(path: str, split: Split, method: str, reals: dict[str, str], dataset: str) -> Entry:
    name = Path(path).stem
    people = re.findall(r"id\d+", name)
    swapped = _SWAPPED.fullmatch(name)
    source = reals.get(f"{swapped[1]}_{swapped[3]}.mp4", "") if swapped else ""
    return Entry(
        path,
        1,
        split,
        identity=people[0] if people else "",
        donor=people[1] if len(people) > 1 else "",
        method=method,
        dataset=dataset,
        source=source,
    )


def _methods(layout: Layout, forged: Path) -> dict[str, Path]:
    """Folders of forgeries by method; v1 and v2 have one only, which ++ calls Celeb-DF."""
    if layout is LAYOUT:
        return {"Celeb-DF": forged}
    found = {method.name: method for scenario in subfolders(forged) for method in subfolders(scenario)}
    if not found:
        raise layout.fault(f"{forged} holds no folder of a method")
    return found


def _videos(layout: Layout, folder: Path) -> list[Path]:
    """Videos of a folder, or of the folder ``videos`` in it, as some copies have it."""
    return layout.videos(folder / "videos" if (folder / "videos").is_dir() else folder)


def _test_list(root: Path, layout: Layout) -> dict[str, int]:
    """Label (1 = forged) by :func:`_key` of the testing videos."""
    path = layout.file(root, TEST_LIST)
    tests = {}
    for number, line in enumerate(layout.lines(path), 1):
        real, _, name = line.partition(" ")
        if real not in ("0", "1") or not name.strip():
            raise FacetellError(f"{path}, line {number}: '{line}' is not '1 FOLDER/VIDEO.mp4' (1 = real, 0 = fake)")
        tests[_key(name.strip())] = 1 - int(real)
    return tests


def _key(path: str) -> str:
    """A path as all spellings of the list have it."""
    return path.replace("\\", "/").replace("/videos/", "/").lower()
