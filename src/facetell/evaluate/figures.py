"""The groups of videos that a protocol's tables speak of, and the figures of each group with their intervals."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facetell.distort.kinds import LEVELS
from facetell.evaluate.protocols import LABEL_AXES, Protocol, TableSpec
from facetell.evaluate.runs import Run
from facetell.evaluate.scores import COPY, VIDEO, Column, VideoScores, keys_of
from facetell.evaluate.summary import summarise
from facetell.metrics.intervals import DRAWS, Estimate, draw_identities, enough_people, estimate_of
from facetell.metrics.measures import identities_of
from facetell.metrics.ranking import auc
from facetell.metrics.weighted import Values
from facetell.types import FacetellError

ALL = "all"
"""Value of the axis ``method`` that stands for all forgeries together."""
MEAN = "mean"
"""Value of the axes ``distortion`` and ``level`` that stands for the mean over them."""
CLEAN = "0"
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """Decisions (videos, or clips) of a group; ``people`` are the identities among those that count.

    ``real`` and ``fake`` were scored. The unscored and the unlabelled stand in no figure.
    """

    real: int = 0
    fake: int = 0
    unscored_real: int = 0
    unscored_fake: int = 0
    unlabelled: int = 0
    people: int = 0

    @property
    def unscored(self) -> int:
        """Of known label, and without a score."""
        return self.unscored_real + self.unscored_fake


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured of one group; ``reason`` says why a measure is NaN, "" where none is."""

    counts: Counts
    measures: Mapping[str, Estimate]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """The figures of one table: ``cells`` by row and column; a cell that is not there was not in the score files.

    With ``columns == "measure"`` there is one cell a row, under the column "". ``groups`` are the videos behind the
    cells; means have none.
    """

    spec: TableSpec
    rows: tuple[Key, ...]
    columns: tuple[str, ...]
    cells: Mapping[tuple[Key, str], Figure]
    groups: Mapping[tuple[Key, str], VideoScores]
    counts: Counts


def measure(
    runs: Sequence[Run],
    protocol: Protocol,
    spec: TableSpec,
    *,
    draws: int = DRAWS,
    known: dict[bytes, Figure] | None = None,
) -> Grid:
    """The figures of one table of a protocol.

    Args:
        runs: see :func:`facetell.evaluate.runs.gather`.
        protocol, spec: the protocol, and which of its tables.
        draws: of the bootstrap; 0: no intervals.
        known: figures by group of videos, looked up and added to: tables of one protocol share many groups.

    Raises:
        FacetellError: two models fall into one row.
    """
    groups: dict[tuple[Key, str], VideoScores] = {}
    whole = []
    for run in runs:
        for unit in protocol.units if "unit" in spec.rows else protocol.units[:1]:
            videos = _selected(run.units[unit], spec)
            whole.append(videos)
            for key, column, part in _groups(videos, run, unit, spec):
                if (key, column) in groups:
                    raise FacetellError(
                        f"two models fall into the row {' / '.join(key)} of '{spec.title}'; give one score file for it"
                    )
                groups[key, column] = part
    rows = _complete_rows({key for key, _ in groups}, protocol, spec)
    columns = (
        [""] if spec.columns == "measure" else _values({column for _, column in groups}, spec.columns, protocol, spec)
    )
    if spec.mean:
        cells = _distorted(groups, spec.select.get("distortion", ()), draws)
        rows = _with_means(rows) if "distortion" in spec.mean else rows
        columns = [*columns, MEAN] if "level" in spec.mean else columns
    else:
        known = {} if known is None else known
        cells = {at: _remembered(part, draws, known) for at, part in groups.items()}
    order = {run.label: index for index, run in enumerate(runs)}
    rows = sorted(rows, key=lambda key: _rank(key, spec, protocol, order))
    return Grid(spec, tuple(rows), tuple(columns), cells, groups, _total(whole))


