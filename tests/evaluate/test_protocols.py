"""Protocol files: each is read whole; a wrong one says in one sentence what is wrong; published numbers twice over."""

import pytest

from facetell.distort.kinds import BEYOND, PUBLISHED
from facetell.evaluate.protocols import protocol_names, read_protocol, read_published
from facetell.types import FacetellError

# METHOD section 5, typed a second time: method, CDFv2, DFDC, DFO, FSh.
CROSS = """
Xception 73.7 70.9 84.5 72.0
LipForensics 82.4 73.5 97.6 97.1
FTCN 86.9 74.0 98.8 98.8
RealForensics 86.9 75.9 99.3 99.7
AltFreezing 89.5/85.1 -/71.7 99.3 99.4
StyleFlow 89.0 - 99.0 99.0
TALL-Swin 90.8 76.8 - -
SBI 92.9 72.0 - -
FakeSTormer 92.4/96.5 74.6/77.6 - -
DFD-FCG 95.0 81.8 - -
Effort 95.6 84.3 97.7 -
GenD 96.0 87.1 - -
VLAForge 96.8 89.6 - -
"""
VALID = """
title = "t"
summary = "s"
[[tables]]
title = "all"
rows = ["model"]
columns = "dataset"
"""


def test_the_protocols_of_the_package_are_these_and_each_is_read():
    assert protocol_names() == (
        "ablation",
        "compression",
        "cross",
        "distortion",
        "generators",
        "leave_one_out",
        "level",
        "within",
    )
    for name in protocol_names():
        protocol = read_protocol(name)
        assert protocol.name == name and protocol.title and protocol.summary.endswith(".") and protocol.tables
        for published in protocol.published:
            assert read_published(published).rows


def test_published_cross_dataset_numbers_are_those_of_the_method():
    rows = read_published("cross_dataset").rows
    written = [[row[0].split(" (")[0], *(cell.replace(" ", "") for cell in row[1:5])] for row in rows]
    assert written == [line.split() for line in CROSS.strip().splitlines()]
    named = {row[0]: row[5] for row in rows}
    assert named["LipForensics"] == named["RealForensics"] == "A" and named["Effort (protocol B)"] == "B"
    assert set(named.values()) == {"A", "B", "not stated", "-"}
    assert all((row[5] == "-") == (row[3] == "-") for row in rows)


def test_other_published_numbers_are_those_of_the_method():
    assert [row[:2] for row in read_published("robustness").rows] == [
        ("RealForensics", "95.6"),
        ("RealForensics", "92.0"),
        ("LipForensics", "87.9"),
        ("FTCN", "83.0"),
        ("Xception", "77.8"),
    ]
    held_out = {row[0]: row[1:] for row in read_published("leave_one_out").rows}
    assert read_published("leave_one_out").columns[1:] == ("Deepfakes", "FaceSwap", "Face2Face", "NeuralTextures")
    assert held_out == {
        "RealForensics": ("100", "97.1", "99.7", "99.2"),
        "FTCN": ("99.8", "99.6", "98.2", "95.6"),
        "Xception": ("93.9", "51.2", "86.8", "79.7"),
    }
    assert read_published("paper").rows[0][1] == "11.9 %"


def test_distortions_are_all_that_can_be_made_and_the_published_apart():
    published, beyond = read_protocol("distortion").tables
    assert published.select["distortion"] == PUBLISHED and beyond.select["distortion"] == BEYOND
    assert published.mean == ("level", "distortion")
    assert set(read_protocol("distortion").axes["distortion"]) == {*PUBLISHED, *BEYOND}


def test_the_ablation_is_the_grid_of_the_method():
    axes = read_protocol("ablation").axes
    assert list(axes["motion"]) == ["none", "cmm", "mcb"]
    assert list(axes["anomaly"]) == ["none", "no_cls2", "no_l1", "full"]


def test_ones_own_file_is_read_and_benchmarks_have_their_names(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(VALID)
    protocol = read_protocol(str(path))
    assert (protocol.name, protocol.split, protocol.units) == ("mine", "test", ("video",))
    assert protocol.written("dataset", "ffpp") == "FaceForensics++"
    assert protocol.written("dataset", "ffpp c40") == "FaceForensics++ c40"
    assert protocol.written("fakes_of", "mine") == "mine"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = ", "not a TOML file"),
        ("title = 'a'", "lacks 'summary'"),
        (VALID.replace('title = "t"', "title = 3"), "'title' of it has to be a string"),
        (VALID + "colour = 1", "table 1 has 'colour'"),
        ("speed = 1\n" + VALID, "it has 'speed'"),
        (VALID.replace('"dataset"', '"weather"'), "'weather' is none of"),
        (VALID.replace('["model"]', '"model"'), "'rows' of table 1 has to be a list of strings"),
        (VALID + 'measures = ["f1"]', "'f1' is none of auc"),
        (VALID + 'mean = ["level"]', "has a mean"),
        (VALID.replace('["model"]', "[]"), "'rows' of table 1 is empty"),
        (VALID + "measures = []", "'measures' of table 1 is empty"),
        ("units = []\n" + VALID, "'units' of it is empty"),
        ('split = "dev"\n' + VALID, "split: 'dev' is none of train, val, test"),
        ('published = ["mine"]\n' + VALID, "'mine' is none of cross_dataset"),
        ("title='a'\nsummary='b'\ntables=[]", "at least one [[tables]]"),
        ("title='a'\nsummary='b'\ntables=['x']", "table 1 is no table"),
        ("axes = {method = 3}\n" + VALID, "axes.method has to be a table"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path, text, said):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(FacetellError) as fault:
        read_protocol(str(path))
    assert said in str(fault.value) and str(path) in str(fault.value) and "\n" not in str(fault.value)


def test_a_wrong_name_lists_the_right_ones():
    with pytest.raises(FacetellError, match=r"no protocol 'crosss'; choose one of ablation, .*within"):
        read_protocol("crosss")
    with pytest.raises(FacetellError, match=r"nowhere/mine.toml cannot be read"):
        read_protocol("nowhere/mine.toml")
    with pytest.raises(FacetellError, match="no published numbers"):
        read_published("mine")
