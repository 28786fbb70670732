"""A grid of runs, each resumable, and the table that compares them.

A sweep's file is a configuration with one more key: ``grid``, a table from dotted keys to lists of values. Every
combination is a run in its own folder; ``seed`` among the keys repeats each variant.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from facetell.evaluate.compare import align
from facetell.evaluate.sample import sample_of
from facetell.evaluate.scores import read_scores
from facetell.files import write_text
from facetell.metrics.intervals import Estimate, bootstrap, difference_of, enough_identities, estimate_of
from facetell.metrics.measures import Sample
from facetell.metrics.ranking import Values, auc
from facetell.train.checkpoint import check_config
from facetell.train.config import TrainConfig
from facetell.train.loop import CONFIG, PSEUDO, SCORES, train
from facetell.train.reading import build, merge, nested, override, read_tree
from facetell.train.stop import Stop
from facetell.types import FacetellError

SEED = "seed"
FILES = {"forgeries of val": SCORES, "pseudo-fakes": PSEUDO}


@dataclass(frozen=True, slots=True)
class Point:
    """One run of a grid: its ``name`` (also of its folder), the ``values`` of the grid's keys, and its ``config``."""

    name: str
    values: Mapping[str, Any]
    config: TrainConfig

    @property
    def variant(self) -> tuple[str, ...]:
        """The values except the seed, as strings."""
        return tuple(str(value) for key, value in self.values.items() if key != SEED)


def read_grid(path: Path, overrides: Sequence[str] = ()) -> list[Point]:
    """The runs of a sweep's file; the last key of the grid changes fastest.

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
        changed = reduce(merge, (nested(key, value) for key, value in chosen.items()), tree)
        name = "_".join(f"{key}-{value}" for key, value in chosen.items()).replace("/", "-")
        points.append(Point(name, chosen, build(TrainConfig, changed, path.name)))
    return points


def run_grid(points: Sequence[Point], out: Path, stop: Stop, say: Callable[[str], None] = print) -> bool:
    """Train the runs that are not done, one after the other; returns whether all are done.

    Raises:
        FacetellError: an existing run has another configuration; and as :func:`facetell.train.loop.train`.
    """
    for number, point in enumerate(points, 1):
        if (out / point.name / SCORES).exists():
            done = read_tree(out / point.name / CONFIG)
            check_config(done, point.config, out / point.name)
            if done["steps"] == point.config.steps:
                continue
        say(f"run {number} of {len(points)}: {point.name}")
        outcome = train(point.config, out / point.name, stop)
        if not outcome.done:
            say(f"{outcome.reason} at step {outcome.step} of {point.name}; run the same command again to resume")
            return False
    return True


def compare(points: Sequence[Point], out: Path) -> list[dict[str, Any]]:
    """The rows of the table, one a variant, for JSON.

    ``auc``: by set of forgeries (:data:`FILES`) the mean AUC of the seeds with its 95 % interval over identities;
    ``single``: lowest and highest AUC of a seed; ``gain``: difference from the first variant on the same draws of
    identities, its interval and p; ``videos``: number of videos that all runs have scored, on which all figures are.

    Raises:
        FacetellError: the runs have no video in common.
    """
    variants = list(dict.fromkeys(point.variant for point in points))
    keys = [key for key in points[0].values if key != SEED]
    rows: list[dict[str, Any]] = [
        {
            **dict(zip(keys, variant, strict=True)),
            "seeds": sum(point.variant == variant for point in points),
            **{part: {} for part in ("auc", "single", "gain", "videos")},
        }
        for variant in variants
    ]
    for name, file in FILES.items():
        if not all((out / point.name / file).exists() for point in points):
            continue
        aligned = align([read_scores(out / p.name / file).videos() for p in points], [p.name for p in points])
        scored = np.all([~np.isnan(table["logit"]) for table in aligned], axis=0)
        samples: dict[tuple[str, ...], list[Sample]] = {variant: [] for variant in variants}
        for point, table in zip(points, aligned, strict=True):
            samples[point.variant].append(sample_of(table.where(scored)))
        base = samples[variants[0]]
        if len({*base[0].labels.tolist()}) < 2:
            continue
        for row, own in zip(rows, samples.values(), strict=True):
            single = [_figure(_mean_auc([sample])) for sample in own]
            mean, gain = _mean_auc(own), _mean_auc(own, base)
            estimate = estimate_of(float(np.mean(single)), _draws(mean, own[0]))
            difference = difference_of(float(np.mean(single)) - _figure(_mean_auc(base)), _draws(gain, own[0]))
            row["auc"][name] = [estimate.value, estimate.low, estimate.high]
            row["single"][name] = [min(single), max(single)]
            row["gain"][name] = [difference.value, difference.low, difference.high, difference.p]
            row["videos"][name] = len(own[0])
    return rows


def _mean_auc(samples: Sequence[Sample], base: Sequence[Sample] = ()) -> Callable[[Values | None], Values]:
    """Mean AUC of the runs, less that of ``base``, for weights (block, N) of the videos; None for equal weights."""

    def mean(of: Sequence[Sample], weights: Values | None) -> Values:
        return np.asarray(np.mean(np.stack([np.asarray(auc(s.labels, s.logits, weights)) for s in of]), axis=0))

    return lambda weights: mean(samples, weights) - (mean(base, weights) if base else 0)


def _figure(statistic: Callable[[Values | None], Values]) -> float:
    return float(statistic(None))


def _draws(statistic: Callable[[Values | None], Values], sample: Sample) -> Values | None:
    """The statistic on draws of identities; None if there are too few."""
    if not enough_identities(sample.labels, sample.identities):
        return None
    return bootstrap(statistic, sample.labels, sample.identities)


def markdown(rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> str:
    """The table as Markdown."""
    names = list(rows[0]["auc"])
    counts = rows[0]["videos"]
    head = [*keys, *(f"AUC, {n} ({counts[n]} videos) | single seeds | difference from the first row" for n in names)]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * (len(keys) + 3 * len(names))]
    for row in rows:
        cells = [row[key] for key in keys]
        for name in names:
            gain, least, most, _ = row["gain"][name]
            cells += [str(Estimate(*row["auc"][name])), " to ".join(f"{value:.3f}" for value in row["single"][name])]
            cells.append("" if row is rows[0] else f"{gain:+.3f} [{least:+.3f}, {most:+.3f}]")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def write_table(points: Sequence[Point], out: Path) -> str:
    """Write ``table.md`` and ``table.json`` into the sweep's folder; returns the Markdown."""
    rows = compare(points, out)
    text = markdown(rows, [key for key in points[0].values if key != SEED])
    write_text(out / "table.md", text)
    write_text(out / "table.json", json.dumps(rows, indent=1) + "\n")
    return text
