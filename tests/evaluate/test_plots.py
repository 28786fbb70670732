"""Plots: sound SVG that says in words what it shows, takes its ink from the page, and repeats to the byte."""

import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from facetell.evaluate.plots import Bar, Curve, Sweep, bar_plot, reliability_plot, roc_plot, sweep_plot
from facetell.metrics.calibration import reliability
from facetell.metrics.intervals import Estimate
from facetell.metrics.ranking import roc_curve

LABELS = np.array([0, 0, 1, 1])
LOGITS = np.array([-1.0, 0.3, 0.3, 2.0])
AUC = Estimate(0.875, 0.6, 1.0)


def roc(name="roc-1"):
    return roc_plot(name, "ROC <all>", [Curve("A & B", roc_curve(LABELS, LOGITS), AUC)])


def rel():
    return reliability_plot("rel", "Reliability", reliability(LABELS, 1 / (1 + np.exp(-LOGITS)), bins=10))


def bars():
    return bar_plot("bars", "By forgery", [Bar("swap", AUC, "3"), Bar("puppet", Estimate(0.5), "1")])


def curve():
    return sweep_plot("gb", "blur", [Sweep("toy", (0, 1, 5), (AUC, Estimate(0.7), Estimate(0.5, 0.2, 0.8)))])


@pytest.mark.parametrize("make", [roc, rel, bars, curve])
def test_a_plot_is_sound_told_in_words_and_repeats(make):
    plot = make()
    root = ET.fromstring(plot.svg)
    assert root.tag == "svg" and root.get("role") == "img" and root.get("viewBox")
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids)) and all(name.startswith(f"{plot.name}-") for name in ids)
    assert root.get("aria-labelledby") == f"{plot.name}-t {plot.name}-d"
    title, text = root.find("title"), root.find("desc")
    assert title.text == plot.title and text.text == plot.text and len(plot.text) > 20
    used = set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", plot.svg))
    assert used <= set(ids)
    assert "http" not in plot.svg and "<style" not in plot.svg and "font-family" not in plot.svg
    assert make().svg == plot.svg


@pytest.mark.parametrize("make", [roc, rel, bars, curve])
def test_no_ink_is_fixed(make):
    """A colour that the page does not set would vanish in the dark."""
    colours = set(re.findall(r"(?:fill|stroke): ?([^;\"]+)", make().svg))
    assert colours <= {"none", "var(--ink)", "var(--line)", *(f"var(--s{i})" for i in range(1, 7))}
    texts = re.findall(r"<text style=\"([^\"]*)\"", make().svg)
    assert texts and all("fill: var(--ink)" in style for style in texts)


def test_the_words_hold_the_figures():
    assert "A & B: AUC 87.5 percent (60.0 to 100.0)" in roc().text
    assert "puppet 50.0." in bars().text and "swap 87.5 (60.0 to 100.0)" in bars().text
    assert "clean 87.5, level 1 70.0, level 5 50.0" in curve().text
    assert "of 2 were forged" in rel().text  # two videos at 0.3, one of each kind
    assert "not defined" in bar_plot("b", "b", [Bar("x", Estimate(math.nan), "0")]).text


def test_the_roc_curve_is_drawn_where_it_runs():
    """The points of the drawn line, scaled back to the axes, are those of the curve."""
    root = ET.fromstring(roc().svg)
    path = next(p for p in root.iter("path") if "--s1" in p.get("style", "") and p.get("clip-path"))
    assert ">chance</text>" in roc().svg
    points = np.array(re.findall(r"[ML] ([\d.]+) ([\d.]+)", path.get("d")), dtype=float)
    x, y = points.T
    assert np.allclose((x - x[0]) / (x[-1] - x[0]), [0, 0, 0.5, 1], atol=1e-3)
    assert np.allclose((y - y[0]) / (y[-1] - y[0]), [0, 0.5, 1, 1], atol=1e-3)
