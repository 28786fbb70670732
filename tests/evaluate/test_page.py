"""The page: valid, self-contained HTML that loads and runs nothing, with names for tables and plots."""

import re
from collections import Counter

import pytest

from evaluate.scored import clip, toy, write
from facetell.evaluate.formats import charts, to_html
from facetell.evaluate.protocols import read_protocol
from facetell.evaluate.tables import evaluate
from report.report_reader import read

EVIL = "<script>alert(1)</script>"


def found_in(path, protocol):
    rows = [*toy(), clip("e1", 1, 1.0, method=EVIL)]
    rows += [row | {"distortion": "GB", "level": level} for level in (1, 3) for row in toy()]
    return evaluate([("", write(path / "s.parquet", rows))], read_protocol(protocol), draws=30)


@pytest.mark.parametrize("protocol", ["within", "cross", "distortion", "level"])
def test_the_page_is_valid_accessible_and_loads_nothing(tmp_path, protocol):
    page = to_html(found_in(tmp_path, protocol))
    read_back = read(page)
    elements = read_back.elements
    assert not read_back.faults and EVIL not in page
    ids = [element.attributes["id"] for element in elements if "id" in element.attributes]
    assert ids and len(set(ids)) == len(ids)
    referred = {name for element in elements for name in element.attributes.get("aria-labelledby", "").split()}
    referred |= {element.attributes["href"].removeprefix("#") for element in read_back.all("a")}
    assert referred and referred <= set(ids)
    count = Counter(element.tag for element in elements)
    assert count["h1"] == 1 and count["table"] == count["caption"] == count["thead"] > 0
    plots = read_back.all("svg")
    assert all(plot.attributes.get("role") == "img" for plot in plots) and count["desc"] == len(plots)
    assert bool(plots) == (protocol in ("within", "cross"))
    assert not set(count) & {"script", "link", "iframe", "object", "embed", "img"}
    assert not re.search(r"url\(|https?://|@import|src=", page)
    policy = next(element for element in elements if element.attributes.get("http-equiv"))
    assert policy.attributes["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_plots_show_the_figures(tmp_path):
    (roc,), (reliability,) = charts(found_in(tmp_path, "cross")).values()
    (curve,) = roc.curves
    assert curve.points == [(0, 0), (0, 1 / 3), (0, 2 / 3), (0.5, 1), (1, 1)]
    assert curve.name.startswith("FaceForensics++: AUC 91.7 percent (")
    assert "of 2 were forged" in reliability.curves[0].name  # two videos at 0.3, one of each class
    assert len(reliability.curves[0].points) == len(reliability.curves[0].bars) == 4
