"""Splits and grouped folds: nothing shared between training and test, kinds spread, weights balanced."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from facetell.datasets.folds import balanced_weights, grouped_folds, kind_of, leave_kind_out, training_rows
from facetell.datasets.layout import SHARES, ReadOptions, carve_val, draw_split, split_by_identity
from facetell.datasets.manifest import Entry
from facetell.types import FacetellError

KINDS = ("face-swap", "lip-sync", "talking-head", "")


def names(entry):
    """Everything that must not be on both sides, by the definition and not by the code under test."""
    named = {("family", entry.family), ("repository", entry.repository)}
    named |= {("person", entry.identity), ("person", entry.donor)}
    return {(what, name) for what, name in named if name}


def random_entries(rng):
    """Entries of at least two repositories, with names missing here and there, some of them shared between groups."""

    def name(prefix):
        return f"{prefix}{number}" if (number := rng.integers(0, 10)) else ""

    yield Entry("a.mp4", 0, "train", repository="r1")
    yield Entry("b.mp4", 0, "train", repository="r2")
    for number in range(rng.integers(1, 31)):
        fake = {"label": 1, "donor": name("p"), "kind": rng.choice(KINDS), "family": name("f")}
        more = fake if rng.random() < 0.5 else {"label": 0}
        yield Entry(f"{number}.mp4", split="train", identity=name("p"), repository=name("r"), **more)


@pytest.mark.parametrize("seed", range(40))
def test_training_and_test_rows_share_no_name(seed):
    """Exactly the rows that share nothing are kept: no row is lost for another reason."""
    entries = [*random_entries(np.random.default_rng(seed))]
    folds = grouped_folds(entries, 2, seed)
    assert np.array_equal(folds, grouped_folds(entries, 2, seed)) and set(folds.tolist()) == {0, 1}
    kinds = np.array([kind_of(entry) for entry in entries])
    parts = [(folds == fold, training_rows(entries, folds, fold)) for fold in (0, 1)]
    parts += [(kinds == kind, leave_kind_out(entries, kind)) for kind in {*kinds.tolist()} - {"real"}]
    for held, rows in parts:
        tested = set().union(*(names(entry) for entry, out in zip(entries, held, strict=True) if out))
        for entry, trained, out in zip(entries, rows, held, strict=True):
            assert trained == (not out and tested.isdisjoint(names(entry)))


def test_kinds_are_spread_evenly_and_the_seed_changes_the_folds():
    """Of 40 repositories of 2 to 8 videos, each with reals and one kind of forgery."""
    rng, entries = np.random.default_rng(0), []
    for number in range(40):
        fake = {"label": 1, "kind": KINDS[number % 3], "family": f"f{number}"}
        for video in range(rng.integers(2, 9)):
            real = Entry(f"{number}/{video}.mp4", 0, "train", identity=f"p{number}", repository=f"r{number}")
            entries.append(replace(real, **fake) if video % 2 else real)
    folds = grouped_folds(entries)
    for kind in {kind_of(entry) for entry in entries}:
        counts = Counter(int(fold) for entry, fold in zip(entries, folds, strict=True) if kind_of(entry) == kind)
        mean = counts.total() / 5
        assert len(counts) == 5 and all(0.6 * mean <= count <= 1.4 * mean for count in counts.values())
    assert not np.array_equal(folds, grouped_folds(entries, seed=1))


def test_weights_balance_classes_and_damp_large_groups():
    reals = [Entry(f"r{n}.mp4", 0, "train", repository="a" if n < 16 else "b") for n in range(17)]
    fakes = [Entry(f"f{n}.mp4", 1, "train", family="x" if n < 2 else "y") for n in range(3)]
    entries, rows = [*reals, *fakes], np.ones(20, dtype=bool)
    rows[0] = False
    weights = balanced_weights(entries, rows)
    assert weights[0] == 0 and weights.sum() == pytest.approx(19)
    assert weights[:17].sum() == pytest.approx(weights[17:].sum())
    assert weights[16] / weights[1] == pytest.approx(15**0.75)  # one video of a repository against one of 15
    assert weights[19] / weights[17] == pytest.approx(2**0.75)


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
