"""Datasets described by their folders: WildDeepfake, FFIW, a pair of folders; and a manifest that is there already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from facetell.datasets.layout import BY_IDENTITY, CARVED, Benchmark, Layout, ReadOptions, below, has_images, subfolders
from facetell.datasets.manifest import SPLITS, Entry, Manifest, Split, read_manifest
from facetell.datasets.splits import carve_val, check_official, split_by_identity
from facetell.types import FacetellError
from facetell.video.find import LeftOut, search

WILD_LAYOUT = Layout(
    "WildDeepfake",
    "the unpacked folders real_train, real_test, fake_train and fake_test, with numbered folders of images in them",
)
FFIW_LAYOUT = Layout("FFIW", "source/{train,val} with the reals and target/{train,val} with the forgeries")
PAIR_LAYOUT = Layout(
    "a pair of folders",
    "real/ and fake/ with videos (or folders of frames), in train/, val/ and test/ where they are split, "
    "and in fake/ in a folder a method where there are several",
)
CSV_LAYOUT = Layout("a manifest", "a CSV file with the columns path, label and split")


def read_wilddeepfake(root: Path, options: ReadOptions) -> Manifest:
    """WildDeepfake: a folder of images is a video; those of one archive have a common recording, hence an identity."""
    entries = []
    splits: tuple[Split, ...] = ("train", "test")
    for label, kind in enumerate(("real", "fake")):
        for split in splits:
            folder = WILD_LAYOUT.folder(root, f"{kind}_{split}")
            found = list(_image_folders(folder))
            if not found:
                raise WILD_LAYOUT.fault(f"{folder} holds no folder of images (unpack its archives)")
            for path in found:
                identity = f"{kind}_{split}_{path.relative_to(folder).parts[0]}"
                method = "wild" if label else ""
                entries.append(Entry(below(root, path), label, split, identity, "", method, "wilddeepfake"))
    return Manifest(root, tuple(carve_val(entries, root, options)))


def _image_folders(folder: Path) -> Iterator[Path]:
    """Folders with images at any depth below ``folder``, sorted."""
    for path in subfolders(folder):
        if has_images(path):
            yield path
        else:
            yield from _image_folders(path)


def read_ffiw(root: Path, options: ReadOptions) -> Manifest:
    """FFIW; papers test on its published ``val``, which is ``test`` here."""
    entries = []
    splits: tuple[tuple[str, Split], ...] = (("train", "train"), ("val", "test"))
    for folder, split in splits:
        reals, fakes = (
            {path.name: below(root, path) for path in FFIW_LAYOUT.videos(FFIW_LAYOUT.folder(root, f"{kind}/{folder}"))}
            for kind in ("source", "target")
        )
        entries += [Entry(path, 0, split, dataset="ffiw") for path in reals.values()]
        entries += [
            Entry(path, 1, split, method="FFIW", dataset="ffiw", source=reals.get(name, ""))
            for name, path in fakes.items()
        ]
    return Manifest(root, tuple(carve_val(entries, root, options)))


def read_pair(root: Path, options: ReadOptions) -> Manifest:
    """``real/`` and ``fake/``: a forgery with the name of a real was made from it; splits as the folders have it.

    Without folders of splits, one is drawn by recording: a real and its forgeries are in one split.
    """
    entries: list[Entry] = []
    unsplit: list[str] = []
    reals: dict[tuple[str | None, str], str] = {}
    for label, kind in enumerate(("real", "fake")):
        folder, left_out = PAIR_LAYOUT.folder(root, kind), LeftOut()
        found = list(search(folder, left_out))
        closed = next((item.name for item in found if item.is_closed), None)
        if closed is not None:
            raise PAIR_LAYOUT.fault(f"{folder / closed} may not be read")
        if not found:
            raise PAIR_LAYOUT.fault(f"{folder} holds neither a video nor a folder of frames")
        if left_out:
            options.note(f"in {folder}, left out: {left_out}")
        for path in (folder / item.name for item in found):
            parts = path.relative_to(folder).parts[:-1]
            split = next((name for name in SPLITS if name in parts), None)
            method = next((part for part in parts if part != split), "fake") if label else ""
            source = reals.get((split, path.stem), "") if label else ""
            entry = Entry(below(root, path), label, split or "test", "", "", method, root.resolve().name, "", source)
            entries.append(entry)
            if split is None:
                unsplit.append(entry.path)
            if not label:
                reals[split, path.stem] = entry.path
    if len(unsplit) == len(entries):
        return Manifest(root, tuple(split_by_identity(entries, root, options)))
    check_official(options, f"the folders in {root} are those of splits")
    if unsplit:
        raise PAIR_LAYOUT.fault(f"{root / unsplit[0]} is in no folder of a split, though other videos are")
    return Manifest(root, tuple(entries))


def read_csv(root: Path, options: ReadOptions) -> Manifest:
    """The CSV file ``root``, checked."""
    manifest = read_manifest(root)
    if count := manifest.doubled:
        raise FacetellError(f"{root} names {count} video{'s' * (count != 1)} twice; keep one row of each")
    return manifest


BENCHMARKS = {
    "wilddeepfake": Benchmark(
        "WildDeepfake: faces from the web as folders of images", WILD_LAYOUT, read_wilddeepfake, CARVED
    ),
    "ffiw": Benchmark("Face Forensics in the Wild: several people in a frame", FFIW_LAYOUT, read_ffiw, CARVED),
    "pair": Benchmark("any two folders real/ and fake/", PAIR_LAYOUT, read_pair, BY_IDENTITY),
    "csv": Benchmark("an existing manifest", CSV_LAYOUT, read_csv),
}