def _remembered(videos: VideoScores, draws: int, known: dict[bytes, Figure]) -> Figure:
    told = [json.dumps(dict(videos.about), sort_keys=True, default=str)]
    told += [f"{name} {videos[name].tolist()!r}" for name in sorted(videos.columns)]
    digest = hashlib.sha256("\n".join(told).encode()).digest()
    if digest not in known:
        known[digest] = figure(videos, draws=draws)
    return known[digest]


def figure(videos: VideoScores, *, draws: int = DRAWS) -> Figure:
    """All measures of a group of decisions; none where a class is missing."""
    found = summarise(videos, draws=draws)
    names = [name for name in found.__slots__ if isinstance(getattr(found, name), Estimate)]
    counts = count(videos)
    reason = _reason(counts)
    # Accuracy and the like are defined for one class as well, but say nothing of telling two apart: all are left out.
    return Figure(counts, {name: Estimate(math.nan) if reason else getattr(found, name) for name in names}, reason)


def count(videos: VideoScores) -> Counts:
    """The decisions of a group by what they are."""
    label, unscored = videos["label"], np.isnan(videos["logit"])
    counted = videos.where(~unscored & (label >= 0))
    return Counts(
        int((~unscored & (label == 0)).sum()),
        int((~unscored & (label == 1)).sum()),
        int((unscored & (label == 0)).sum()),
        int((unscored & (label == 1)).sum()),
        int((label < 0).sum()),
        len(set(identities_of(counted).tolist())),
    )


def _reason(counts: Counts) -> str:
    if counts.real and counts.fake:
        return ""
    if not counts.real and not counts.fake:
        return "no video was scored"
    return f"no {'forged' if counts.real else 'real'} video was scored"


def _selected(videos: VideoScores, spec: TableSpec) -> VideoScores:
    """Rows that the table allows; of the distortions only "" (clean) unless it speaks of them."""
    for name, values in spec.select.items():
        videos = videos.select(**{name: [*values, ""] if name == "distortion" else list(values)})
    if "distortion" not in (*spec.rows, spec.columns, *spec.select):
        videos = videos.select(distortion="")
    return videos


def _groups(videos: VideoScores, run: Run, unit: str, spec: TableSpec) -> Iterator[tuple[Key, str, VideoScores]]:
    axes = [*spec.rows] if spec.columns == "measure" else [*spec.rows, spec.columns]
    if held_out := run.keys.get("held_out"):
        videos = videos.where((videos["label"] != 1) | (videos["method"] == held_out))
    parts: list[tuple[Key, VideoScores]] = [((), videos)]
    for axis in axes:
        fixed = {"model": run.label, "unit": unit, **run.keys}.get(axis)
        parts = [
            ((*key, value), part)
            for key, whole in parts
            for value, part in ([(fixed, whole)] if fixed is not None else _split(axis, whole))
        ]
    for key, part in parts:
        yield (key, "", part) if spec.columns == "measure" else (key[:-1], key[-1], part)


def _split(axis: str, videos: VideoScores) -> Iterable[tuple[str, VideoScores]]:
    """The parts of some videos by the values of an axis; some axes keep the reals (or forgeries) in every part."""
    fake, real = videos["label"] == 1, videos["label"] == 0
    if axis == "method":
        of = videos["method"]
        named = {name: real | (fake & (of == name)) for name in _unique(of[fake])}
        return [(ALL, videos), *((name or "not named", videos.where(mask)) for name, mask in named.items())]
    if axis in ("reals_of", "fakes_of"):
        those, others = (real, fake) if axis == "reals_of" else (fake, real)
        of = _datasets(videos)
        return [(name, videos.where(others | (those & (of == name)))) for name in _unique(of[those])]
    if axis == "distortion":
        of = videos["distortion"]
        return [(kind, videos.select(distortion=[kind, ""])) for kind in _unique(of) if kind]
    if axis == "level":
        of = np.where(videos["distortion"] == "", int(CLEAN), videos["level"])
        return [(str(level), videos.where(of == level)) for level in sorted({*of.tolist()})]
    if axis in LABEL_AXES:
        raise FacetellError(f"the protocol has the axis '{axis}', but its 'label' does not name it")
    of = _datasets(videos) if axis == "dataset" else videos[axis]
    return [(name, videos.where(of == name)) for name in _unique(of)]


