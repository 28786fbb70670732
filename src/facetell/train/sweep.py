"""A grid of runs, each resumable, and the table that compares them.

A sweep's file is a configuration with one key more: ``grid``, a table from dotted keys to lists of values. Every
combination is a run of its own in a folder of its own. ``seed`` among the keys repeats each variant.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facetell.evaluate.compare import align
from facetell.evaluate.sample import sample_of
from facetell.evaluate.scores import read_scores
from facetell.files import write_text
from facetell.metrics.intervals import (
    Difference,
    Estimate,
    bootstrap,
    difference_of,
    enough_identities,
    estimate_of,
)
from facetell.metrics.measures import Sample
from facetell.metrics.ranking import auc
from facetell.metrics.weighted import Values
from facetell.train.config import TrainConfig
from facetell.train.loop import CONFIG, PSEUDO, SCORES, train
from facetell.train.reading import build, merge, override, plain, read_tree
from facetell.train.resume import check_config
from facetell.train.stop import Stop
from facetell.types import FacetellError

SEED = "seed"
FILES = {"forgeries of val": SCORES, "forgeries made from its reals": PSEUDO}


@dataclass(frozen=True, slots=True)
class Point:
    """One run of a grid: its ``name`` (of its folder too), the ``values`` of the grid's keys, and its ``config``."""

    name: str
    values: Mapping[str, Any]
    config: TrainConfig

    @property
    def variant(self) -> tuple[str, ...]:
        """The values but for the seed, as words."""
        return tuple(str(value) for key, value in self.values.items() if key != SEED)


@dataclass(frozen=True, slots=True)
class Line:
    """One variant's figures.

    Attributes:
        variant: values of the grid's keys.
        seeds: how many runs it has.
        figures: by set of forgeries, the AUC, a mean over the seeds, with its 95 % interval over identities.
        spread: by set, lowest and highest AUC of a single seed.
        gain: by set, how far it lies above the first variant, both on the same draws of identities.
        videos: by set, how many there are that all runs scored, which all figures are of.
    """

    variant: tuple[str, ...]
    seeds: int
    figures: Mapping[str, Estimate]
    spread: Mapping[str, tuple[float, float]]
    gain: Mapping[str, Difference]
    videos: Mapping[str, int]


def read_grid(path: Path, overrides: Sequence[str] = ()) -> list[Point]:
    """The runs of a sweep's file, the last key of the grid changing fastest.

    Raises:
        FacetellError: there is no grid, or a run's configuration is wrong.
    """
    tree = override(read_tree(path), overrides)
    grid = tree.pop("grid", None)
    if not isinstance(grid, dict) or not all(isinstance(v, list) and v for v in grid.values()) or not grid:
        raise FacetellError(f"{path} has no grid; write `grid:` and below it keys with lists, such as `motion: [a, b]`")
    points = []
    for values in itertools.product(*grid.values()):
        chosen = dict(zip(grid, values, strict=True))
        changes: dict[str, Any] = {}
        for key, value in chosen.items():
            for part in reversed(key.split(".")):
                value = {part: value}
            changes = merge(changes, value)
        name = "_".join(f"{key}-{value}" for key, value in chosen.items()).replace("/", "-")
        points.append(Point(name, chosen, build(TrainConfig, merge(tree, changes), path.name)))
    return points


def run_grid(points: Sequence[Point], out: Path, stop: Stop, say: Callable[[str], None] = print) -> bool:
    """Train what is not trained yet, one run after the other; says whether all are done.

    Raises:
        FacetellError: a run that is there was made with other settings; and as :func:`facetell.train.loop.train`.
    """
    for number, point in enumerate(points, 1):
        if (out / point.name / SCORES).exists():
            done = read_tree(out / point.name / CONFIG)
            check_config(done, plain(point.config), out / point.name)
            if done["steps"] == point.config.steps:
                continue
        say(f"run {number} of {len(points)}: {point.name}")
        outcome = train(point.config, out / point.name, stop)
        if not outcome.done:
            say(f"{outcome.reason} at step {outcome.step} of {point.name}; the same command goes on from there")
            return False
    return True


