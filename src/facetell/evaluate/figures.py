"""From score files to the figures of a protocol: one run per model, groups of videos, and the figures of each group."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facetell.distort.kinds import LEVELS, PUBLISHED
from facetell.engine.info import Calibration
from facetell.evaluate.protocols import ALL, CLEAN, DATASET_AXES, HELD_OUT, MEAN, UNITS, Protocol, TableSpec
from facetell.evaluate.sample import Counts, Summary, calibration_of, count, sample_jointly, summarise
from facetell.evaluate.scores import COPY, Column, Scores, keys_of, read_scores, stack
from facetell.metrics.intervals import DRAWS, Estimate, estimate_of
from facetell.types import FacetellError

Key = tuple[str, ...]
"""A value for each of :attr:`facetell.evaluate.protocols.TableSpec.axes`."""


@dataclass(frozen=True, slots=True)
class Run:
    """The scores of one model that count, one row per clip.

    ``label`` names the model in tables: that of its score files, or else ``model``, the name in the model file.
    ``held_out`` is the forgery that it was not trained on, by its label; ``reals`` which reals DeeperForensics-1.0 has.
    """

    label: str
    model: str
    sha256: str
    calibration: Calibration
    held_out: str
    files: tuple[str, ...]
    scores: Scores
    reals: str

    @property
    def lines(self) -> list[tuple[str, str]]:
        """What made the scores, as pairs of a heading and a text."""
        found = self.calibration
        fitted = f"temperature {found.temperature:.3f}, bias {found.bias:+.3f}; threshold {found.threshold:g}"
        platt = f"Platt scaling, {fitted}" if found != Calibration() else "none: probabilities are sigmoid(logit)"
        lines = [("model", self.model), ("sha256", self.sha256 or "not recorded"), ("calibration", platt)]
        return [*lines, ("score files", ", ".join(self.files)), *([("reals", self.reals)] if self.reals else [])]


def gather(named: Sequence[tuple[str, Path]], protocol: Protocol, split: str) -> list[Run]:
    """Read labelled score files, keep a split, join those of a model. FacetellError: the protocol needs more."""
    joined: dict[object, Run] = {}
    for label, path in named:
        run = _run(label, path, protocol, split)
        key = (run.label, run.held_out, run.sha256, run.calibration)
        joined[key] = _join(joined[key], run) if key in joined else run
    runs = list(joined.values())
    for name in protocol.needs:
        if not any((run.scores[name] != "").any() for run in runs):
            files = ", ".join(file for run in runs for file in run.files)
            raise FacetellError(
                f"the protocol {protocol.name} needs the {name} of the videos, which {files} (split {split}) does not "
                f"have: {protocol.how}"
            )
    times = Counter(run.label for run in runs)
    return [
        run if times[run.label] == 1 else replace(run, label=f"{run.label} ({', '.join(run.files)})") for run in runs
    ]


def _run(label: str, path: Path, protocol: Protocol, split: str) -> Run:
    scores = read_scores(path)
    held_out = ""
    if any(HELD_OUT in table.axes for table in protocol.tables):
        held_out, allowed = label, protocol.axes.get(HELD_OUT, {})
        if not label or (allowed and label not in allowed):
            wrong = f"'{label}' of {path} is none of {', '.join(allowed)}" if label else f"{path} has no label"
            raise FacetellError(f"{wrong}: {protocol.how}")
    kept = of_split(scores, split, str(path))
    if not (kept["label"] >= 0).any():
        raise FacetellError(f"{path} has no labels; score a manifest with labels")
    kept, reals = _with_reals(kept)
    about = scores.about.get("model")
    about = about if isinstance(about, Mapping) else {"name": about}
    model, sha256 = str(about.get("name") or "unknown model"), str(about.get("sha256") or "")
    shown = model if held_out else label or model
    return Run(shown, model, sha256, calibration_of(scores.about), held_out, (path.name,), kept, reals)


def of_split(scores: Scores, split: str, name: str) -> Scores:
    """The rows of a split, or all; FacetellError, with the ``name`` of the file, where there is none."""
    kept = scores if split == ALL else scores.select(split=split)
    if not len(kept):
        there = ", ".join(sorted({*scores["split"].tolist()} - {""}))
        there = there or ("videos without one" if len(scores) else "no clean video")
        raise FacetellError(
            f"{name} has no video of the split {split} (it has {there}); score a manifest that has it with `facetell "
            "score`, or name another split with --split, or all"
        )
    return kept


def _with_reals(scores: Scores) -> tuple[Scores, str]:
    """Give DeeperForensics-1.0 the reals of protocol A; say in a note for tables which reals it has.

    A score file with forgeries of ``dfo``, no real of ``dfo`` and no forgery of ``ffpp`` follows protocol A: its c23
    reals of ``ffpp`` count as reals of ``dfo``. No other benchmark takes reals from another one.
    """
    classes = set(keys_of(scores, ("dataset", "label")))
    moved = (scores["dataset"] == "ffpp") & (scores["label"] == 0) & (scores["compression"] == "c23")
    if {("dfo", 0), ("dfo", 1)} <= classes:
        return scores, "DFO against its own source videos (protocol B)"
    if ("dfo", 1) not in classes or ("ffpp", 1) in classes or not moved.any():
        return scores, ""
    compression = min(scores["compression"][scores["dataset"] == "dfo"].tolist())
    changed = {
        "dataset": np.where(moved, "dfo", scores["dataset"]),
        "compression": np.where(moved, compression, scores["compression"]),
    }
    note = "DFO against c23 reals of FaceForensics++ (protocol A, unless read by its own lists)"
    return replace(scores, columns={**scores.columns, **changed}), note


def _join(a: Run, b: Run) -> Run:
    if twice := sorted({*keys_of(a.scores, COPY)} & {*keys_of(b.scores, COPY)}):
        raise FacetellError(
            f"{b.files[0]} scores {len(twice)} videos that {', '.join(a.files)} scores with the same model, such as "
            f"{twice[0][1]}; give each video once, or label the files differently (LABEL=FILE)"
        )
    return replace(a, reals=a.reals or b.reals, files=a.files + b.files, scores=stack([a.scores, b.scores]))


@dataclass(frozen=True, slots=True)
class Grid:
    """The figures of one table: ``cells``, in order, and the ``groups`` of videos behind them (means have none).

    ``columns`` is empty if they are measures. ``counts`` are of the clean videos, or of all copies if none is.
    """

    spec: TableSpec
    rows: tuple[Key, ...]
    columns: Key
    cells: Mapping[Key, Summary]
    groups: Mapping[Key, Scores]
    counts: Counts


def measure(runs: Sequence[Run], protocol: Protocol, spec: TableSpec, draws: int = DRAWS) -> Grid:
    """The figures of one table of a protocol. FacetellError: two models have the same row."""
    groups: dict[Key, Scores] = {}
    counted = []
    for run in runs:
        for unit in UNITS if "unit" in spec.axes else UNITS[:1]:
            videos = _selected(run.scores.videos() if unit == "video" else run.scores.clips(), spec)
            if unit == "video":
                clean = videos.select(distortion="")
                counted.append(count(clean if len(clean) else videos))
            if run.held_out:
                videos = videos.where((videos["label"] != 1) | (videos["method"] == run.held_out))
            for key, group in _groups(videos, {"model": run.label, "unit": unit, HELD_OUT: run.held_out}, spec.axes):
                if key in groups:
                    row = " / ".join(key[: len(spec.rows)])
                    raise FacetellError(f"two models have the row {row} of '{spec.title}'; give one score file for it")
                groups[key] = group
    if spec.axes[-2:] == ("distortion", "level"):  # then the table has the means over them
        found: dict[Key, Summary] = {}
        for prefix in {key[:-2] for key in groups}:
            of = {key[-2:]: group for key, group in groups.items() if key[:-2] == prefix}
            found |= {(*prefix, *at): summary for at, summary in _sweep(of, draws).items()}
    else:
        found = {key: summarise(group, draws=draws) for key, group in groups.items()}
    orders = {**protocol.axes, "model": [run.label for run in runs]}
    ranks = [_ranks(orders.get(axis, ()), {key[i] for key in found}) for i, axis in enumerate(spec.axes)]
    cells = {
        key: found[key]
        for key in sorted(found, key=lambda key: [rank[value] for rank, value in zip(ranks, key, strict=True)])
    }
    rows = tuple(dict.fromkeys(key[: len(spec.rows)] for key in cells))
    columns = () if spec.columns == "measure" else tuple(ranks[-1])
    return Grid(spec, rows, columns, cells, groups, max(counted, key=lambda c: c.real + c.fake + c.unscored))


def _ranks(order: Iterable[str], values: Iterable[str]) -> dict[str, int]:
    """The place of each value: :data:`ALL`, then those of ``order``, then others by name, then :data:`MEAN`."""
    found = {*values}
    first = [ALL, *order]
    ordered = [*(v for v in first if v in found), *sorted(found - {*first, MEAN}), *({MEAN} & found)]
    return {value: place for place, value in enumerate(ordered)}


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
    fake, real, clean = videos["label"] == 1, videos["label"] == 0, videos["distortion"] == ""
    every = np.ones(len(videos), dtype=bool)
    divided, kept = {
        "method": (fake, real),
        "reals_of": (real, fake),
        "fakes_of": (fake, real),
        "distortion": (~clean, clean),
    }.get(axis, (every, ~every))
    of = _datasets(videos) if axis in DATASET_AXES else videos[axis]
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


def _sweep(of: Mapping[Key, Scores], draws: int) -> dict[Key, Summary]:
    """AUC by kind and level of one model and benchmark; means over levels, published kinds, both, if complete."""
    drawn = [found["auc"] for found in sample_jointly([*of.values()], ["auc"], draws=draws)]
    values = {at: value for at, (value, _) in zip(of, drawn, strict=True) if not math.isnan(value)}
    samples = {at: found for at, (_, found) in zip(of, drawn, strict=True) if at in values and found is not None}
    cells = {}
    for at, videos in of.items():
        counts, estimate = count(videos), estimate_of(values.get(at, math.nan), samples.get(at))
        cells[at] = Summary(counts, {"auc": estimate}, counts.reason)
    kinds, levels = {kind for kind, _ in of}, [str(level) for level in LEVELS]
    over = {(kind, MEAN): [(kind, level) for level in levels] for kind in kinds}
    if not kinds.isdisjoint(PUBLISHED):
        seen = {level for _, level in of} - {CLEAN}
        over |= {(MEAN, level): [(kind, level) for kind in PUBLISHED] for level in seen}
        over[MEAN, MEAN] = [(kind, level) for kind in PUBLISHED for level in levels]
        if clean := next((cells[at] for at in of if at[1] == CLEAN), None):
            cells[MEAN, CLEAN] = clean
    for at, parts in over.items():
        there = [part for part in parts if part in values]
        if len(there) < len(parts):
            cells[at] = Summary(Counts(), {"auc": Estimate(math.nan)}, f"{len(there)} of {len(parts)} were measured")
            continue
        sample = np.mean([samples[part] for part in parts], axis=0) if all(p in samples for p in parts) else None
        mean = float(np.mean([values[part] for part in parts]))
        cells[at] = Summary(cells[parts[0]].counts, {"auc": estimate_of(mean, sample)})
    return cells
