"""The groups of videos behind the tables of a protocol, and the figures of each group."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facetell.distort.kinds import LEVELS
from facetell.evaluate.protocols import ALL, CLEAN, DATASET_AXES, LABEL_AXES, MEAN, Protocol, TableSpec
from facetell.evaluate.runs import Run
from facetell.evaluate.sample import Counts, Summary, count, sample_jointly, summarise
from facetell.evaluate.scores import COPY, Column, Scores, keys_of
from facetell.metrics.intervals import DRAWS, Estimate, estimate_of
from facetell.types import FacetellError

Key = tuple[str, ...]
"""A value for each of :attr:`facetell.evaluate.protocols.TableSpec.axes`."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The figures of one table: ``cells`` and the ``groups`` of videos behind them (means have none).

    ``rows`` and ``columns`` are sorted; ``columns`` is empty where columns are measures. ``counts`` are of all videos.
    """

    spec: TableSpec
    rows: tuple[Key, ...]
    columns: Key
    cells: Mapping[Key, Summary]
    groups: Mapping[Key, Scores]
    counts: Counts


def measure(
    runs: Sequence[Run], protocol: Protocol, spec: TableSpec, known: dict[object, Summary], draws: int = DRAWS
) -> Grid:
    """The figures of one table of a protocol.

    ``known`` are figures by group of videos, read and extended: the tables of one protocol share many groups.

    Raises:
        FacetellError: two models have the same row.
    """
    groups: dict[Key, Scores] = {}
    cells: dict[Key, Summary] = {}
    selected = []
    for run in runs:
        for unit in protocol.units if "unit" in spec.rows else protocol.units[:1]:
            videos = _selected(run.units[unit], spec)
            selected.append(videos)
            if held_out := run.keys.get("held_out"):
                videos = videos.where((videos["label"] != 1) | (videos["method"] == held_out))
            for key, group in _groups(videos, {"model": run.label, "unit": unit, **run.keys}, spec.axes):
                if key in groups:
                    row = " / ".join(key[: len(spec.rows)])
                    raise FacetellError(f"two models have the row {row} of '{spec.title}'; give one score file for it")
                groups[key] = group
                if not spec.mean:
                    same = (run.label, unit, tuple(keys_of(group, _CONTENT)), group["logit"].tobytes())
                    if same not in known:
                        known[same] = summarise(group, draws=draws)
                    cells[key] = known[same]
    rows = {key[: len(spec.rows)] for key in groups}
    columns: list[str] = []
    if spec.columns != "measure":
        columns = sorted({key[-1] for key in groups}, key=_rank(protocol.axes.get(spec.columns, ())))
    if spec.mean:
        cells = _with_means(groups, spec.select.get("distortion", ()), draws)
        rows |= {(*key[:-1], MEAN) for key in rows} if "distortion" in spec.mean else set()
        columns += [MEAN] if "level" in spec.mean else []
    orders = {**protocol.axes, "model": [run.label for run in runs]}
    ranks = [_rank(orders.get(axis, ())) for axis in spec.rows]
    ordered = sorted(rows, key=lambda row: [rank(value) for rank, value in zip(ranks, row, strict=True)])
    counts = max((count(_one_copy(videos)) for videos in selected), key=lambda c: c.real + c.fake + c.unscored)
    return Grid(spec, tuple(ordered), tuple(columns), cells, groups, counts)


_CONTENT = (*COPY, "identity", "label")


def _selected(videos: Scores, spec: TableSpec) -> Scores:
    """The rows that the table selects; without distorted videos unless it has an axis or a selection of them."""
    for name, values in spec.select.items():
        videos = videos.select(**{name: [*values, ""] if name == "distortion" else list(values)})
    if "distortion" not in (*spec.axes, *spec.select):
        videos = videos.select(distortion="")
    return videos


def _groups(videos: Scores, fixed: Mapping[str, str], axes: Sequence[str]) -> list[tuple[Key, Scores]]:
    """The parts of some videos by their values of several axes, of which the ``fixed`` do not divide them."""
    groups: list[tuple[Key, Scores]] = [((), videos)]
    for axis in axes:
        groups = [
            ((*key, value), part)
            for key, group in groups
            for value, part in ([(fixed[axis], group)] if axis in fixed else _split(axis, group))
        ]
    return groups


def _split(axis: str, videos: Scores) -> Iterator[tuple[str, Scores]]:
    """The parts of some videos by their values of an axis; some axes keep the reals (or forgeries) in every part."""
    if axis in LABEL_AXES:
        raise FacetellError(f"the protocol has the axis '{axis}', but its 'label' does not name it")
    fake, real, clean = videos["label"] == 1, videos["label"] == 0, videos["distortion"] == ""
    every = np.ones(len(videos), dtype=bool)
    divided, kept = {
        "method": (fake, real),
        "reals_of": (real, fake),
        "fakes_of": (fake, real),
        "distortion": (~clean, clean),
    }.get(axis, (every, ~every))
    if axis in DATASET_AXES:
        of = _datasets(videos)
    else:
        of = np.where(clean, int(CLEAN), videos["level"]) if axis == "level" else videos[axis]
    if axis == "method":
        yield ALL, videos
    for value in sorted(set(of[divided].tolist())):
        name = "not named" if axis == "method" and not value else str(value)
        yield name, videos.where(kept | divided & (of == value))


def _datasets(videos: Scores) -> Column:
    """Dataset of each video, with its compression where a dataset occurs in several, which are not pooled."""
    pairs = keys_of(videos, ("dataset", "compression"))
    times = Counter(name for name, _ in set(pairs))
    return np.array([f"{name} {quality}".strip() if times[name] > 1 else name for name, quality in pairs], dtype=object)


def _one_copy(videos: Scores) -> Scores:
    """The clean copy of each video, or else its first distorted one; all clips of that copy."""
    keys = keys_of(videos, COPY)
    first: dict[tuple[str, ...], tuple[str, ...]] = {}
    for key in sorted(set(keys)):
        first.setdefault(key[:-2], key)
    return videos.where(np.array([first[key[:-2]] == key for key in keys], dtype=bool))


def _rank(order: Iterable[str]) -> Callable[[str], tuple[int, str]]:
    """A sort key: :data:`ALL`, then the values of ``order``, then others by name, then :data:`MEAN`."""
    places = {value: place for place, value in enumerate(order)}
    last = len(places)
    places |= {ALL: -1, MEAN: last + 1}
    return lambda value: (places[value], "") if value in places else (last, value)


def _with_means(groups: Mapping[Key, Scores], kinds: Sequence[str], draws: int) -> dict[Key, Summary]:
    """AUC of every kind and level of distortion and their means; one draw takes the same identities for all of them."""
    cells: dict[Key, Summary] = {}
    for prefix in sorted({key[:-2] for key in groups}):
        of = {key[-2:]: group for key, group in groups.items() if key[:-2] == prefix}
        found = _sweep(of, kinds or sorted({kind for kind, _ in of}), draws)
        cells |= {(*prefix, *at): summary for at, summary in found.items()}
    return cells


def _sweep(of: Mapping[Key, Scores], kinds: Sequence[str], draws: int) -> dict[Key, Summary]:
    """AUC by kind and level of one model and benchmark, and the means over levels, over kinds, and over both."""
    drawn = [found["auc"] for found in sample_jointly([*of.values()], ["auc"], draws=draws)]
    values = {at: value for at, (value, _) in zip(of, drawn, strict=True) if not math.isnan(value)}
    samples = {at: found for at, (_, found) in zip(of, drawn, strict=True) if at in values and found is not None}
    cells = {}
    for at, videos in of.items():
        counts = count(videos)
        estimate = estimate_of(values.get(at, math.nan), samples.get(at))
        cells[at] = Summary(counts, {"auc": estimate}, counts.reason)
    levels = [str(level) for level in LEVELS]
    over = {(kind, MEAN): [(kind, level) for level in levels] for kind in kinds if any(at[0] == kind for at in of)}
    over |= {(MEAN, level): [(kind, level) for kind in kinds] for level in levels}
    over[MEAN, MEAN] = [(kind, level) for kind in kinds for level in levels]
    for at, parts in over.items():
        there = [part for part in parts if part in values]
        if len(there) < len(parts):
            reason = f"{len(there)} of {len(parts)} were measured"
            cells[at] = Summary(Counts(), {"auc": Estimate(math.nan)}, reason)
            continue
        sample = np.mean([samples[part] for part in parts], axis=0) if all(p in samples for p in parts) else None
        mean = float(np.mean([values[part] for part in parts]))
        cells[at] = Summary(cells[parts[0]].counts, {"auc": estimate_of(mean, sample)})
    if clean := next((at for at in of if at[1] == CLEAN), None):
        cells[MEAN, CLEAN] = cells[clean]
    return cells
