"""The Deepfake Detection Challenge and its preview (METHOD.md, section 2).

DFDC does not publish identities: forgeries are grouped by the recording that they were made from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facetell.datasets.layout import CARVED, Benchmark, Layout, ReadOptions, below
from facetell.datasets.manifest import Entry, Manifest
from facetell.datasets.splits import carve_val

LAYOUT = Layout(
    "DFDC",
    "dfdc_train_part_N/metadata.json with its videos beside (also under train/), or test/labels.csv with its videos "
    "beside or in test/videos/, or both",
)
PREVIEW_LAYOUT = Layout(
    "the DFDC preview",
    "dataset.json ({path: {label, set, target_id, swapped_id}}) and the folders original_videos, method_A, method_B",
)


def read_dfdc(root: Path, options: ReadOptions) -> Manifest:
    """DFDC: the training parts and the test set, those of them that are there."""
    LAYOUT.folder(root, ".")
    parts = sorted(path.parent for path in [*root.glob("*_part_*/metadata.json"), *root.glob("train/*/metadata.json")])
    entries = _train(root, parts)
    labels = next((path for path in (root / "test/labels.csv", root / "labels.csv") if path.is_file()), None)
    if labels is not None:
        folder = labels.parent / "videos" if (labels.parent / "videos").is_dir() else labels.parent
        for row in LAYOUT.rows(labels, ("filename", "label")):
            if row["label"] not in ("0", "1"):
                raise LAYOUT.fault(f"{labels} gives {row['filename']} the label '{row['label']}', not 0 or 1")
            method = "DFDC" if row["label"] == "1" else ""
            path = below(root, folder / row["filename"])
            entries.append(Entry(path, int(row["label"]), "test", method=method, dataset="dfdc"))
    if not entries:
        raise LAYOUT.fault(f"{root} has neither a training part with metadata.json nor test/labels.csv")
    return Manifest(root, tuple(carve_val(entries, root, options)))


def _train(root: Path, parts: list[Path]) -> list[Entry]:
    tables = {part: _table(LAYOUT, part / "metadata.json", "{video: {label, split, original}}") for part in parts}
    place = {name: below(root, part / name) for part, table in tables.items() for name in table}
    entries = []
    for part, table in tables.items():
        for name, row in table.items():
            label = str(row.get("label", "")).upper()
            if label not in ("REAL", "FAKE"):
                raise LAYOUT.fault(f"{part / 'metadata.json'} gives {name} the label '{label}', not REAL or FAKE")
            forged = label == "FAKE"
            source = place.get(str(row.get("original")), "") if forged else ""
            method = "DFDC" if forged else ""
            entries.append(Entry(place[name], int(forged), "train", method=method, dataset="dfdc", source=source))
    return entries


def read_dfdcp(root: Path, options: ReadOptions) -> Manifest:
    """The DFDC preview with its own splits."""
    path = PREVIEW_LAYOUT.file(root, "dataset.json")
    table = _table(PREVIEW_LAYOUT, path, "{video: {label, set}}")
    if not table:
        raise PREVIEW_LAYOUT.fault(f"{path} names no video")
    entries = []
    for name, row in table.items():
        label, split = (str(row.get(key, "")) for key in ("label", "set"))
        if label not in ("real", "fake") or split not in ("train", "test"):
            raise PREVIEW_LAYOUT.fault(f"{path} does not give {name} a label (real or fake) and a set (train or test)")
        folder, _, rest = name.partition("/")
        target = str(row.get("target_id") or rest.partition("/")[0].partition("_")[0])
        donor = str(row.get("swapped_id") or "")
        entry = Entry(name, 0, "train" if split == "train" else "test", f"dfdcp{target}", dataset="dfdcp")
        if label == "fake":
            donor = f"dfdcp{donor}" if donor not in ("", target) else ""
            entry = Entry(name, 1, entry.split, entry.identity, donor, folder, "dfdcp")
        entries.append(entry)
    return Manifest(root, tuple(carve_val(entries, root, options)))


def _table(layout: Layout, path: Path, form: str) -> dict[str, dict[str, Any]]:
    table = layout.json(path)
    if not (isinstance(table, dict) and all(isinstance(row, dict) for row in table.values())):
        raise layout.fault(f"{path} is no table {form}")
    return table


BENCHMARKS = {
    "dfdc": Benchmark("the Deepfake Detection Challenge: training parts and test set", LAYOUT, read_dfdc, CARVED),
    "dfdcp": Benchmark("the preview of the Deepfake Detection Challenge", PREVIEW_LAYOUT, read_dfdcp, CARVED),
}
