"""Evaluation protocols: small TOML files that say which videos count, and which tables and plots are made of them.

Those of the package lie in ``data/``; anyone can write their own (``docs/evaluation.md`` tells how). What others
published stands in ``data/published.toml``, as strings: they are shown beside what was measured, never mixed with it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facetell.datasets.manifest import SPLITS
from facetell.evaluate.scores import WORDS
from facetell.metrics.measures import MEASURES
from facetell.types import FacetellError

FOLDER = Path(__file__).with_name("data")
UNITS = ("video", "clip")
PLOTS = ("roc", "reliability", "bars", "distortion")
LABEL_AXES = ("held_out", "motion", "anomaly")
"""Told by the label of a score file (``LABEL=FILE``), not by its columns."""
AXES = ("model", "unit", "dataset", "compression", "method", "distortion", "level", "reals_of", "fakes_of", *LABEL_AXES)
"""What can make the rows and columns of a table; ``docs/evaluation.md`` explains each."""


DATASETS = {
    "ffpp": "FaceForensics++",
    "faceshifter": "FaceShifter",
    "dfd": "DeepFakeDetection",
    "celebdf1": "Celeb-DF v1",
    "celebdf2": "Celeb-DF v2",
    "celebdf++": "Celeb-DF++",
    "dfdc": "DFDC",
    "dfdcp": "DFDC preview",
    "dfo": "DFO",
    "ffiw": "FFIW",
    "wilddeepfake": "WildDeepfake",
}
"""Benchmarks as they are written in tables, in this order; a protocol's own ``axes.dataset`` comes first."""


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One table of a protocol.

    Attributes:
        title: its caption.
        rows: axes; one row for each combination of their values that occurs.
        columns: an axis (cells show ``measures[0]``), or "measure" (one column for each of ``measures``).
        measures: names of :data:`facetell.metrics.measures.MEASURES`.
        select: allowed values of columns of the score file; a column that is not named allows all.
        complete: axes of which every value in the protocol's ``axes`` (and ``select``) gets its row or column, measured
            or not.
        mean: "level" and/or "distortion": what means are taken over, in a table with rows of ``distortion`` (the last
            axis) and columns of ``level``.
    """

    title: str
    rows: tuple[str, ...]
    columns: str
    measures: tuple[str, ...]
    select: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    complete: tuple[str, ...] = ()
    mean: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a set of score files is turned into tables.

    Attributes:
        name: of the file, without its suffix.
        title, summary: for people.
        split: which videos count unless the user says otherwise.
        units: "video" and/or "clip": what is counted as one decision.
        needs: columns of the score file that must tell the videos apart ("distortion": some video is distorted).
        how: what to run where ``needs`` is not met.
        label: axes that the label of a score file gives, parted by "/".
        axes: for an axis, the values in their order and how each is written in tables.
        tables, plots, notes: what is made, and what a reader has to know.
        published: names of :class:`Published` tables to show beside.
    """

    name: str
    title: str
    summary: str
    split: str
    units: tuple[str, ...]
    needs: tuple[str, ...]
    how: str
    label: tuple[str, ...]
    axes: Mapping[str, Mapping[str, str]]
    tables: tuple[TableSpec, ...]
    plots: tuple[str, ...]
    notes: tuple[str, ...]
    published: tuple[str, ...]

    def written(self, axis: str, value: str) -> str:
        """How a value of an axis is written in tables; of a benchmark with its compression, both."""
        titles = self.axes.get(axis, {})
        first, _, rest = value.partition(" ")
        return titles.get(value) or (f"{titles[first]} {rest}" if first in titles else value)


@dataclass(frozen=True, slots=True)
class Published:
    """Numbers from the literature, as they were published (METHOD section 5); percent.

    Attributes:
        title: what they are.
        columns: headings; the first is that of the methods' names.
        rows: cells as strings; "-" where nothing was published.
        notes: what a reader has to know to compare.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def protocol_names() -> tuple[str, ...]:
    """The protocols of the package, by name."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml") if path.stem != "published"))


