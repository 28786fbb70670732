"""Protocol files: those of the package are valid, an invalid one gives one message."""

import pytest

from facetell.evaluate.protocols import NAMES, read_protocol
from facetell.types import FacetellError

VALID = 'title = "t"\nsummary = "s"\n[[tables]]\ntitle = "all"\nrows = ["model"]\ncolumns = "dataset"\n'


def test_every_protocol_of_the_package_is_valid():
    assert " ".join(NAMES) == "all compression cross distortion generators leave_one_out level within"
    for name in NAMES:
        protocol = read_protocol(name)
        assert protocol.name == name and protocol.summary.endswith(".")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title = ", "not a TOML file"),
        ("title = 'a'", "'summary' is missing"),
        (None, "cannot be read"),
        (VALID + "colour = 1", "there is no 'tables.0.colour'"),
        (VALID.replace('"dataset"', '"weather"'), "'tables.0.columns' is 'weather': should be one of model"),
        (VALID + 'measures = ["f1"]', "'tables.0.measures.0' is 'f1': should be one of auc"),
        (VALID.replace('["model"]', "[]"), "'tables.0.rows' is []"),
        ("axes = {method = 3}\n" + VALID, "'axes.method' is 3"),
    ],
)
def test_an_invalid_file_gives_one_message(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(FacetellError) as fault:
        read_protocol(str(path))
    assert message in str(fault.value) and str(path) in str(fault.value) and "\n" not in str(fault.value)
