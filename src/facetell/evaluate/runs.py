"""Prepare score files for a protocol: one run per model, with one row per video (or clip) of a split."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from facetell.evaluate.protocols import ALL, Protocol
from facetell.evaluate.scores import COPY, Scores, keys_of, read_scores, stack
from facetell.types import FacetellError


@dataclass(frozen=True, slots=True)
class Run:
    """All scores of one model that count, by ``units``: "video" and, where the protocol needs it, "clip".

    ``label`` names the model in tables: the label of its score files, or else the name in the model file. ``keys`` are
    the axes that the label gives (``held_out``, ``motion``, ``anomaly``). ``reals`` says which reals the forgeries of
    DeeperForensics-1.0 are compared with. ``files`` are the names of the score files.
    """

    label: str
    keys: Mapping[str, str]
    about: Mapping[str, Any]
    files: tuple[str, ...]
    units: Mapping[str, Scores]
    reals: str = ""

    @property
    def model(self) -> str:
        """Name in the model file; "unknown model" where the score file does not record it."""
        return str(self._model.get("name") or "unknown model")

    @property
    def sha256(self) -> str:
        """Of the model file; "" where the score file does not record it."""
        return str(self._model.get("sha256") or "")

    @property
    def _model(self) -> Mapping[str, Any]:
        model = self.about.get("model")
        return model if isinstance(model, Mapping) else {"name": model}


def gather(named: Sequence[tuple[str, Path]], protocol: Protocol, split: str) -> tuple[Run, ...]:
    """Read score files, each with a label or "", keep a split, and join those of one model.

    Raises:
        FacetellError: a file cannot be read, or does not have what the protocol needs.
    """
    joined: dict[tuple[str, ...], Run] = {}
    for label, path in named:
        run = _run(label, path, protocol, split)
        key = (run.label, *run.keys.values(), run.sha256, json.dumps(run.about.get("calibration"), sort_keys=True))
        joined[key] = _join(joined[key], run) if key in joined else run
    runs = list(joined.values())
    for name in protocol.needs:
        if not any((run.units["video"][name] != "").any() for run in runs):
            files = ", ".join(file for run in runs for file in run.files)
            raise FacetellError(
                f"the protocol {protocol.name} needs the {name} of the videos, which {files} (split {split}) does not "
                f"have: {protocol.how}"
            )
    if all("dataset" in table.axes for table in protocol.tables):
        for run in runs:
            _check_classes(run)
    times = Counter(run.label for run in runs)
    return tuple(
        run if times[run.label] == 1 else replace(run, label=f"{run.label} ({', '.join(run.files)})") for run in runs
    )


def _run(label: str, path: Path, protocol: Protocol, split: str) -> Run:
    scores, reals = _with_reals(_of_split(read_scores(path), path, protocol, split))
    units = {"video": scores.videos()}
    if "clip" in protocol.units:
        units["clip"] = scores.clips()
    keys = _keys(label, path, protocol)
    run = Run(label, keys, scores.about, (path.name,), units, reals)
    return replace(run, label=run.model) if keys or not label else run


def _of_split(scores: Scores, path: Path, protocol: Protocol, split: str) -> Scores:
    kept = scores if split == ALL else scores.select(split=split)
    if not len(kept):
        raise FacetellError(
            f"{path} has no video of the split {split} (it has {_values(scores, 'split') or 'videos without one'}); "
            "score a manifest that has it with `facetell score`, or name another split with --split, or all"
        )
    if not (kept["label"] >= 0).any():
        raise FacetellError(f"{path} has no labels; score a manifest with labels")
    for name, values in {k: v for table in protocol.tables for k, v in table.select.items()}.items():
        if name != "distortion" and not len(kept.select(**{name: list(values)})):
            raise FacetellError(
                f"the protocol {protocol.name} needs the {name} {' or '.join(values)}, but {path} has "
                f"{_values(kept, name) or 'none'}; score a manifest that has it"
            )
    return kept


def _values(scores: Scores, name: str) -> str:
    return ", ".join(sorted({str(value) for value in scores[name].tolist()} - {""}))


def _with_reals(scores: Scores) -> tuple[Scores, str]:
    """Give DeeperForensics-1.0 the reals of protocol A; say in a note for tables which reals it has.

    Protocol A compares its forgeries with the c23 reals of FaceForensics++. A score file with forgeries of ``dfo``, no
    real of ``dfo`` and no forgery of ``ffpp`` follows that protocol: its c23 reals of ``ffpp`` count as reals of
    ``dfo``. No other benchmark takes reals from another one.
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


def _keys(label: str, path: Path, protocol: Protocol) -> dict[str, str]:
    """The values of the protocol's label axes in a label."""
    if not protocol.label:
        return {}
    values = label.split("/")
    if not label or len(values) != len(protocol.label):
        raise FacetellError(f"{path} has no label for the protocol {protocol.name}: {protocol.how}")
    for axis, value in zip(protocol.label, values, strict=True):
        allowed = protocol.axes.get(axis, {})
        if allowed and value not in allowed:
            raise FacetellError(f"'{value}' of {path} is none of {', '.join(allowed)}: {protocol.how}")
    return dict(zip(protocol.label, values, strict=True))


def _join(a: Run, b: Run) -> Run:
    twice = sorted({*keys_of(a.units["video"], COPY)} & {*keys_of(b.units["video"], COPY)})
    if twice:
        raise FacetellError(
            f"{b.files[0]} scores {len(twice)} videos that {', '.join(a.files)} scores with the same model, such as "
            f"{twice[0][1]}; give each video once, or label the files differently (LABEL=FILE)"
        )
    return replace(
        a,
        reals=a.reals or b.reals,
        files=a.files + b.files,
        units={unit: stack([a.units[unit], b.units[unit]]) for unit in a.units},
    )


def _check_classes(run: Run) -> None:
    """Refuse a run without a benchmark that has both reals and forgeries."""
    videos = run.units["video"]
    fake, real = ({*videos["dataset"][videos["label"] == label].tolist()} for label in (1, 0))
    if fake and real and not fake & real:
        first, second = (min(names) or "a benchmark without a name" for names in (fake, real))
        raise FacetellError(
            f"{', '.join(run.files)}: {first} has forgeries but no reals, {second} has reals but no forgeries, and "
            "only DeeperForensics-1.0 (dfo, protocol A) takes its reals from another benchmark (ffpp, c23); score "
            f"the reals of {first} as well, or compare benchmarks with `--protocol cross`"
        )
