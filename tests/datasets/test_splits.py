"""Splits by identity: whole people, fixed once drawn."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from facetell.datasets.layout import ReadOptions
from facetell.datasets.manifest import Entry
from facetell.datasets.splits import SHARES, SPLIT_FILE, carve_val, draw_split, kept_split, split_by_identity
from facetell.types import FacetellError

PEOPLE = [f"p{i}" for i in range(40)]


def entries() -> list[Entry]:
    reals = [Entry(f"{person}.mp4", 0, "test", identity=person) for person in PEOPLE]
    fakes = [
        Entry(f"{a}_{b}.mp4", 1, "test", identity=a, donor=b, method="swap")
        for a, b in zip(PEOPLE, [*PEOPLE[1:], PEOPLE[0]], strict=True)
    ]
    return reals + fakes


@pytest.mark.parametrize("count", [3, 10, 40, 1000])
def test_shares_are_met_as_near_as_people_allow(count: int) -> None:
    people = [str(i) for i in range(count)]
    counts = Counter(draw_split(people, SHARES, 0).values())
    assert sum(counts.values()) == count
    assert all(abs(counts[split] - share * count) <= 1.5 for split, share in SHARES.items())
    assert min(counts[split] for split in SHARES) >= 1


def test_the_seed_decides_and_the_order_does_not() -> None:
    assert draw_split(PEOPLE, SHARES, 1) == draw_split(PEOPLE[::-1], SHARES, 1)
    assert draw_split(PEOPLE, SHARES, 1) != draw_split(PEOPLE, SHARES, 2)


def test_no_person_is_in_two_splits_and_mixed_forgeries_are_left_out(tmp_path: Path) -> None:
    notes: list[str] = []
    placed = split_by_identity(entries(), tmp_path, ReadOptions(note=notes.append))
    seen: dict[str, set[str]] = {}
    for entry in placed:
        for person in filter(None, (entry.identity, entry.donor)):
            seen.setdefault(person, set()).add(entry.split)
    assert all(len(splits) == 1 for splits in seen.values())
    assert sum(not entry.label for entry in placed) == len(PEOPLE)
    left_out = len(entries()) - len(placed)
    assert left_out and any(note.startswith(str(left_out)) for note in notes)


def test_a_split_stays_whatever_seed_comes_later(tmp_path: Path) -> None:
    first = split_by_identity(entries(), tmp_path, ReadOptions(seed=1))
    assert (tmp_path / SPLIT_FILE).is_file()
    assert split_by_identity(entries(), tmp_path, ReadOptions(seed=2)) == first


def test_newcomers_are_not_dealt_silently(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    kept_split(PEOPLE[:5], SHARES, 0, path)
    with pytest.raises(FacetellError, match=r"does not know 1 identities \(p9"):
        kept_split([*PEOPLE[:5], "p9"], SHARES, 0, path)


@pytest.mark.parametrize("text", ["", "[]", '{"identities": {"p0": "dev"}}'])
def test_a_broken_split_file_is_told(text: str, tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    path.write_text(text)
    with pytest.raises(FacetellError, match=r"split\.json is not a split"):
        kept_split(PEOPLE, SHARES, 0, path)


def test_where_it_cannot_be_kept_another_place_is_proposed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FacetellError, match="--split-file"):
        kept_split(PEOPLE, SHARES, 0, tmp_path / "file" / "split.json")


def test_all_can_be_taken_for_testing_without_a_split(tmp_path: Path) -> None:
    placed = split_by_identity(entries(), tmp_path, ReadOptions(all_test=True))
    assert len(placed) == len(entries()) and {entry.split for entry in placed} == {"test"}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("share", [-0.1, 1.0, 2.0])
def test_a_share_that_is_none_is_told(share: float, tmp_path: Path) -> None:
    with pytest.raises(FacetellError, match="between 0 and 1"):
        carve_val(entries(), tmp_path, ReadOptions(val=share))