def _datasets(videos: VideoScores) -> Column:
    """Dataset of each video; with its compression where a dataset comes in several, which are never thrown together."""
    pairs = {*zip(videos["dataset"].tolist(), videos["compression"].tolist(), strict=True)}
    several = {name for name, _ in pairs if sum(other == name for other, _ in pairs) > 1}
    names = [
        f"{name} {compression}".strip() if name in several else name
        for name, compression in zip(videos["dataset"].tolist(), videos["compression"].tolist(), strict=True)
    ]
    return np.array(names, dtype=object)


def _unique(values: Column) -> list[str]:
    return sorted({str(value) for value in values.tolist()})


def _total(parts: Sequence[VideoScores]) -> Counts:
    """The most that any model was tried on, one copy a video: models are mostly scored on the same videos."""
    counted = [count(_one_copy(part)) for part in parts]
    return max(counted, key=lambda c: c.real + c.fake + c.unscored, default=Counts())


def _one_copy(videos: VideoScores) -> VideoScores:
    """Of a video and its distorted copies the clean one, or else the first; clips of one copy all stay."""
    chosen: dict[tuple[str, ...], tuple[str, int]] = {}
    rows = [(key[:2], key[2:]) for key in keys_of(videos, COPY)]
    for at, copy in rows:
        if at not in chosen or copy < chosen[at]:
            chosen[at] = copy
    return videos.where(np.array([chosen[at] == copy for at, copy in rows], dtype=bool))


def _values(found: Iterable[str], axis: str, protocol: Protocol, spec: TableSpec) -> list[str]:
    """Values of an axis in the protocol's order; those that the table requires are there whether found or not."""
    found, order = set(found), list(protocol.axes.get(axis, {}))
    allowed = spec.select.get(axis, order)
    wanted = [value for value in order if value in allowed] if axis in spec.complete else []
    return sorted({*found, *wanted}, key=lambda value: _place(value, order))


def _place(value: str, known: Sequence[str]) -> tuple[int, str]:
    if value == ALL:
        return -1, ""
    return (known.index(value), "") if value in known else (len(known) + (value == MEAN), value)


def _complete_rows(found: set[Key], protocol: Protocol, spec: TableSpec) -> list[Key]:
    """The rows that were found, and those that the table requires."""
    places = [index for index, axis in enumerate(spec.rows) if axis in spec.complete]
    if not places:
        return sorted(found)
    first, last = places[0], places[-1]
    prefixes = {key[:first] for key in found} or {()}
    wanted = [_values((), axis, protocol, spec) for axis in spec.rows[first : last + 1]]
    rows = set(found)
    for prefix in prefixes:
        for combination in itertools.product(*wanted):
            start = (*prefix, *combination)
            if not any(key[: len(start)] == start for key in found):
                rows.add((*start, *[""] * (len(spec.rows) - len(start))))
    return sorted(rows)


def _rank(key: Key, spec: TableSpec, protocol: Protocol, models: Mapping[str, int]) -> list[tuple[int, str]]:
    def of(axis: str, value: str) -> tuple[int, str]:
        return (models.get(value, -1), "") if axis == "model" else _place(value, list(protocol.axes.get(axis, {})))

    return [of(axis, value) for axis, value in zip(spec.rows, key, strict=True)]


def _with_means(rows: Sequence[Key]) -> list[Key]:
    return [*rows, *sorted({(*key[:-1], MEAN) for key in rows})]


