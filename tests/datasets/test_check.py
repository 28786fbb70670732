"""Leaks planted in clean miniatures and in a prepared folder, one of each kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from facetell.datasets.check import Findings, check_manifest, leaking_videos, unseen, without_leaks
from facetell.datasets.layout import ReadOptions
from facetell.datasets.manifest import Entry, Manifest
from facetell.datasets.prepare import prepare
from facetell.datasets.prepare_faces import PrepareSettings
from facetell.datasets.prepared import read_prepared
from facetell.datasets.registry import read_benchmark
from facetell.video.reader import VideoReader
from fixtures import write_frames
from prepare_videos import man, manifest_of, recoloured, woman

Miniature = Callable[[str], Path]
CLEAN = ("ffpp", "dfd", "celebdf2", "celebdf++", "dfdc", "dfdcp", "wilddeepfake", "ffiw", "pair")


@pytest.fixture
def ffpp(miniature: Miniature) -> Manifest:
    return read_benchmark("ffpp", miniature("ffpp"), ReadOptions(methods=("Deepfakes",)))


def planted(manifest: Manifest, *entries: Entry) -> Manifest:
    return replace(manifest, entries=(*manifest.entries, *entries))


def kinds(found: Findings) -> set[str]:
    return {leak.kind for leak in found.leaks}


def first(manifest: Manifest, split: str, label: int) -> Entry:
    return next(entry for entry in manifest if entry.split == split and entry.label == label)


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_miniature_passes(name: str, miniature: Miniature, tmp_path: Path) -> None:
    options = ReadOptions(split_file=tmp_path / "split.json")
    found = check_manifest(read_benchmark(name, miniature(name), options))
    assert found == Findings((), (), ())
    assert found.sound


@pytest.mark.parametrize("protocol", ["A", "B", "lists"])
def test_no_protocol_of_the_dfo_miniature_leaks(protocol: str, miniature: Miniature, tmp_path: Path) -> None:
    options = ReadOptions(protocol=protocol, ffpp=miniature("ffpp"), split_file=tmp_path / "split.json")
    assert check_manifest(read_benchmark("dfo", miniature("dfo"), options)).sound


def test_a_video_in_two_splits(ffpp: Manifest) -> None:
    twice = replace(first(ffpp, "train", 0), split="test", identity="other")
    assert kinds(check_manifest(planted(ffpp, twice), fast=True)) == {"video"}


def test_a_forgery_apart_from_its_real(ffpp: Manifest) -> None:
    stray = replace(first(ffpp, "train", 1), path="stray.mp4", split="val", identity="", donor="")
    found = check_manifest(planted(ffpp, stray), fast=True)
    assert kinds(found) == {"source"}
    assert [split for split, _ in found.leaks[0].example] == ["train", "val"]
    assert found.missing == ("stray.mp4",)


def test_a_person_in_two_splits(ffpp: Manifest) -> None:
    person = first(ffpp, "train", 0).identity
    stray = Entry("stray.mp4", 0, "test", identity=person)
    found = check_manifest(planted(ffpp, stray), fast=True)
    assert [(leak.kind, leak.what) for leak in found.leaks] == [("identity", person)]


def test_a_donor_seen_in_another_split(ffpp: Manifest) -> None:
    donor = first(ffpp, "train", 1).donor
    stray = Entry("stray.mp4", 1, "test", identity="other", donor=donor)
    assert [leak.what for leak in check_manifest(planted(ffpp, stray), fast=True).leaks] == [donor]


def test_a_pair_turned_round_in_another_split(ffpp: Manifest) -> None:
    fake = first(ffpp, "train", 1)
    stray = Entry("stray.mp4", 1, "test", identity=fake.donor, donor=fake.identity)
    found = check_manifest(planted(ffpp, stray), fast=True)
    assert kinds(found) == {"pair", "identity"}
    pair = next(leak for leak in found.leaks if leak.kind == "pair")
    assert pair.what == " and ".join(sorted((fake.identity, fake.donor)))


@pytest.mark.parametrize("label", [0, 1])
def test_a_renamed_copy_at_another_quality(label: int, ffpp: Manifest, tmp_path: Path) -> None:
    chosen = first(ffpp, "train", label)
    with VideoReader(ffpp.file(chosen)) as reader:
        frames = [raw.rgb() for raw in reader]
    copy = write_frames(tmp_path / "renamed.mp4", frames, crf=38)
    found = check_manifest(planted(ffpp, Entry(str(copy), label, "test", identity="somebody")))
    assert kinds(found) == {"likeness"}
    copied = {path for leak in found.leaks for _, path in leak.example}
    assert {chosen.path, str(copy)} <= copied
    assert not check_manifest(planted(ffpp, Entry(str(copy), label, "test")), fast=True).leaks


def test_missing_and_unreadable_videos_are_told_apart(ffpp: Manifest, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    manifest = planted(ffpp, Entry("absent.mp4", 0, "test"), Entry(str(broken), 0, "test"))
    found = check_manifest(manifest)
    assert found.missing == ("absent.mp4",)
    assert [path for path, _ in found.unreadable] == [str(broken)]
    assert check_manifest(manifest, fast=True).unreadable == ()


def test_the_videos_that_leak_are_named_and_no_others(ffpp: Manifest, tmp_path: Path) -> None:
    assert leaking_videos(ffpp, "val") == frozenset()
    known = replace(first(ffpp, "val", 1), path="known.mp4", source="", identity=first(ffpp, "train", 0).identity)
    of_train = first(ffpp, "train", 0)
    with VideoReader(ffpp.file(of_train)) as reader:
        write_frames(tmp_path / "copy.mp4", [raw.rgb() for raw in reader], fps=30, crf=32)
    copy = replace(of_train, path=str(tmp_path / "copy.mp4"), split="val", identity="renamed")
    leaky = planted(ffpp, known, copy)
    assert leaking_videos(leaky, "val") == {"known.mp4", copy.path}
    kept = without_leaks(leaky)
    assert {entry.path for entry in kept if entry.split != "train"} >= {"known.mp4", copy.path}
    left_out = [entry for entry in leaky if entry not in kept.entries]
    assert of_train in left_out
    assert all(of_train.identity in (entry.identity, entry.donor) for entry in left_out)
    new = unseen(leaky)
    assert {entry.path for entry in leaky if entry not in new.entries} == {"known.mp4", copy.path}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Clips of a real of each split and of a forgery made from the first, none of which begins at the video's begin."""
    root = tmp_path_factory.mktemp("videos")
    write_frames(root / "man.mp4", man(24))
    write_frames(root / "swap.mp4", recoloured(man(24)))
    write_frames(root / "woman.mp4", woman(24))
    of_man = Entry("man.mp4", 0, "train", identity="man", start=0.2)
    fake = replace(of_man, path="swap.mp4", label=1, method="swap", source="man.mp4")
    videos = manifest_of(root, of_man, fake, Entry("woman.mp4", 0, "test", identity="woman", start=0.2))
    out = tmp_path_factory.mktemp("prepared") / "out"
    prepare(videos, out, PrepareSettings(size=160))
    return read_prepared(out)


