"""The page of an evaluation: one HTML file that loads and runs nothing."""

from __future__ import annotations

import os
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from facetell import __version__
from facetell.engine.card import read_card
from facetell.engine.released import WEIGHTS
from facetell.evaluate.plots import charts
from facetell.evaluate.runs import Run
from facetell.evaluate.tables import Evaluation, model_lines
from facetell.files import file_sha256


def to_html(found: Evaluation) -> str:
    """The page: models, tables, plots, published figures, method. The same evaluation gives the same bytes."""
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, undefined=StrictUndefined)
    return environment.get_template("page.html").render(
        found=found,
        charts=charts(found),
        models=[(run, model_lines(run), card_limits(run)) for run in found.runs],
        version=__version__,
    )


def card_limits(run: Run) -> tuple[str, ...]:
    """The limits in the model card of a run's model; none where there is no card.

    The model file is searched by name in the folders of the score files and among the released ones, and taken if its
    sha256 is that in the score file.
    """
    for folder in (*run.folders, WEIGHTS):
        model = folder / f"{Path(run.model).name}.onnx"
        # os.path, as score files may have names of any length
        if run.sha256 and os.path.isfile(model) and file_sha256(model) == run.sha256:  # noqa: PTH113
            return read_card(model).limits
    return ()
