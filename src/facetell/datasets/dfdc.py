"""The Deepfake Detection Challenge and its preview (METHOD.md, section 2).

Of the challenge it is not published who is seen: forgeries are grouped by the recording that they were made from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facetell.datasets.layout import Layout, ReadOptions, below
from facetell.datasets.manifest import Entry, Manifest, Split
from facetell.datasets.splits import carve_val

LAYOUT = Layout(
    "DFDC",
    "dfdc_train_part_N/metadata.json with its videos beside (also under train/), or test/labels.csv with its videos "
    "beside or in test/videos, or both",
)
PREVIEW_LAYOUT = Layout(
    "the DFDC preview",
    "dataset.json ({path: {label, set, target_id, swapped_id}}) and the folders original_videos, method_A, method_B",
)


def read_dfdc(root: Path, options: ReadOptions) -> Manifest:
    """DFDC: the training parts that lie on disk, and the test set, if it does.

    Raises:
        FacetellError: the layout is another one.
    """
    LAYOUT.root(root)
    parts = sorted(path.parent for path in [*root.glob("*_part_*/metadata.json"), *root.glob("train/*/metadata.json")])
    entries = _train(root, parts)
    labels = next((path for path in (root / "test/labels.csv", root / "labels.csv") if path.is_file()), None)
    if labels is not None:
        folder = labels.parent / "videos" if (labels.parent / "videos").is_dir() else labels.parent
        for row in LAYOUT.rows(labels, ("filename", "label")):
            if row["label"] not in ("0", "1"):
                raise LAYOUT.fault(f"{labels} gives {row['filename']} the label '{row['label']}', not 0 or 1")
            label = int(row["label"])
            method = "DFDC" if label else ""
            entries.append(Entry(below(root, folder / row["filename"]), label, "test", method=method, dataset="dfdc"))
    if not entries:
        raise LAYOUT.fault(f"{root} has neither a training part with metadata.json nor test/labels.csv")
    return Manifest(root, tuple(carve_val(entries, root, options)))


def _train(root: Path, parts: list[Path]) -> list[Entry]:
    tables: dict[Path, dict[str, Any]] = {part: _metadata(part / "metadata.json") for part in parts}
    place = {name: below(root, part / name) for part, table in tables.items() for name in table}
    entries = []
    for part, table in tables.items():
        for name, row in table.items():
            label = str(row.get("label", "")).upper()
            if label not in ("REAL", "FAKE"):
                raise LAYOUT.fault(f"{part / 'metadata.json'} gives {name} the label '{label}', not REAL or FAKE")
            if label == "REAL":
                entries.append(Entry(place[name], 0, "train", dataset="dfdc"))
            else:
                source = place.get(str(row.get("original")), "")
                entries.append(Entry(place[name], 1, "train", method="DFDC", dataset="dfdc", source=source))
    return entries


def _metadata(path: Path) -> dict[str, Any]:
    table = LAYOUT.json(path)
    if not (isinstance(table, dict) and all(isinstance(row, dict) for row in table.values())):
        raise LAYOUT.fault(f"{path} is no table {{video: {{label, split, original}}}}")
    return table


def read_dfdcp(root: Path, options: ReadOptions) -> Manifest:
    """The DFDC preview under its own split.

    Raises:
        FacetellError: the layout is another one.
    """
    path = PREVIEW_LAYOUT.file(root, "dataset.json")
    table = PREVIEW_LAYOUT.json(path)
    if not isinstance(table, dict) or not table:
        raise PREVIEW_LAYOUT.fault(f"{path} is no table of videos")
    entries = []
    for name, row in table.items():
        label, split = (str(row.get(key, "")) for key in ("label", "set")) if isinstance(row, dict) else ("", "")
        if label not in ("real", "fake") or split not in ("train", "test"):
            raise PREVIEW_LAYOUT.fault(f"{path} does not give {name} a label (real or fake) and a set (train or test)")
        entries.append(_previewed(name, row, label == "fake", "train" if split == "train" else "test"))
    return Manifest(root, tuple(carve_val(entries, root, options)))


def _previewed(name: str, row: dict[str, Any], forged: bool, split: Split) -> Entry:
    folder, _, rest = name.partition("/")
    target = str(row.get("target_id") or rest.partition("/")[0].partition("_")[0])
    donor = str(row.get("swapped_id") or "")
    if not forged:
        return Entry(name, 0, split, identity=f"dfdcp{target}", dataset="dfdcp")
    return Entry(
        name,
        1,
        split,
        identity=f"dfdcp{target}",
        donor=f"dfdcp{donor}" if donor and donor != target else "",
        method=folder,
        dataset="dfdcp",
    )
