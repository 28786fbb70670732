"""Plots: valid SVG with a description, in the colours of the page, the same bytes for the same figures."""

import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from facetell.evaluate.plots import bar_plot, reliability_plot, roc_plot, sweep_plot
from facetell.metrics.calibration import reliability
from facetell.metrics.intervals import Estimate
from facetell.metrics.ranking import roc_curve

LABELS = np.array([0, 0, 1, 1])
LOGITS = np.array([-1.0, 0.3, 0.3, 2.0])
AUC = Estimate(0.875, 0.6, 1.0)


def roc():
    return roc_plot("roc-1", "ROC <all>", [("A & B", roc_curve(LABELS, LOGITS), AUC)])


def rel():
    return reliability_plot("rel", "Reliability", reliability(LABELS, 1 / (1 + np.exp(-LOGITS)), bins=10))


def bars():
    return bar_plot("bars", "By forgery", {"swap (3)": AUC, "puppet (1)": Estimate(0.5), "x (0)": Estimate(math.nan)})


def sweep():
    return sweep_plot("gb", "blur", {"toy": {0: AUC, 1: Estimate(0.7), 5: Estimate(0.5, 0.2, 0.8)}})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (roc, ["A & B: AUC 87.5 percent (60.0 to 100.0)"]),
        (rel, ["of 2 were forged"]),  # two videos at 0.3, one of each class
        (bars, ["swap (3) 87.5 (60.0 to 100.0)", "puppet (1) 50.0;", "x (0) not defined"]),
        (sweep, ["clean 87.5, level 1 70.0, level 5 50.0"]),
    ],
)
def test_a_plot_is_valid_described_and_coloured_by_the_page(make, words):
    plot = make()
    root = ET.fromstring(plot.svg)
    assert root.tag == "svg" and root.get("role") == "img" and root.get("viewBox")
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids)) and all(name.startswith(f"{plot.name}-") for name in ids)
    assert root.get("aria-labelledby") == f"{plot.name}-t {plot.name}-d"
    assert root.find("title").text == plot.title and root.find("desc").text == plot.text
    assert all(part in plot.text for part in words)
    assert set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", plot.svg)) <= set(ids)
    assert "http" not in plot.svg and "<style" not in plot.svg and "font-family" not in plot.svg
    colours = set(re.findall(r"(?:fill|stroke): ?([^;\"]+)", plot.svg))
    assert colours <= {"none", "var(--ink)", "var(--line)", *(f"var(--s{i})" for i in range(1, 7))}
    texts = re.findall(r"<text style=\"([^\"]*)\"", plot.svg)
    assert texts and all("fill: var(--ink)" in style for style in texts)
    assert make().svg == plot.svg


def test_the_roc_curve_is_drawn_at_its_points():
    root = ET.fromstring(roc().svg)
    path = next(p for p in root.iter("path") if "--s1" in p.get("style", "") and p.get("clip-path"))
    points = np.array(re.findall(r"[ML] ([\d.]+) ([\d.]+)", path.get("d")), dtype=float)
    x, y = points.T
    assert np.allclose((x - x[0]) / (x[-1] - x[0]), [0, 0, 0.5, 1], atol=1e-3)
    assert np.allclose((y - y[0]) / (y[-1] - y[0]), [0, 0.5, 1, 1], atol=1e-3)
