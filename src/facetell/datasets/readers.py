"""All benchmarks that can be read (docs/datasets.md). To add one: its reader, an entry of :data:`BENCHMARKS`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from facetell.datasets import faceforensics
from facetell.datasets.deepfakebench import read_deepfakebench
from facetell.datasets.layout import BY_IDENTITY, CARVED, Benchmark, Folder, ReadOptions, carve_val, split_by_identity
from facetell.datasets.manifest import SPLITS, Entry, Manifest, Split
from facetell.types import FacetellError
from facetell.video.find import LeftOut, search

TEST_LIST = "List_of_testing_videos.txt"
_CELEBDF_PAIR = re.compile(r"(id\d+)_(id\d+)_(\d+)")


def read_celebdf(at: Folder, options: ReadOptions) -> Iterator[Entry]:
    """Celeb-DF v1, v2 or ++, which has 22 methods in three scenarios.

    Their list of testing videos has 1 = real; a manifest has 1 = forged. Videos that are not on the list are for
    training. A forgery ``idA_idB_NNNN`` is the video ``idA_NNNN`` with the face of idB.
    """
    celebrities, others = at.folder("Celeb-real"), at.folder("YouTube-real", "Youtube-real")
    forged = at.folder("Celeb-synthesis")
    tests = _celebdf_tests(at)
    # Method and identity by the path.
    found = {path: ("", Path(path).stem.partition("_")[0]) for path in at.videos(celebrities)}
    reals = {Path(path).name: path for path in found}
    found |= {path: ("", f"youtube{Path(path).stem}") for path in at.videos(others)}
    methods = {"Celeb-DF": forged}  # the only method of v1 and v2
    if at.benchmark.name == "celebdf++":
        folders = [method for scenario in at.subfolders(forged) for method in at.subfolders(scenario)]
        if not (methods := {Path(folder).name: folder for folder in folders}):
            raise at.fault(f"{at.root / forged} holds no folder of a method")
    at.check_methods(options.methods, tuple(methods))
    for method, folder in methods.items():
        found |= dict.fromkeys(at.videos(folder), (method, ""))
    if unknown := sorted(tests.keys() - {_celebdf_key(path) for path in found}):
        raise at.fault(f"{at.root} lacks {len(unknown)} videos of {TEST_LIST}, such as {unknown[0]}")
    for path, (method, identity) in found.items():
        label, key, donor, source = int(bool(method)), _celebdf_key(path), "", ""
        if tests.get(key, label) != label:
            raise at.fault(f"{TEST_LIST} in {at.root} gives {path} the wrong label (1 must mean real)")
        if method and options.methods and method not in options.methods:
            continue
        if method:
            identity, donor = [*re.findall(r"id\d+", Path(path).stem), "", ""][:2]
            pair = _CELEBDF_PAIR.fullmatch(Path(path).stem)
            source = reals.get(f"{pair[1]}_{pair[3]}.mp4", "") if pair else ""
        split: Split = "test" if key in tests else "train"
        yield Entry(path, label, split, identity, donor, method, at.benchmark.name, source=source)


def _celebdf_tests(at: Folder) -> dict[str, int]:
    """Label (1 = forged) of the testing videos by :func:`_celebdf_key`."""
    tests = {}
    for number, line in enumerate(at.lines(at.file(TEST_LIST)), 1):
        real, _, name = line.partition(" ")
        if real not in ("0", "1") or not name.strip():
            raise FacetellError(
                f"{at.root / TEST_LIST}, line {number}: '{line}' is not '1 FOLDER/VIDEO.mp4' (1 = real, 0 = fake)"
            )
        tests[_celebdf_key(name.strip())] = 1 - int(real)
    return tests


def _celebdf_key(path: str) -> str:
    """A path in the spelling that all copies of the list have in common."""
    return path.replace("\\", "/").replace("/videos/", "/").lower()


def read_dfdc(at: Folder, options: ReadOptions) -> Iterator[Entry]:
    """DFDC's training parts and test set, those that are there. Without identities, forgeries go by their recording."""
    at.folder(".")
    metadata = sorted([*at.root.glob("*_part_*/metadata.json"), *at.root.glob("train/*/metadata.json")])
    parts = [path.parent.relative_to(at.root).as_posix() for path in metadata]
    tables = {part: _table(at, f"{part}/metadata.json", "{video: {label, split, original}}") for part in parts}
    place = {name: f"{part}/{name}" for part, table in tables.items() for name in table}
    for part, table in tables.items():
        for name, row in table.items():
            if (label := str(row.get("label", "")).upper()) not in ("REAL", "FAKE"):
                raise at.fault(f"{at.root / part}/metadata.json gives {name} the label '{label}', not REAL or FAKE")
            forged = label == "FAKE"
            method, source = ("DFDC", place.get(str(row.get("original")), "")) if forged else ("", "")
            yield Entry(place[name], int(forged), "train", method=method, dataset="dfdc", source=source)
    file = next((name for name in ("test/labels.csv", "labels.csv") if (at.root / name).is_file()), None)
    if file is not None:
        folder = Path(file).with_name("videos")
        folder = folder if (at.root / folder).is_dir() else folder.parent
        for row in at.rows(file, ("filename", "label")):
            name, label = row["filename"], row["label"]
            if label not in ("0", "1"):
                raise at.fault(f"{at.root / file} gives {name} the label '{label}', not 0 or 1")
            method = "DFDC" if label == "1" else ""
            yield Entry((folder / name).as_posix(), int(label), "test", method=method, dataset="dfdc")
    elif not tables:
        raise at.fault(f"{at.root} has neither a training part with metadata.json nor test/labels.csv")


