"""Splits by identity: whole identities, the same for the same seed."""

from collections import Counter

import pytest

from facetell.datasets.layout import SHARES, ReadOptions, carve_val, draw_split, split_by_identity
from facetell.datasets.manifest import Entry
from facetell.types import FacetellError

PEOPLE = [f"p{i}" for i in range(40)]
ENTRIES = [Entry(f"{a}_{b}.mp4", 1, "test", a, b, "swap") for a, b in zip(PEOPLE, PEOPLE[1:] + PEOPLE[:1], strict=True)]
ENTRIES += [Entry(f"{person}.mp4", 0, "test", person) for person in PEOPLE]


@pytest.mark.parametrize("count", [3, 10, 40, 1000])
def test_shares_are_met_as_nearly_as_whole_identities_allow(count):
    people = [str(i) for i in range(count)]
    drawn = draw_split(people, SHARES, 0)
    counts = Counter(drawn.values())
    assert sum(counts.values()) == count and min(counts[split] for split in SHARES) >= 1
    assert all(abs(counts[split] - share * count) <= 1.5 for split, share in SHARES.items())
    assert drawn == draw_split(people[::-1], SHARES, 0)


def test_no_identity_is_in_two_splits_and_mixed_forgeries_are_left_out():
    notes = []
    placed = split_by_identity(ENTRIES, ReadOptions(note=notes.append, seed=1))
    found = {(person, e.split) for e in placed for person in (e.identity, e.donor) if person}
    assert len({person for person, _ in found}) == len(found) == len(PEOPLE)
    assert sum(not entry.label for entry in placed) == len(PEOPLE)
    left_out = len(ENTRIES) - len(placed)
    assert left_out and any(note.startswith(str(left_out)) for note in notes)
    assert split_by_identity(ENTRIES, ReadOptions(seed=2)) != placed


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_an_invalid_share_is_an_error(share):
    with pytest.raises(FacetellError, match="between 0 and 1"):
        carve_val(ENTRIES, ReadOptions(val=share))
