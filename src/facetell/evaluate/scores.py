"""Score files: one row per clip with everything known of its video; one without a logit if it could not be scored."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facetell.datasets.manifest import Entry
from facetell.files import write_bytes
from facetell.types import FacetellError, Status, needs_extra

WORDS = ("video", "status", "split", "identity", "donor", "method", "dataset", "compression", "source", "distortion")
"""Columns of strings. ``distortion`` is its code, "" for the clean video."""
WHOLE = ("label", "track", "clip", "level")
"""Columns of integers: ``label`` 1 forged, 0 real, -1 unknown; ``track`` and ``clip`` -1 where nothing was scored."""
REAL = ("t0", "t1", "logit")
"""Columns of floats: seconds, and the raw logit (positive = forged); NaN where nothing was scored."""
COLUMNS = (*WORDS, *WHOLE, *REAL)
VIDEO = ("dataset", "video")
"""Columns that identify a video. Two benchmarks may use one file name for different videos."""
COPY = (*VIDEO, "distortion", "level")
"""Columns that identify a video under one distortion: the key of a row of :meth:`Scores.videos`."""

OTHER = ("path", "label", "score")
"""Columns of scores of another program, which may also have those of :data:`MORE`; ``frame`` may replace ``path``."""
MORE = ("split", "identity", "donor", "method", "dataset", "compression")

Column = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores by clip (:data:`COLUMNS`) or video (:meth:`videos`), ``about`` model, calibration, versions, settings."""

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
            mask &= np.isin(self.columns[name], values)
        return self.where(mask)

    @property
    def scored(self) -> Scores:
        """The rows that have a score."""
        return self.where(~np.isnan(self["logit"]))

    @property
    def counted(self) -> Scores:
        """The rows that have a score and a label."""
        return self.where(~np.isnan(self["logit"]) & (self["label"] >= 0))

    def videos(self) -> Scores:
        """One row per video and distortion (:data:`COPY`), scored by the mean clip logit of its highest-scoring track.

        A video with parts of several labels is forged where one part is, else of unknown label where one is; the
        strings are those of its first part of that label. The column ``faces`` is the number of scored tracks.
        """
        videos = numbered(keys_of(self, COPY))
        count = int(videos.max(initial=-1)) + 1
        highest, faces = np.full(count, -np.inf), np.zeros(count, dtype=np.int64)
        scored = np.flatnonzero(~np.isnan(self["logit"]))
        if len(scored):
            order = scored[np.lexsort((self["track"][scored], videos[scored]))]
            changes = (np.diff(videos[order]) != 0) | (np.diff(self["track"][order]) != 0)
            starts = np.flatnonzero(np.r_[True, changes])  # of tracks
            means = np.add.reduceat(self["logit"][order], starts) / np.diff(np.r_[starts, len(order)])
            np.maximum.at(highest, videos[order][starts], means)
            faces = np.bincount(videos[order][starts], minlength=count)
        logits = np.where(np.isneginf(highest), np.nan, highest)
        # The first row of each video with the label that counts; rows are sorted by video, rank and place.
        rank = np.select([self["label"] == 1, self["label"] < 0], [0, 1], 2)
        order = np.lexsort((np.arange(len(self)), rank, videos))
        rows = order[np.searchsorted(videos[order], np.arange(count))]
        columns = {name: self[name][rows] for name in (*WORDS, "level", "label")}
        columns |= {"logit": logits, "faces": faces}
        columns["status"] = np.where(np.isnan(logits), columns["status"], Status.SCORED.value).astype(object)
        return Scores(columns, self.about)

    def clips(self) -> Scores:
        """One row per clip, as if each were a video; a video that was not scored keeps its one row."""
        columns = {name: self[name] for name in (*WORDS, "level", "label", "logit")}
        return Scores({**columns, "faces": np.ones(len(self), dtype=np.int64)}, self.about)


def keys_of(table: Scores, names: Sequence[str]) -> list[tuple[Any, ...]]:
    """The values of the columns ``names``, one tuple per row."""
    return [*zip(*(table[name].tolist() for name in names), strict=True)]


def stack(tables: Sequence[Scores]) -> Scores:
    """The rows of one or more tables, one after another, with the ``about`` of the first."""
    first = tables[0]
    return replace(first, columns={name: np.concatenate([t[name] for t in tables]) for name in first.columns})


def numbered(keys: Sequence[tuple[Any, ...]]) -> NDArray[np.int64]:
    """An integer (N,) per key, equal for equal keys, ascending in order of first appearance."""
    known: dict[tuple[Any, ...], int] = {}
    return np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)


def row_of(entry: Entry) -> dict[str, Any]:
    """The columns of a score file that describe a video."""
    words = {name: getattr(entry, name) for name in WORDS if name not in ("status", "distortion")}
    return words | {"track": entry.track, "label": -1 if entry.label is None else entry.label}


