"""Splits by identity: whole identities, fixed once drawn."""

from collections import Counter

import pytest

from facetell.datasets.layout import ReadOptions
from facetell.datasets.manifest import Entry
from facetell.datasets.splits import SHARES, SPLIT_FILE, carve_val, draw_split, split_by_identity, stored_split
from facetell.types import FacetellError

PEOPLE = [f"p{i}" for i in range(40)]


def entries():
    pairs = zip(PEOPLE, [*PEOPLE[1:], PEOPLE[0]], strict=True)
    return [Entry(f"{a}_{b}.mp4", 1, "test", a, b, "swap") for a, b in pairs] + [
        Entry(f"{person}.mp4", 0, "test", person) for person in PEOPLE
    ]


@pytest.mark.parametrize("count", [3, 10, 40, 1000])
def test_shares_are_met_as_nearly_as_whole_identities_allow(count):
    people = [str(i) for i in range(count)]
    drawn = draw_split(people, SHARES, 0)
    counts = Counter(drawn.values())
    assert sum(counts.values()) == count
    assert all(abs(counts[split] - share * count) <= 1.5 for split, share in SHARES.items())
    assert min(counts[split] for split in SHARES) >= 1
    assert drawn == draw_split(people[::-1], SHARES, 0)


def test_no_identity_is_in_two_splits_and_mixed_forgeries_are_left_out(tmp_path):
    notes = []
    placed = split_by_identity(entries(), tmp_path, ReadOptions(note=notes.append, seed=1))
    seen = {}
    for entry in placed:
        for person in filter(None, (entry.identity, entry.donor)):
            seen.setdefault(person, set()).add(entry.split)
    assert all(len(splits) == 1 for splits in seen.values())
    assert sum(not entry.label for entry in placed) == len(PEOPLE)
    left_out = len(entries()) - len(placed)
    assert left_out and any(note.startswith(str(left_out)) for note in notes)
    assert (tmp_path / SPLIT_FILE).is_file()
    assert split_by_identity(entries(), tmp_path, ReadOptions(seed=2)) == placed  # the stored split is used


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"split\.json is not a split"),
        ("[]", r"split\.json is not a split"),
        ('{"identities": {"p0": "dev"}}', r"split\.json is not a split"),
        ('{"identities": {"p0": "val"}}', r"lacks 39 identities \(p1, "),
    ],
)
def test_a_file_that_does_not_fit_is_an_error(text, message, tmp_path):
    path = tmp_path / "split.json"
    path.write_text(text)
    with pytest.raises(FacetellError, match=message):
        stored_split(PEOPLE, SHARES, 0, path)
    with pytest.raises(FacetellError, match="--split-file"):
        stored_split(PEOPLE, SHARES, 0, path / "below_a_file.json")


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_an_invalid_share_is_an_error(share, tmp_path):
    with pytest.raises(FacetellError, match="between 0 and 1"):
        carve_val(entries(), tmp_path, ReadOptions(val=share))