def test_a_clean_prepared_folder_passes(prepared: Manifest) -> None:
    assert all(entry.is_clip and entry.start for entry in prepared) and prepared.entries[1].source
    assert check_manifest(prepared) == Findings((), (), ())
    assert leaking_videos(prepared, "test") == frozenset()


def test_leaks_that_the_rows_of_a_prepared_folder_show(prepared: Manifest) -> None:
    real, fake, _ = prepared.entries
    stray = Entry("clips/stray.avi", 0, "test", origin="stray.mp4", track=0)
    for entry, kind in (
        (replace(stray, origin=real.origin), "video"),
        (replace(stray, identity=real.identity), "identity"),
        (replace(fake, path="clips/stray.avi", origin="stray.mp4", split="test", identity=""), "source"),
    ):
        leaky = planted(prepared, entry)
        assert kinds(check_manifest(leaky, fast=True)) == {kind}
        assert leaking_videos(leaky, "test") == {entry.video}
        assert {e.path for e in leaky if e not in unseen(leaky).entries} == {"clips/stray.avi"}


def test_near_duplicate_frames_in_a_prepared_folder(prepared: Manifest, tmp_path: Path) -> None:
    real = prepared.entries[0]
    with VideoReader(prepared.file(real)) as reader:
        copy = write_frames(tmp_path / "copy.mp4", [raw.rgb() for raw in reader], crf=34)
    leaky = planted(prepared, replace(real, path=str(copy), split="val", identity="x", origin="renamed.mp4", start=3.0))
    found = check_manifest(leaky)
    assert kinds(found) == {"likeness"} and not found.unreadable
    assert real.path in {path for leak in found.leaks for _, path in leak.example}
    assert leaking_videos(leaky, "val") == {"renamed.mp4"}
