"""The one table: what others call its columns, what cannot be understood, and what comes back of what was written."""

import os
from dataclasses import replace
from hashlib import sha256

import pytest

from facetell.datasets.manifest import Entry, Manifest, fingerprint, read_manifest, row_text, write_manifest
from facetell.types import FacetellError

HEAD = "path,label,split\n"


def written(folder, text):
    path = folder / "manifest.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_everything_that_is_known_comes_back(tmp_path):
    text = ("ann", "bob", "swap", "mine", "c23", "a,b/real.mp4")
    whole = Entry("a,b/ä.mp4", 1, "val", *text, 0.5, 2.25, "v.mp4", 3, "face-swap", "simswap", "owner/name")
    entries = (whole, Entry("c.mp4", 0, "train"), Entry("d.mp4", None, "test"))
    write_manifest(Manifest(tmp_path, entries), tmp_path / "manifest.csv")
    assert read_manifest(tmp_path).entries == entries


def test_paths_follow_the_file(tmp_path):
    inside = Manifest(tmp_path / "data", (Entry("a.mp4", 1, "test", source="b.mp4"),))
    write_manifest(inside, tmp_path / "m.csv")
    assert read_manifest(tmp_path / "m.csv").entries == (Entry("data/a.mp4", 1, "test", source="data/b.mp4"),)
    write_manifest(inside, tmp_path / "other/m.csv")
    (entry,) = read_manifest(tmp_path / "other/m.csv")
    assert entry.path == (tmp_path / "data/a.mp4").as_posix() and entry.source == (tmp_path / "data/b.mp4").as_posix()


def test_columns_and_labels_as_others_call_them(tmp_path):
    labels = {"fake": 1, " 1 ": 1, "forged": 1, "0": 0, "REAL": 0, "": None}
    rows = "".join(f"a\\b.mp4,swap,{word},val,none,owner/name\n" for word in labels)
    text = f"\ufefffile, generator ,label,split,licence,source_repo\n{rows}"
    expected = [Entry("a/b.mp4", label, "val", method="swap", repository="owner/name") for label in labels.values()]
    assert [*read_manifest(written(tmp_path, text))] == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.mp4,1\n", "lacks the column split; a manifest needs a header line"),
        (HEAD, "has a header line but no row"),
        ("path,label,split,label\na.mp4,1,test,0\n", "has the column label twice"),
        (f"{HEAD}a.mp4,1,test\n,1,test\n", "line 3: the path is empty"),
        (f"{HEAD}a.mp4,2,test\n", "line 2: the label '2' is not known; write 1 for forged or 0 for real"),
        ("path,label,split,start\na.mp4,1,test,2\n", "line 2: start and end are for prepared clips"),
        ("path,label,split,track\na.mp4,1,test,first\n", "line 2: track, start and end are numbers"),
        (f'{HEAD}"a.mp4,1,test\n' + "b.mp4,0,test\n" * 20_000, "cannot be read as a CSV table (field larger than"),
    ],
)
def test_what_cannot_be_read_is_one_message(text, message, tmp_path):
    path = written(tmp_path, text)
    with pytest.raises(FacetellError) as fault:
        read_manifest(path)
    assert message in str(fault.value) and str(path) in str(fault.value) and "\n" not in str(fault.value)


def test_a_name_that_is_not_utf_8_is_reported(tmp_path):
    odd = Manifest(tmp_path, (Entry("a.mp4", 0, "test"), Entry(os.fsdecode(b"b\xff.mp4"), 1, "test")))
    with pytest.raises(FacetellError, match=r"the name that begins with 'b\\udcff' is not UTF-8; rename the file"):
        write_manifest(odd, tmp_path / "manifest.csv")
    assert not list(tmp_path.iterdir())


def test_the_fingerprint_of_a_row_without_groups_is_that_of_earlier_versions(tmp_path):
    """Score files, prepared folders and checkpoints of 0.1.0 hold hashes of rows that had thirteen columns."""
    entry = Entry("a.mp4", 1, "val", "ann", origin="v.mp4", track=0)
    row = (
        b'{"compression": "", "dataset": "", "donor": "", "end": null, "identity": "ann", "label": 1, "method": "", '
        b'"origin": "v.mp4", "path": "a.mp4", "source": "", "split": "val", "start": null, "track": 0}\n'
    )
    grouped = replace(entry, kind="face-swap", family="simswap", repository="owner/name")
    assert fingerprint([entry]) == {"rows": 1, "sha256": sha256(row).hexdigest()}
    assert fingerprint([grouped]) == fingerprint([entry])
    assert row_text(entry, groups=True) == row
    assert row_text(grouped, groups=True) != row