def compare(points: Sequence[Point], out: Path) -> list[Line]:
    """The table of a grid that is done.

    Raises:
        FacetellError: the runs have no video in common.
    """
    variants = {point.variant: [p for p in points if p.variant == point.variant] for point in points}
    samples = {
        what: _samples(points, out, file)
        for what, file in FILES.items()
        if all((out / point.name / file).exists() for point in points)
    }
    lines = []
    for variant, runs in variants.items():
        figures, spread, gain, videos = {}, {}, {}, {}
        for what, of in samples.items():
            if len({*of[variant][0].labels.tolist()}) < 2:
                continue
            figures[what], spread[what] = _mean_auc(of[variant])
            gain[what] = _gain(of[variant], next(iter(of.values())))
            videos[what] = len(of[variant][0])
        lines.append(Line(variant, len(runs), figures, spread, gain, videos))
    return lines


def _samples(points: Sequence[Point], out: Path, file: str) -> dict[tuple[str, ...], list[Sample]]:
    """By variant, the runs' scores of the videos that all of them scored, in one order."""
    aligned = align([read_scores(out / point.name / file).videos() for point in points], [p.name for p in points])
    scored = np.all([~np.isnan(table["logit"]) for table in aligned], axis=0)
    samples: dict[tuple[str, ...], list[Sample]] = {}
    for point, table in zip(points, aligned, strict=True):
        samples.setdefault(point.variant, []).append(sample_of(table.where(scored)))
    return samples


def _statistic(samples: Sequence[Sample]) -> Callable[[Values], Values]:
    """Mean over the seeds of the AUC, for weights (block, N) of the videos."""

    def statistic(weights: Values) -> Values:
        return np.asarray(np.mean([auc(s.labels, s.logits, weights) for s in samples], axis=0))

    return statistic


def _mean_auc(samples: Sequence[Sample]) -> tuple[Estimate, tuple[float, float]]:
    once = np.ones((1, len(samples[0])))
    single = [float(auc(s.labels, s.logits, once)[0]) for s in samples]
    return estimate_of(float(np.mean(single)), _drawn(_statistic(samples), samples[0])), (min(single), max(single))


def _gain(samples: Sequence[Sample], base: Sequence[Sample]) -> Difference:
    mine, other = _statistic(samples), _statistic(base)

    def gain(weights: Values) -> Values:
        return mine(weights) - other(weights)

    return difference_of(float(gain(np.ones((1, len(samples[0]))))[0]), _drawn(gain, samples[0]))


def _drawn(statistic: Callable[[Values], Values], sample: Sample) -> Values | None:
    """The statistic on draws of identities; None where there are too few of them."""
    if not enough_identities(sample.labels, sample.identities):
        return None
    return bootstrap(statistic, sample.labels, sample.identities)


def markdown(lines: Sequence[Line], keys: Sequence[str]) -> str:
    """The table, for the docs."""
    names = list(lines[0].figures)
    count = lines[0].videos
    head = [*keys, *(f"AUC, {name} ({count[name]} videos) | single seeds | above the first" for name in names)]
    rows = [f"| {' | '.join(head)} |", "|" + "---|" * (len(keys) + 3 * len(names))]
    for line in lines:
        cells = list(line.variant)
        for name in names:
            low, high = line.spread[name]
            gain = line.gain[name]
            above = "" if line is lines[0] else f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
            cells += [str(line.figures[name]), f"{low:.3f} to {high:.3f}", above]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def write_table(points: Sequence[Point], out: Path) -> str:
    """Write ``table.md`` and ``table.json`` into the sweep's folder; returns the Markdown."""
    lines = compare(points, out)
    keys = [key for key in points[0].values if key != SEED]
    text = markdown(lines, keys)
    told = [
        {
            **dict(zip(keys, line.variant, strict=True)),
            "seeds": line.seeds,
            "auc": {name: [e.value, e.low, e.high] for name, e in line.figures.items()},
            "single": {name: list(pair) for name, pair in line.spread.items()},
            "gain": {name: [g.value, g.low, g.high, g.p] for name, g in line.gain.items()},
            "videos": dict(line.videos),
        }
        for line in lines
    ]
    write_text(out / "table.md", text)
    write_text(out / "table.json", json.dumps(told, indent=1) + "\n")
    return text
