"""List where the videos of a manifest were published, so that others can rebuild the dataset."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from facetell.files import write_text
from facetell.types import FacetellError

COLUMNS = ("source_repo", "source_path", "licence")


def write_sources(manifest: Path, out: Path) -> int:
    """Write a CSV file with the repository, path and licence of each source, sorted, without repeats.

    Args:
        manifest: a CSV file with :data:`COLUMNS`, or a folder with ``manifest.csv``; other columns are ignored.
        out: the file to write.

    Returns:
        Number of sources.

    Raises:
        FacetellError: the manifest cannot be read or lacks a column, or the file cannot be written.
    """
    manifest = manifest / "manifest.csv" if manifest.is_dir() else manifest
    try:
        reader = csv.DictReader(io.StringIO(manifest.read_text(encoding="utf-8-sig")))
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        rows = sorted({tuple((row[name] or "").strip() for name in COLUMNS) for row in reader} if not missing else ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FacetellError(f"{manifest} cannot be read as a CSV table ({error}); give a manifest") from None
    if missing:
        raise FacetellError(f"{manifest} lacks the column {missing[0]}; sources need {', '.join(COLUMNS)}")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    write_text(out, text.getvalue())
    return len(rows)
