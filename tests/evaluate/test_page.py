"""The page: sound, self-contained HTML that loads and runs nothing, with names for all that is not text."""

import re
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pytest

from evaluate.scored import clip, toy, write
from facetell.engine.released import WEIGHTS
from facetell.evaluate.page import to_html
from facetell.evaluate.protocols import read_protocol
from facetell.evaluate.tables import evaluate
from facetell.files import file_sha256

VOID = {"meta", "link", "img", "br", "hr", "input", "path", "use", "rect"}
EVIL = "<script>alert(1)</script>"


class Reader(HTMLParser):
    """Tags with their attributes, and whether each was closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.faults = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """A toy score file with a distortion and a generator of an evil name."""
    folder = tmp_path_factory.mktemp("page")
    rows = [*toy(), clip("e1", 1, 1.0, method=EVIL)]
    rows += [row | {"distortion": "GB", "level": level} for level in (1, 3) for row in toy()[:5]]
    return write(folder / "s.parquet", rows)


@pytest.fixture(scope="module", params=["within", "cross", "distortion", "level", "generators"])
def page(request, scores):
    return to_html(evaluate([("", scores)], read_protocol(request.param), draws=30))


def test_the_page_is_sound(page):
    read = Reader(page)
    assert not read.open and not read.faults
    ids = Counter(attrs["id"] for _, attrs in read.tags if "id" in attrs)
    assert ids and max(ids.values()) == 1
    referred = [
        name
        for _, attrs in read.tags
        for key in ("aria-labelledby", "aria-describedby")
        for name in attrs.get(key, "").split()
    ]
    referred += [attrs["href"].removeprefix("#") for tag, attrs in read.tags if tag in ("a", "use")]
    assert referred and set(referred) <= set(ids)
    assert sum(tag == "h1" for tag, _ in read.tags) == 1


def test_the_page_loads_and_runs_nothing(page):
    read = Reader(page)
    assert not {tag for tag, _ in read.tags} & {"script", "link", "iframe", "object", "embed", "img"}
    for _, attrs in read.tags:
        assert not any(name.startswith("on") for name in attrs)
        assert all(attrs[name].startswith("#") for name in ("src", "href") if name in attrs)
    assert "http://" not in page and "https://" not in page and "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    policy = next(attrs["content"] for tag, attrs in read.tags if attrs.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert EVIL not in page


def test_tables_and_plots_have_names(page):
    read = Reader(page)
    html = next(attrs for tag, attrs in read.tags if tag == "html")
    assert html["lang"] == "en" and any(attrs.get("name") == "viewport" for _, attrs in read.tags)
    count = Counter(tag for tag, _ in read.tags)
    assert count["table"] == count["caption"] == count["thead"] > 0
    assert all(attrs.get("scope") in ("col", "row") for tag, attrs in read.tags if tag == "th")
    plots = [attrs for tag, attrs in read.tags if tag == "svg"]
    assert all(attrs.get("role") == "img" and attrs.get("aria-labelledby") for attrs in plots)
    assert count["desc"] == len(plots)


def test_figures_counts_and_published_numbers_stand_on_it(scores):
    page = to_html(evaluate([("", scores)], read_protocol("cross"), draws=30))
    assert "2 real and 3 forged videos of 3 identities scored; 1 not scored" in page
    assert "LipForensics" in page and "Protocol B: DFO" in page and "not measured here" in page
    assert "ROC curves" in page and "Reliability" in page
    measured, published = page.index('id="table-1"'), page.index('id="published"')
    assert measured < published and "82.4" not in page[:published]
    sweep = to_html(evaluate([("", scores)], read_protocol("distortion"), draws=30))
    assert "level 1 87.5, level 3 87.5" in sweep and "blur (GB)" in sweep


@pytest.mark.parametrize(
    ("name", "sha256", "shown"),
    [
        ("facetell-fast", None, True),
        ("facetell-fast", "ab" * 32, False),
        ("facetell-fast", "", False),
        ("n" * 300, None, False),
    ],
)
def test_a_released_model_brings_the_limits_of_its_card(tmp_path, name, sha256, shown):
    sha256 = file_sha256(WEIGHTS / "facetell-fast.onnx") if sha256 is None else sha256
    path = write(tmp_path / "s.parquet", toy(), model={"name": name, "sha256": sha256})
    page = to_html(evaluate([("", path)], read_protocol("level"), draws=0))
    assert ("Limits, from the model card" in page) == shown == ("close to chance" in page)


def test_ten_curves_are_parted_into_plots_that_can_be_read(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        clip(f"{person}{label}{name}", label, rng.normal(label), dataset=f"set{name:02d}")
        for name in range(10)
        for person in "abc"
        for label in (0, 1)
    ]
    page = to_html(evaluate([("", write(tmp_path / "s.parquet", rows))], read_protocol("cross"), draws=5))
    assert "ROC, 1 of 2" in page and "ROC, 2 of 2" in page