def read_protocol(name: str) -> Protocol:
    """A protocol of the package by its name, or one's own by the path of its file.

    Raises:
        FacetellError: there is none of that name, or the file is not understood.
    """
    own = name.endswith(".toml") or "/" in name
    if not own and name not in protocol_names():
        raise FacetellError(
            f"there is no protocol '{name}'; choose one of {', '.join(protocol_names())}, or give a file NAME.toml"
        )
    path = Path(name) if own else FOLDER / f"{name}.toml"
    try:
        with path.open("rb") as file:
            return _protocol(path.stem, tomllib.load(file))
    except OSError as error:
        raise FacetellError(f"the protocol {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FacetellError(f"the protocol {path} is not a TOML file: {error}") from None
    except _Unfit as error:
        raise FacetellError(f"the protocol {path} is not understood: {error}") from None


def read_published(name: str) -> Published:
    """A table of ``data/published.toml``.

    Raises:
        FacetellError: there is none of that name.
    """
    with (FOLDER / "published.toml").open("rb") as file:
        found = tomllib.load(file)
    if name not in found:
        raise FacetellError(f"there are no published numbers called '{name}'; there are {', '.join(sorted(found))}")
    table = found[name]
    rows = tuple(tuple(str(cell) for cell in row) for row in table["rows"])
    return Published(table["title"], tuple(table["columns"]), rows, tuple(table["notes"]))


class _Unfit(Exception):
    """Why a file is no protocol."""


_DEFAULTS: dict[str, Any] = {
    "split": "test",
    "units": ["video"],
    "needs": [],
    "how": "",
    "label": [],
    "axes": {},
    "plots": [],
    "notes": [],
    "published": [],
}


def _protocol(name: str, told: dict[str, Any]) -> Protocol:
    _known(told, (*_DEFAULTS, "title", "summary", "tables"))
    _wanted(told, ("title", "summary", "tables"))
    values = _DEFAULTS | told
    for key in ("title", "summary", "split", "how"):
        _is(values, key, str)
    for key in ("units", "needs", "label", "plots", "notes", "published"):
        values[key] = _strings(values, key)
    for key, allowed in {
        "units": UNITS,
        "needs": WORDS,
        "label": LABEL_AXES,
        "plots": PLOTS,
        "published": _published_names(),
    }.items():
        _among(values[key], allowed, key)
    _among([values["split"]], SPLITS, "split")
    _filled(values, "units")
    _is(values, "axes", dict)
    _among(values["axes"], AXES, "axes")
    for axis, titles in values["axes"].items():
        if not (isinstance(titles, dict) and all(isinstance(title, str) for title in titles.values())):
            raise _Unfit(f'axes.{axis} has to be a table of value = "title"')
    if not (isinstance(values["tables"], list) and values["tables"]):
        raise _Unfit("it needs at least one [[tables]]")
    values["tables"] = tuple(_table(table, number) for number, table in enumerate(values["tables"], 1))
    datasets = values["axes"].get("dataset", {}) | {
        k: v for k, v in DATASETS.items() if k not in values["axes"].get("dataset", {})
    }
    values["axes"] = {"reals_of": datasets, "fakes_of": datasets} | values["axes"] | {"dataset": datasets}
    return Protocol(name=name, **values)


def _table(told: Any, number: int) -> TableSpec:
    where = f"table {number}"
    if not isinstance(told, dict):
        raise _Unfit(f"{where} is no table")
    _known(told, ("title", "rows", "columns", "measures", "select", "complete", "mean"), where)
    _wanted(told, ("title", "rows", "columns"), where)
    values: dict[str, Any] = {"measures": ["auc"], "select": {}, "complete": [], "mean": []} | told
    for key, kind in {"title": str, "columns": str, "select": dict}.items():
        _is(values, key, kind, where)
    for key in ("rows", "measures", "complete", "mean"):
        values[key] = _strings(values, key, where)
    for key in ("rows", "measures"):
        _filled(values, key, where)
    _among(values["rows"], AXES, f"rows of {where}")
    _among([values["columns"]], (*AXES, "measure"), f"columns of {where}")
    _among(values["measures"], tuple(MEASURES), f"measures of {where}")
    _among(values["complete"], (*values["rows"], values["columns"]), f"complete of {where}")
    _among(values["mean"], ("level", "distortion"), f"mean of {where}")
    _among(values["select"], WORDS, f"select of {where}")
    values["select"] = {name: _strings(values["select"], name, where) for name in values["select"]}
    if values["mean"] and (values["columns"] != "level" or values["rows"][-1] != "distortion"):
        raise _Unfit(f'{where} has a mean: its last row axis has to be "distortion" and its columns "level"')
    return TableSpec(**values)


def _published_names() -> tuple[str, ...]:
    with (FOLDER / "published.toml").open("rb") as file:
        return tuple(tomllib.load(file))


def _known(told: Mapping[str, Any], names: tuple[str, ...], where: str = "it") -> None:
    for name in told:
        if name not in names:
            raise _Unfit(f"{where} has '{name}', which is none of {', '.join(names)}")


def _wanted(told: Mapping[str, Any], names: tuple[str, ...], where: str = "it") -> None:
    for name in names:
        if name not in told:
            raise _Unfit(f"{where} lacks '{name}'")


def _is(values: Mapping[str, Any], name: str, kind: type, where: str = "it") -> None:
    if not isinstance(values[name], kind):
        words: dict[type, str] = {str: "a string", dict: "a table"}
        raise _Unfit(f"'{name}' of {where} has to be {words[kind]}")


def _strings(values: Mapping[str, Any], name: str, where: str = "it") -> tuple[str, ...]:
    found = values[name]
    if not (isinstance(found, list) and all(isinstance(item, str) for item in found)):
        raise _Unfit(f"'{name}' of {where} has to be a list of strings")
    return tuple(found)


def _filled(values: Mapping[str, Any], name: str, where: str = "it") -> None:
    if not values[name]:
        raise _Unfit(f"'{name}' of {where} is empty")


def _among(found: Any, allowed: tuple[str, ...], where: str) -> None:
    for value in found:
        if value not in allowed:
            raise _Unfit(f"{where}: '{value}' is none of {', '.join(allowed)}")
