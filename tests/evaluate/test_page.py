"""The page: valid, self-contained HTML that loads and runs nothing, with names for tables and plots."""

import re
import xml.etree.ElementTree as ET
from collections import Counter

import numpy as np
import pytest

from evaluate.scored import clip, toy, write
from facetell.evaluate.formats import to_html
from facetell.evaluate.plots import charts
from facetell.evaluate.protocols import read_protocol
from facetell.evaluate.tables import evaluate
from report.report_reader import read

EVIL = "<script>alert(1)</script>"


def page_of(path, protocol):
    return to_html(evaluate([("", path)], read_protocol(protocol), draws=30))


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """A toy score file with a distortion and a generator with a name of HTML."""
    rows = [*toy(), clip("e1", 1, 1.0, method=EVIL)]
    rows += [row | {"distortion": "GB", "level": level} for level in (1, 3) for row in toy()[:5]]
    return write(tmp_path_factory.mktemp("page") / "s.parquet", rows)


@pytest.mark.parametrize("protocol", ["within", "cross", "distortion", "level"])
def test_the_page_is_valid_accessible_and_loads_nothing(scores, protocol):
    page = page_of(scores, protocol)
    read_back = read(page)
    elements = read_back.elements
    assert not read_back.faults and EVIL not in page
    ids = [element.attributes["id"] for element in elements if "id" in element.attributes]
    assert ids and len(set(ids)) == len(ids)
    referred = {name for element in elements for name in element.attributes.get("aria-labelledby", "").split()}
    referred |= {element.attributes["href"].removeprefix("#") for element in read_back.all("a", "use")}
    assert referred and referred <= set(ids)
    count = Counter(element.tag for element in elements)
    assert count["h1"] == 1 and count["table"] == count["caption"] == count["thead"] > 0
    plots = read_back.all("svg")
    assert all(plot.attributes.get("role") == "img" for plot in plots) and count["desc"] == len(plots)
    assert not set(count) & {"script", "link", "iframe", "object", "embed", "img"}
    assert not re.search(r"url\((?!#)|https?://|@import|src=", page)
    policy = next(element for element in elements if element.attributes.get("http-equiv"))
    assert policy.attributes["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_plots_are_described_in_words_and_drawn_in_the_colours_of_the_page(tmp_path):
    rows = [*toy(), clip("d1", 1, 1.0, method="<all>")]
    rows += [row | {"distortion": "GB", "level": level} for level in (1, 5) for row in toy()]
    path = write(tmp_path / "s.parquet", rows, model={"name": "A & B"})
    own = tmp_path / "own.toml"
    own.write_text(
        'title = "t"\nsummary = "s"\nplots = ["roc", "reliability", "distortion"]\n'
        '[[tables]]\ntitle = "a"\nrows = ["model"]\ncolumns = "method"\n'
        '[[tables]]\ntitle = "b"\nrows = ["model", "distortion"]\ncolumns = "level"\nmean = ["level"]\n'
    )
    found = charts(evaluate([("", path)], read_protocol(str(own)), draws=30))
    plots = {plot.name.split("-")[0]: plot.svg for part in found.values() for plot in part}
    for name, words in {
        "roc": "A & B: AUC 91.7 percent (",
        "reliability": "of 2 were forged",  # two videos at 0.3, one of each class
        "sweep": "A & B: clean 91.7, level 1 87.5, level 5 87.5",
    }.items():
        assert words in ET.fromstring(plots[name]).find("desc").text
        colours = set(re.findall(r"(?:fill|stroke): ?([^;\"]+)", plots[name]))
        assert colours <= {"none", "var(--ink)", "var(--line)", *(f"var(--s{i})" for i in range(1, 7))}
    root = ET.fromstring(plots["roc"])
    curve = next(p for p in root.iter("path") if "--s1" in p.get("style", "") and p.get("clip-path"))
    x, y = np.array(re.findall(r"[ML] ([\d.]+) ([\d.]+)", curve.get("d")), dtype=float).T
    assert np.allclose((x - x[0]) / (x[-1] - x[0]), [0, 0, 0, 0.5, 1], atol=1e-3)
    assert np.allclose((y - y[0]) / (y[-1] - y[0]), [0, 1 / 3, 2 / 3, 1, 1], atol=1e-3)