def from_rows(rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> Scores:
    """A table from one mapping per clip; missing values are "", -1 (``level``: 0) or NaN; ``status`` is "scored"."""
    blank: dict[str, Any] = {
        **dict.fromkeys(WORDS, ""),
        **dict.fromkeys(WHOLE, -1),
        **dict.fromkeys(REAL, np.nan),
        "status": Status.SCORED.value,
        "level": 0,
    }
    kinds = {**dict.fromkeys(WORDS, object), **dict.fromkeys(WHOLE, np.int64), **dict.fromkeys(REAL, np.float64)}
    columns = {name: np.array([row.get(name, blank[name]) for row in rows], dtype=kinds[name]) for name in COLUMNS}
    return Scores(columns, about)


def write_scores(scores: Scores, path: Path) -> None:
    """Write a Parquet file atomically, the same bytes for the same scores. FacetellError: it cannot be written."""
    pa, parquet = _arrow()
    kinds = dict.fromkeys(WORDS, pa.string()) | dict.fromkeys(WHOLE, pa.int32()) | dict.fromkeys(REAL, pa.float64())
    arrays = [pa.array(scores[name], type=kinds[name], from_pandas=name in REAL) for name in COLUMNS]
    table = pa.table(arrays, names=list(COLUMNS))
    table = table.replace_schema_metadata({"facetell": json.dumps(scores.about, sort_keys=True)})
    content = io.BytesIO()
    parquet.write_table(table, content, compression="zstd")
    write_bytes(path, content.getvalue())


def read_scores(path: Path | str) -> Scores:
    """Read a score file, or :data:`OTHER` scores (CSV, Parquet) by video or frame. FacetellError: it is none."""
    pa, parquet = _arrow()
    path = Path(path)
    try:
        if path.suffix.lower() == ".csv":
            with path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file)
                return _other_scores(reader.fieldnames or (), list(reader), path)
        table = parquet.read_table(path)
        if "score" in table.column_names:
            return _other_scores(table.column_names, table.to_pylist(), path)
        _check_columns(table.column_names, COLUMNS)
        columns = {name: _column(table[name], name, pa) for name in COLUMNS}
        about = json.loads((table.schema.metadata or {}).get(b"facetell", b"{}"))
        if not np.isin(columns["label"], (-1, 0, 1)).all():
            raise ValueError("a label is none of 1, 0 and -1")
        if not isinstance(about, dict):
            raise ValueError("its metadata is not a JSON object")
    except FileNotFoundError:
        raise FacetellError(f"there is no score file at {path}; make one with `facetell score`") from None
    except (OSError, pa.ArrowException, csv.Error, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise FacetellError(f"{path} is not a score file ({reason}); make one with `facetell score`") from None
    return Scores(columns, about)


def _check_columns(there: Sequence[str], needed: Sequence[str]) -> None:
    absent = [name for name in needed if name not in there]
    if absent:
        raise ValueError(f"the column {absent[0]} is missing; {', '.join(needed)} are needed")


def _other_scores(names: Sequence[str], rows: Sequence[Mapping[str, Any]], path: Path) -> Scores:
    """Scores of another program: in [0, 1] they are probabilities of "forged", else logits."""
    by_frame = "frame" in names and "path" not in names
    _check_columns(["path", *names] if by_frame else names, OTHER)
    if not rows:
        raise ValueError("it has no row")
    rows = [*_by_video(rows)] if by_frame else rows
    label_of = {"0": 0, "1": 1, "real": 0, "fake": 1, "forged": 1}
    labels = [label_of.get(str(row["label"]).strip().lower().removesuffix(".0")) for row in rows]
    if None in labels:
        raise ValueError(f"the label {rows[labels.index(None)]['label']!r} is none of 0, 1, real, fake, forged")
    scores = np.array([row["score"] if row["score"] not in ("", None) else math.nan for row in rows], np.float64)
    if np.isinf(scores).any():
        raise ValueError("a score is infinite")
    known = scores[~np.isnan(scores)]
    if len(known) and known.min() >= 0 and known.max() <= 1:
        scores = np.clip(scores, 1e-7, 1 - 1e-7)
        scores = np.log(scores / (1 - scores))
    words = [name for name in MORE if name in names]
    keys = Counter((str(row.get("dataset") or ""), str(row["path"])) for row in rows)
    twice = [path for (_, path), times in keys.items() if times > 1]
    if twice:
        raise ValueError(f"the path {twice[0]} has several rows; give each video one row, and its path in full")
    return from_rows(
        [
            {
                **{name: str(row[name] or "") for name in words},
                "video": str(row["path"]),
                "label": label,
                "logit": score,
                "status": Status.SCORED.value if score == score else Status.UNREADABLE.value,
            }
            for row, label, score in zip(rows, labels, scores.tolist(), strict=True)
        ],
        {"model": {"name": path.stem}},
    )


def _by_video(rows: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """One row per video, the folder of its frames, with the mean of their scores, as DeepfakeBench computes it."""
    videos: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        folder = str(row["frame"]).replace("\\", "/").rpartition("/")[0]
        videos.setdefault((str(row.get("dataset") or ""), folder), []).append(row)
    for (_, folder), frames in videos.items():
        if not folder or len({str(row["label"]) for row in frames}) > 1:
            wrong = "several labels" if folder else f"no folder, such as {frames[0]['frame']!r}"
            raise ValueError(f"frames of one video have {wrong}; the folder of a frame names its video")
        scores = [float(row["score"]) for row in frames if row["score"] not in ("", None)]
        yield {**frames[0], "path": folder, "score": fmean(scores) if scores else None}


def _column(values: Any, name: str, pa: Any) -> Column:
    """A column in memory; equal strings of a column are one object."""
    if name not in WORDS:
        kind = pa.int64() if name in WHOLE else pa.float64()
        return np.array(values.cast(kind).fill_null(-1 if name in WHOLE else np.nan).to_numpy())
    coded = values.cast(pa.string()).fill_null("").combine_chunks().dictionary_encode()
    words = np.array(coded.dictionary.to_pylist(), dtype=object)
    return words[coded.indices.to_numpy()] if len(words) else np.array([], dtype=object)


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise needs_extra("A score file", "bench") from None
    return pyarrow, pyarrow.parquet