def read_dfdcp(at: Folder, options: ReadOptions) -> Iterator[Entry]:
    """The DFDC preview with its own splits."""
    file = at.file("dataset.json")
    if not (table := _table(at, file, "{video: {label, set}}")):
        raise at.fault(f"{at.root / file} names no video")
    for name, row in table.items():
        label, split = row.get("label"), row.get("set")
        if label not in ("real", "fake") or split not in ("train", "test"):
            raise at.fault(f"{at.root / file} does not give {name} a label (real or fake) and a set (train or test)")
        folder, _, rest = name.partition("/")
        target = str(row.get("target_id") or rest.partition("/")[0].partition("_")[0])
        donor = str(row.get("swapped_id") or "")
        donor = f"dfdcp{donor}" if label == "fake" and donor not in ("", target) else ""
        method = folder if label == "fake" else ""
        yield Entry(name, int(label == "fake"), split, f"dfdcp{target}", donor, method, "dfdcp")


def _table(at: Folder, file: str, form: str) -> dict[str, dict[str, Any]]:
    table = at.json(file)
    if not (isinstance(table, dict) and all(isinstance(row, dict) for row in table.values())):
        raise at.fault(f"{at.root / file} is no table {form}")
    return table


def read_wilddeepfake(at: Folder, options: ReadOptions) -> Iterator[Entry]:
    """WildDeepfake: a folder of images is a video; those of one archive have a common recording, hence an identity."""
    splits: tuple[Split, ...] = ("train", "test")
    for label, kind in enumerate(("real", "fake")):
        for split in splits:
            folder = at.folder(f"{kind}_{split}")
            if not (found := [item.name for item in search(at.root / folder, LeftOut())]):
                raise at.fault(f"{at.root / folder} holds no folder of images (unpack its archives)")
            for name in found:
                identity, method = f"{folder}_{Path(name).parts[0]}", "wild" if label else ""
                yield Entry(f"{folder}/{name}", label, split, identity, "", method, "wilddeepfake")


def read_ffiw(at: Folder, options: ReadOptions) -> Iterator[Entry]:
    """FFIW; papers test on its published ``val``, which is ``test`` here."""
    splits: tuple[tuple[str, Split], ...] = (("train", "train"), ("val", "test"))
    for folder, split in splits:
        reals = {Path(path).name: path for path in at.videos(at.folder(f"source/{folder}"))}
        yield from (Entry(path, 0, split, dataset="ffiw") for path in reals.values())
        for path in at.videos(at.folder(f"target/{folder}")):
            yield Entry(path, 1, split, method="FFIW", dataset="ffiw", source=reals.get(Path(path).name, ""))


