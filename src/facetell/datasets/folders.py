"""Sets that say all by their folders: WildDeepfake, FFIW, a pair of folders, and the manifest itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from facetell.datasets.layout import Layout, ReadOptions, below, has_pictures, subfolders
from facetell.datasets.manifest import SPLITS, Entry, Manifest, Split, read_manifest
from facetell.datasets.splits import carve_val, check_official, split_by_identity
from facetell.types import FacetellError
from facetell.video.find import LeftOut, search

WILD_LAYOUT = Layout(
    "WildDeepfake",
    "the unpacked folders real_train, real_test, fake_train and fake_test, with numbered folders of pictures in them",
)
FFIW_LAYOUT = Layout("FFIW", "source/{train,val} with the reals and target/{train,val} with the forgeries")
PAIR_LAYOUT = Layout(
    "a pair of folders",
    "real/ and fake/ with videos (or folders of frames), in train/, val/ and test/ where they are split, "
    "and in fake/ in a folder a method where there are several",
)
CSV_LAYOUT = Layout("a manifest", "a CSV file with the columns path, label and split")


def read_wilddeepfake(root: Path, options: ReadOptions) -> Manifest:
    """WildDeepfake: each folder of pictures is a video; those of one archive share a recording, hence an identity.

    Raises:
        FacetellError: the layout is another one.
    """
    entries = []
    for label, kind in enumerate(("real", "fake")):
        for split in ("train", "test"):
            folder = WILD_LAYOUT.folder(root, f"{kind}_{split}")
            found = list(_picture_folders(folder))
            if not found:
                raise WILD_LAYOUT.fault(f"{folder} holds no folder of pictures (unpack its archives)")
            for path in found:
                archive = path.relative_to(folder).parts[0]
                entries.append(
                    Entry(
                        below(root, path),
                        label,
                        "train" if split == "train" else "test",
                        identity=f"{kind}_{split}_{archive}",
                        method="wild" if label else "",
                        dataset="wilddeepfake",
                    )
                )
    return Manifest(root, tuple(carve_val(entries, root, options)))


def read_ffiw(root: Path, options: ReadOptions) -> Manifest:
    """FFIW: its published ``val`` is what papers test on, and stands under test here.

    Raises:
        FacetellError: the layout is another one.
    """
    entries = []
    splits: tuple[tuple[str, Split], ...] = (("train", "train"), ("val", "test"))
    for folder, split in splits:
        reals = {path.name: below(root, path) for path in _ffiw_videos(root, "source", folder)}
        entries += [Entry(path, 0, split, dataset="ffiw") for path in reals.values()]
        for path in _ffiw_videos(root, "target", folder):
            source = reals.get(path.name, "")
            entries.append(Entry(below(root, path), 1, split, method="FFIW", dataset="ffiw", source=source))
    return Manifest(root, tuple(carve_val(entries, root, options)))


def _ffiw_videos(root: Path, kind: str, split: str) -> list[Path]:
    folder = FFIW_LAYOUT.folder(root, f"{kind}/{split}")
    return FFIW_LAYOUT.videos(folder / "videos" if (folder / "videos").is_dir() else folder)


def read_pair(root: Path, options: ReadOptions) -> Manifest:
    """``real/`` and ``fake/``: a forgery with the name of a real was made from it; split as the folders say.

    Without folders of splits, one is drawn by recording: a real and its forgeries stay together.

    Raises:
        FacetellError: the layout is another one, or only some videos are in folders of splits.
    """
    entries: list[Entry] = []
    split_of: dict[str, Split] = {}
    reals: dict[tuple[str, str], str] = {}
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
            rest = [part for part in parts if part != split]
            name = below(root, path)
            if split is not None:
                split_of[name] = split
            if not label:
                reals[split or "", path.stem] = name
            method = (rest[0] if rest else "fake") if label else ""
            source = reals.get((split or "", path.stem), "") if label else ""
            entries.append(
                Entry(name, label, split or "test", method=method, dataset=root.resolve().name, source=source)
            )
    if not split_of:
        return Manifest(root, tuple(split_by_identity(entries, root, options)))
    check_official(options, f"the folders in {root} are those of splits")
    stray = next((entry.path for entry in entries if entry.path not in split_of), None)
    if stray is not None:
        raise PAIR_LAYOUT.fault(f"{root / stray} is in no folder of a split, though other videos are")
    return Manifest(root, tuple(entries))


def read_csv(root: Path, options: ReadOptions) -> Manifest:
    """The CSV manifest itself, looked through and written anew.

    Raises:
        FacetellError: as :func:`facetell.datasets.manifest.read_manifest`.
    """
    manifest = read_manifest(root)
    if count := manifest.doubled:
        raise FacetellError(f"{root} names {count} video{'s' * (count != 1)} twice; keep one row of each")
    return manifest


def _picture_folders(folder: Path) -> Iterator[Path]:
    """Folders that hold pictures, at any depth below ``folder``, sorted."""
    for path in subfolders(folder):
        if has_pictures(path):
            yield path
        else:
            yield from _picture_folders(path)
