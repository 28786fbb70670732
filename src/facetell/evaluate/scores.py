"""Score files: one row a clip, everything known of its video beside it. All measures and tables start from here.

A video that could not be scored has one row, with its status and without a logit: it is counted in every table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facetell.types import FacetellError, Status, needs_extra

WORDS = ("video", "status", "split", "identity", "donor", "method", "dataset", "compression", "source", "distortion")
"""Columns of strings. ``distortion`` is its code (METHOD section 3), "" of the clean video."""
WHOLE = ("label", "track", "clip", "level")
"""Columns of whole numbers: ``label`` 1 forged, 0 real, -1 unknown; ``track``, ``clip`` -1 of what was not scored."""
REAL = ("t0", "t1", "logit")
"""Columns of floats: seconds, and the raw logit (positive = forged); NaN of what was not scored."""
COLUMNS = (*WORDS, *WHOLE, *REAL)

Column = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Scores:
    """A table of clip scores.

    Attributes:
        columns: every name of :data:`COLUMNS`, all of one length.
        about: what made the scores: model name and sha256, calibration, versions, settings.
    """

    columns: Mapping[str, Column]
    about: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.columns["video"])

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    def where(self, mask: NDArray[np.bool_]) -> Scores:
        """The rows of ``mask``."""
        return replace(self, columns={name: column[mask] for name, column in self.columns.items()})

    def select(self, **wanted: str | int | Sequence[str | int]) -> Scores:
        """Rows whose columns have the wanted values: ``scores.select(split="val", method=["", "swap"])``."""
        mask = np.ones(len(self), dtype=bool)
        for name, values in wanted.items():
            several = values if isinstance(values, (list, tuple, set, frozenset)) else [values]
            mask &= np.isin(self.columns[name], list(several))
        return self.where(mask)

    def videos(self) -> VideoScores:
        """One score a video: logits averaged over each track's clips; the worst track decides (METHOD section 4)."""
        keys: dict[tuple[str, str, int], dict[int, list[float]]] = {}
        first: dict[tuple[str, str, int], int] = {}
        clips = zip(
            *(self.columns[n].tolist() for n in ("video", "distortion", "level", "track", "logit")), strict=True
        )
        for row, (video, distortion, level, track, logit) in enumerate(clips):
            key = (video, distortion, level)
            tracks = keys.setdefault(key, {})
            first.setdefault(key, row)
            if not np.isnan(logit):
                tracks.setdefault(track, []).append(logit)
        rows = np.array(list(first.values()), dtype=np.int64)
        logit = np.array([max((float(np.mean(v)) for v in t.values()), default=np.nan) for t in keys.values()])
        words = {name: self.columns[name][rows] for name in (*WORDS, "level")}
        label = np.array(
            [self.columns["label"][self._rows(key)].max() for key in keys] if self._mixed() else self["label"][rows]
        )
        return VideoScores({**words, "label": label, "logit": logit}, self.about)

    def _mixed(self) -> bool:
        """Whether some video has parts of different labels."""
        pairs = {*zip(self["video"].tolist(), self["label"].tolist(), strict=True)}
        return len(pairs) > len({video for video, _ in pairs})

    def _rows(self, key: tuple[str, str, int]) -> NDArray[np.bool_]:
        video, distortion, level = key
        mask: NDArray[np.bool_] = (
            (self["video"] == video) & (self["distortion"] == distortion) & (self["level"] == level)
        )
        return mask


@dataclass(frozen=True, slots=True)
class VideoScores:
    """A table with one row a video (and distortion): the word columns, ``level``, ``label``, and ``logit``.

    ``logit`` is NaN where the video was not scored.
    """

    columns: Mapping[str, Column]
    about: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.columns["video"])

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    @property
    def scored(self) -> VideoScores:
        """The videos that have a score."""
        return self.where(~np.isnan(self.columns["logit"]))

    def where(self, mask: NDArray[np.bool_]) -> VideoScores:
        """The rows of ``mask``."""
        return replace(self, columns={name: column[mask] for name, column in self.columns.items()})

    def select(self, **wanted: str | int | Sequence[str | int]) -> VideoScores:
        """As :meth:`Scores.select`."""
        mask = np.ones(len(self), dtype=bool)
        for name, values in wanted.items():
            several = values if isinstance(values, (list, tuple, set, frozenset)) else [values]
            mask &= np.isin(self.columns[name], list(several))
        return self.where(mask)


def from_rows(rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> Scores:
    """A table from one mapping a clip; what a row lacks is "", -1 (``level``: 0) or NaN; ``status`` is "scored"."""
    blank: dict[str, Any] = {
        **dict.fromkeys(WORDS, ""),
        **dict.fromkeys(WHOLE, -1),
        **dict.fromkeys(REAL, np.nan),
        "status": Status.SCORED.value,
        "level": 0,
    }
    columns: dict[str, Column] = {}
    for name in COLUMNS:
        values = [row.get(name, blank[name]) for row in rows]
        kind = object if name in WORDS else np.int64 if name in WHOLE else np.float64
        columns[name] = np.array(values, dtype=kind)
    return Scores(columns, about)


def write_scores(scores: Scores, path: Path) -> None:
    """Write a Parquet file; the same scores give the same bytes. The file appears whole or not at all.

    Raises:
        FacetellError: it cannot be written, or the ``bench`` extra is missing.
    """
    pa, parquet = _arrow()
    kinds = {
        **dict.fromkeys(WORDS, pa.string()),
        **dict.fromkeys(WHOLE, pa.int32()),
        **dict.fromkeys(REAL, pa.float64()),
    }
    arrays = [pa.array(scores[name], type=kinds[name], from_pandas=name in REAL) for name in COLUMNS]
    table = pa.table(arrays, names=list(COLUMNS))
    table = table.replace_schema_metadata({"facetell": json.dumps(scores.about, sort_keys=True)})
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, temporary, compression="zstd")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise FacetellError(f"cannot write {path}: {error.strerror or error}; choose another place") from None


def read_scores(path: Path | str) -> Scores:
    """Read a score file.

    Raises:
        FacetellError: it is missing, no score file, or the ``bench`` extra is missing.
    """
    pa, parquet = _arrow()
    path = Path(path)
    try:
        table = parquet.read_table(path)
    except FileNotFoundError:
        raise FacetellError(f"there is no score file at {path}; make one with `facetell score`") from None
    except (OSError, pa.ArrowInvalid) as error:
        reason = str(error).splitlines()[0]
        raise FacetellError(f"{path} is not a score file ({reason}); make one with `facetell score`") from None
    absent = [name for name in COLUMNS if name not in table.column_names]
    if absent:
        raise FacetellError(f"{path} lacks the column {absent[0]}; make score files with `facetell score`")
    columns = {
        name: np.array(table[name].to_pylist(), dtype=object) if name in WORDS else table[name].to_numpy()
        for name in COLUMNS
    }
    about = json.loads((table.schema.metadata or {}).get(b"facetell", b"{}"))
    return Scores(columns, about)


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise needs_extra("A score file", "bench") from None
    return pyarrow, pyarrow.parquet