def read_pair(at: Folder, options: ReadOptions) -> list[Entry]:
    """``real/`` and ``fake/``: a forgery with the name of a real was made from it; splits as the folders have it.

    Without folders of splits, one is drawn by recording: a real and its forgeries are in one split.
    """
    entries: list[Entry] = []
    unsplit: list[str] = []
    reals: dict[tuple[str | None, str], str] = {}
    for label, kind in enumerate(("real", "fake")):
        folder, left_out = at.root / at.folder(kind), LeftOut()
        found = list(search(folder, left_out))
        if closed := [item.name for item in found if item.is_closed]:
            raise at.fault(f"{folder / closed[0]} may not be read")
        if not found:
            raise at.fault(f"{folder} holds neither a video nor a folder of frames")
        if left_out:
            options.note(f"in {folder}, left out: {left_out}")
        for path in (Path(kind, item.name) for item in found):
            parts, name = path.parts[1:-1], path.as_posix()
            split = next((name for name in SPLITS if name in parts), None)
            method = next((part for part in parts if part != split), "fake") if label else ""
            source = reals.get((split, path.stem), "") if label else ""
            dataset = at.root.resolve().name
            entries.append(Entry(name, label, split or "test", method=method, dataset=dataset, source=source))
            if split is None:
                unsplit.append(name)
            if not label:
                reals[split, path.stem] = name
    if options.all_test or len(unsplit) == len(entries):
        return split_by_identity(entries, options)
    if unsplit:
        raise at.fault(f"{at.root / unsplit[0]} is in no folder of a split, though other videos are")
    return entries


_CELEBDF_TREE = f"Celeb-real/idA_NNNN.mp4, YouTube-real/NNNNN.mp4, Celeb-synthesis/{{}} and {TEST_LIST}"
_CELEBDF = _CELEBDF_TREE.format("idA_idB_NNNN.mp4")
_CELEBDFPP = _CELEBDF_TREE.format("{FaceSwap,FaceReenact,TalkingFace}/METHOD/*.mp4")
_DFDC = (
    "dfdc_train_part_N/metadata.json with its videos beside (also under train/), or test/labels.csv with its videos "
    "beside or in test/videos/, or both"
)
_DFDCP = (
    "dataset.json ({path: {label, set, target_id, swapped_id}}) and the folders original_videos, method_A, method_B"
)
_WILD = "the unpacked folders real_train, real_test, fake_train and fake_test, with numbered folders of images in them"
_FFIW = "source/{train,val} with the reals and target/{train,val} with the forgeries"
_BENCH = (
    "NAME.json ({dataset: {label: {split: {video: {label, frames: [...]}}}}}) with the paths relative to the folder"
)
_PAIR = (
    "real/ and fake/ with videos (or folders of frames), in train/, val/ and test/ where they are split, "
    "and in fake/ in a folder a method where there are several"
)
BENCHMARKS = {
    known.name: known
    for known in (
        faceforensics.FFPP,
        faceforensics.FACESHIFTER,
        faceforensics.DFD,
        Benchmark("celebdf1", "Celeb-DF v1", _CELEBDF, read_celebdf, CARVED),
        Benchmark("celebdf2", "Celeb-DF v2: 590 + 300 reals, 5639 swaps", _CELEBDF, read_celebdf, CARVED),
        Benchmark("celebdf++", "Celeb-DF++: reals of v2, 22 methods", _CELEBDFPP, read_celebdf, CARVED | {"methods"}),
        Benchmark("dfdc", "DFDC: the Deepfake Detection Challenge", _DFDC, read_dfdc, CARVED),
        Benchmark("dfdcp", "DFDC preview: the first part of that", _DFDCP, read_dfdcp, CARVED),
        faceforensics.DFO,
        Benchmark("ffiw", "FFIW: several people in a frame", _FFIW, read_ffiw, CARVED),
        Benchmark("wilddeepfake", "WildDeepfake: folders of face images", _WILD, read_wilddeepfake, CARVED),
        Benchmark("deepfakebench", "DeepfakeBench and DF40: lists of frames", _BENCH, read_deepfakebench),
        Benchmark("pair", "pair: any two folders real/ and fake/", _PAIR, read_pair, BY_IDENTITY),
    )
}
"""By name, in the order of tables; the text before the colon is the name in tables."""


def benchmark(name: str) -> Benchmark:
    """The benchmark of a name; FacetellError where there is none."""
    if name not in BENCHMARKS:
        raise FacetellError(f"'{name}' is not a benchmark that can be read; choose one of {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]


def read_benchmark(name: str, root: Path, options: ReadOptions | None = None) -> Manifest:
    """The manifest of a benchmark below ``root``. FacetellError: no such benchmark, or other files than expected."""
    known, options = benchmark(name), options or ReadOptions()
    entries = [*known.read(Folder(root, known), options)]
    return Manifest(root, tuple(carve_val(entries, options) if "val" in known.options else entries))
