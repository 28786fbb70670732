"""Evaluation protocols: TOML files, those of the package in ``data/``; ``docs/evaluation.md`` describes the format."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, field_validator
from pydantic.dataclasses import dataclass

from facetell.datasets.manifest import SPLITS
from facetell.datasets.readers import BENCHMARKS
from facetell.engine.info import invalid_field
from facetell.evaluate.scores import WORDS
from facetell.metrics.measures import MEASURES
from facetell.types import FacetellError

FOLDER = Path(__file__).with_name("data")
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))
"""Of the protocols of the package."""
HELD_OUT = "held_out"
"""The axis whose value is in the label of a score file (``LABEL=FILE``), not in its columns."""
AXES = ("model", "unit", "dataset", "compression", "method", "distortion", "level", "reals_of", "fakes_of", HELD_OUT)
"""Possible rows and columns of a table; ``docs/evaluation.md`` explains each."""
DATASET_AXES = ("dataset", "reals_of", "fakes_of")
UNITS = ("video", "clip")
"""Values of the axis ``unit``; a table without this axis counts videos."""
ALL = "all"
"""Value of the axis ``method``: all forgeries together; of ``split``: every video."""
MEAN = "mean"
"""Value of the axes ``distortion`` and ``level``: the mean over them."""
CLEAN = "0"
"""Value of the axis ``level``: the clean video."""
DASH = "–"
DATASETS = {name: known.about.partition(":")[0] for name, known in BENCHMARKS.items()}
"""Names of benchmarks in tables, in this order; a protocol's own ``axes.dataset`` comes first."""
_SPECIAL = {
    ("method", ALL): "all forgeries",
    ("distortion", MEAN): "mean of the kinds",
    ("level", CLEAN): "clean",
    ("level", MEAN): "mean",
}


def _one_of(names: Collection[str]) -> AfterValidator:
    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"should be one of {', '.join(names)}")
        return value

    return AfterValidator(check)


Axis = Annotated[str, _one_of(AXES)]
Word = Annotated[str, _one_of(WORDS)]


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class TableSpec:
    """A table with axes as ``rows``; ``columns`` is an axis (of ``measures[0]``), or "measure": one per measure."""

    title: str
    rows: Annotated[tuple[Axis, ...], Field(min_length=1)]
    columns: Annotated[str, _one_of((*AXES, "measure"))]
    measures: Annotated[tuple[Annotated[str, _one_of(MEASURES)], ...], Field(min_length=1)] = ("auc",)
    select: dict[Word, tuple[str, ...]] = Field(default_factory=dict)

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes that divide the videos: those of the rows, then that of the columns."""
        return self.rows if self.columns == "measure" else (*self.rows, self.columns)


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Protocol:
    """How score files become tables. ``axes`` are, by axis, the values in order and their names in tables."""

    name: str
    title: str
    summary: str
    tables: Annotated[tuple[TableSpec, ...], Field(min_length=1)]
    split: Annotated[str, _one_of((*SPLITS, ALL))] = "test"
    needs: tuple[Word, ...] = ()
    how: str = ""
    axes: dict[Axis, dict[str, str]] = Field(default_factory=dict, validate_default=True)
    plots: tuple[Literal["roc", "reliability"], ...] = ()
    notes: tuple[str, ...] = ()

    @field_validator("axes", mode="after")
    @classmethod
    def _with_datasets(cls, axes: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        own = axes.get("dataset", {})
        return axes | dict.fromkeys(DATASET_AXES, own | DATASETS | own)

    def written(self, axis: str, value: str) -> str:
        """The name of a value of an axis in tables; of a benchmark with its compression, both."""
        titles = self.axes.get(axis, {})
        first, _, rest = value.partition(" ")
        name = titles.get(value) or (f"{titles[first]} {rest}" if first in titles else value)
        return _SPECIAL.get((axis, value)) or name or ("no name" if axis in DATASET_AXES else DASH)


def read_protocol(name: str) -> Protocol:
    """A protocol of the package by name, or of a file by path. FacetellError: there is none, or it is not valid."""
    own = name.endswith(".toml") or "/" in name
    if not own and name not in NAMES:
        raise FacetellError(
            f"there is no protocol '{name}'; choose one of {', '.join(NAMES)}, or give a file NAME.toml"
        )
    path = Path(name) if own else FOLDER / f"{name}.toml"
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return TypeAdapter(Protocol).validate_python(content | {"name": path.stem})
    except OSError as error:
        raise FacetellError(f"the protocol {path} cannot be read: {error.strerror}") from None
    except ValidationError as error:  # before its base class ValueError
        raise FacetellError(f"the protocol {path} is not valid: {invalid_field(error)}") from None
    except ValueError as error:
        raise FacetellError(f"the protocol {path} is not a TOML file: {error}") from None