def _distorted(
    groups: Mapping[tuple[Key, str], VideoScores], kinds: Sequence[str], draws: int
) -> dict[tuple[Key, str], Figure]:
    """AUC of every kind and level, and the means; one bootstrap draw takes the same people for all of them."""
    cells: dict[tuple[Key, str], Figure] = {}
    for prefix in sorted({key[:-1] for key, _ in groups}):
        of = {(key[-1], level): part for (key, level), part in groups.items() if key[:-1] == prefix}
        for (kind, level), found in _one_sweep(of, kinds or sorted({kind for kind, _ in of}), draws).items():
            cells[(*prefix, kind), level] = found
    return cells


def _one_sweep(
    of: Mapping[tuple[str, str], VideoScores], kinds: Sequence[str], draws: int
) -> dict[tuple[str, str], Figure]:
    counts = {at: count(part) for at, part in of.items()}
    values, samples = _joint_auc(of, draws)
    cells = {
        at: Figure(counts[at], {"auc": estimate_of(values[at], samples.get(at))}, _reason(counts[at])) for at in of
    }
    levels = [str(level) for level in LEVELS]
    over = {(kind, MEAN): [(kind, level) for level in levels] for kind in kinds if any(at[0] == kind for at in of)}
    over |= {(MEAN, level): [(kind, level) for kind in kinds] for level in levels}
    over[MEAN, MEAN] = [(kind, level) for kind in kinds for level in levels]
    if (first := next((at for at in of if at[1] == CLEAN), None)) is not None:
        cells[MEAN, CLEAN] = cells[first]
    for at, parts in over.items():
        there = [part for part in parts if part in values and not math.isnan(values[part])]
        if len(there) < len(parts):
            cells[at] = Figure(Counts(), {"auc": Estimate(math.nan)}, f"{len(there)} of {len(parts)} were measured")
            continue
        drawn = [samples[part] for part in parts if part in samples]
        sample = np.mean(drawn, axis=0) if len(drawn) == len(parts) else None
        cells[at] = Figure(
            counts[parts[0]], {"auc": estimate_of(float(np.mean([values[part] for part in parts])), sample)}
        )
    return cells


def _joint_auc(
    of: Mapping[tuple[str, str], VideoScores], draws: int
) -> tuple[dict[tuple[str, str], float], dict[tuple[str, str], Values]]:
    """AUC of each cell, and its bootstrap samples (draws,) where they mean something."""
    scored = {at: part.where(~np.isnan(part["logit"]) & (part["label"] >= 0)) for at, part in of.items()}
    values = {at: auc(part["label"], part["logit"]) for at, part in scored.items()}
    known: dict[tuple[str, ...], int] = {}
    places = {
        at: np.array([known.setdefault(key, len(known)) for key in keys_of(part, VIDEO)], dtype=np.int64)
        for at, part in scored.items()
    }
    columns = {"dataset": [""] * len(known), "identity": [""] * len(known), "video": [""] * len(known)}
    labels = np.zeros(len(known))
    for at, part in scored.items():
        labels[places[at]] = part["label"]
        for name, column in columns.items():
            for place, value in zip(places[at].tolist(), part[name].tolist(), strict=True):
                column[place] = value
    universe = VideoScores({name: np.array(column, dtype=object) for name, column in columns.items()}, {})
    people = identities_of(universe)
    fit = [at for at, part in scored.items() if enough_people(part["label"], people[places[at]])]
    fit = [at for at in fit if not math.isnan(values[at])]
    if not fit or not draws:
        return values, {}
    drawn: dict[tuple[str, str], list[Values]] = {at: [] for at in fit}
    for weights in draw_identities(labels, people, draws=draws):
        for at in fit:
            part = scored[at]
            drawn[at].append(auc(part["label"], part["logit"], weights[:, places[at]]))
    return values, {at: np.concatenate(blocks) for at, blocks in drawn.items()}
