"""Plots: valid SVG with a description, in the colours of the page."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from evaluate.scored import clip, toy, write
from facetell.evaluate.plots import charts
from facetell.evaluate.protocols import read_protocol
from facetell.evaluate.tables import evaluate


@pytest.fixture(scope="module")
def plots(tmp_path_factory):
    """The plots of a toy score file by the first word of their names; "A & B" is a model."""
    rows = [*toy(), clip("d1", 1, 1.0, method="<all>")]
    rows += [row | {"distortion": "GB", "level": level} for level in (1, 5) for row in toy()]
    folder = tmp_path_factory.mktemp("plots")
    path = write(folder / "s.parquet", rows, model={"name": "A & B"})
    own = folder / "own.toml"
    own.write_text(
        'title = "t"\nsummary = "s"\nplots = ["roc", "reliability", "bars", "distortion"]\n'
        '[[tables]]\ntitle = "a"\nrows = ["model"]\ncolumns = "method"\n'
        '[[tables]]\ntitle = "b"\nrows = ["model", "distortion"]\ncolumns = "level"\nmean = ["level"]\n'
    )
    found = charts(evaluate([("", path)], read_protocol(str(own)), draws=30))
    return {plot.name.split("-")[0]: plot for part in found.values() for plot in part}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("roc", "A & B: AUC 91.7 percent ("),
        ("reliability", "of 2 were forged"),  # two videos at 0.3, one of each class
        ("bars", "<all> (1) 100.0"),
        ("sweep", "A & B: clean 91.7, level 1 87.5, level 5 87.5"),
    ],
)
def test_a_plot_is_valid_described_and_coloured_by_the_page(plots, name, words):
    plot = plots[name]
    root = ET.fromstring(plot.svg)
    assert root.tag == "svg" and root.get("role") == "img" and root.get("viewBox")
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids)) and all(each.startswith(f"{plot.name}-") for each in ids)
    assert root.get("aria-labelledby") == f"{plot.name}-t {plot.name}-d"
    assert root.find("title").text == plot.title and words in root.find("desc").text
    assert set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", plot.svg)) <= set(ids)
    assert "http" not in plot.svg and "<style" not in plot.svg and "font-family" not in plot.svg
    colours = set(re.findall(r"(?:fill|stroke): ?([^;\"]+)", plot.svg))
    assert colours <= {"none", "var(--ink)", "var(--line)", *(f"var(--s{i})" for i in range(1, 7))}
    texts = re.findall(r"<text style=\"([^\"]*)\"", plot.svg)
    assert texts and all("fill: var(--ink)" in style for style in texts)


def test_the_roc_curve_is_drawn_at_its_points(plots):
    root = ET.fromstring(plots["roc"].svg)
    path = next(p for p in root.iter("path") if "--s1" in p.get("style", "") and p.get("clip-path"))
    points = np.array(re.findall(r"[ML] ([\d.]+) ([\d.]+)", path.get("d")), dtype=float)
    x, y = points.T
    assert np.allclose((x - x[0]) / (x[-1] - x[0]), [0, 0, 0, 0.5, 1], atol=1e-3)
    assert np.allclose((y - y[0]) / (y[-1] - y[0]), [0, 1 / 3, 2 / 3, 1, 1], atol=1e-3)
