"""Leaks planted in clean miniatures and in a prepared folder, one of each kind."""

from dataclasses import replace

import pytest

from facetell.datasets.check import Findings, check_manifest, leaking_videos, unseen, without_leaks
from facetell.datasets.manifest import Entry, Manifest
from facetell.datasets.readers import read_benchmark
from facetell.video.reader import VideoReader
from fixtures import write_frames
from mimic.make import METHODS, mimic_youtube
from mimic.people import Recorder
from prepare_videos import man, recoloured, woman


@pytest.fixture(scope="module")
def ffpp(tmp_path_factory):
    """The reals and one method, six people, half a second each."""
    root = tmp_path_factory.mktemp("ffpp")
    mimic_youtube(Recorder(root, 0.5), 6, METHODS[:1], ("c23",))
    return read_benchmark("ffpp", root)


def planted(manifest, *entries):
    return replace(manifest, entries=(*manifest.entries, *entries))


def kinds(found):
    return {leak.kind for leak in found.leaks}


def first(manifest, split, label):
    return next(entry for entry in manifest if entry.split == split and entry.label == label)


def copied(manifest, entry, path, crf):
    with VideoReader(manifest.file(entry)) as reader:
        return str(write_frames(path, [raw.rgb() for raw in reader], crf=crf))


def test_leaks_of_the_rows_are_named(ffpp):
    real, fake = first(ffpp, "train", 0), first(ffpp, "train", 1)
    other = replace(fake, path="stray.mp4", split="test", identity="x", donor="", source="")
    for entry, kind, what in (
        (replace(real, split="test", identity="x"), {"video"}, real.path),
        (replace(other, source=fake.source), {"source"}, fake.source),
        (replace(other, identity=real.identity), {"identity"}, real.identity),
        (replace(other, donor=fake.donor), {"identity"}, fake.donor),
    ):
        found = check_manifest(planted(ffpp, entry), fast=True)
        assert kinds(found) == kind and found.leaks[-1].what == what
        assert [split for split, _ in found.leaks[-1].example] == ["train", "test"]


@pytest.mark.parametrize("label", [0, 1])
def test_a_renamed_copy_of_another_quality_is_a_near_duplicate(label, ffpp, tmp_path):
    assert check_manifest(ffpp) == Findings((), (), ())
    chosen = first(ffpp, "train", label)
    leaky = planted(ffpp, Entry(copied(ffpp, chosen, tmp_path / "a.mp4", 38), label, "test", identity="x"))
    found = check_manifest(leaky)
    assert kinds(found) == {"duplicate"}
    assert {chosen.path, str(tmp_path / "a.mp4")} <= {path for leak in found.leaks for _, path in leak.example}
    assert not check_manifest(leaky, fast=True).leaks


def test_missing_and_unreadable_videos_are_listed(ffpp, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    manifest = planted(ffpp, Entry("absent.mp4", 0, "test"), Entry(str(tmp_path / "broken.mp4"), 0, "test"))
    found = check_manifest(manifest)
    assert found.missing == ("absent.mp4",)
    assert [path for path, _ in found.unreadable] == [str(tmp_path / "broken.mp4")]


def test_leaking_videos_and_manifests_without_them(ffpp, tmp_path):
    assert leaking_videos(ffpp, "val") == frozenset()
    of_train = first(ffpp, "train", 0)
    known = replace(first(ffpp, "val", 1), path="known.mp4", source="", identity=of_train.identity)
    copy = replace(of_train, path=copied(ffpp, of_train, tmp_path / "c.mp4", 32), split="val", identity="renamed")
    leaky = planted(ffpp, known, copy)
    assert leaking_videos(leaky, "val") == {"known.mp4", copy.path}
    kept = without_leaks(leaky)
    left_out = [entry for entry in leaky if entry not in kept.entries]
    assert of_train in left_out and known in kept.entries and copy in kept.entries
    assert all(of_train.identity in (entry.identity, entry.donor) for entry in left_out)
    assert {entry.path for entry in leaky if entry not in unseen(leaky).entries} == {"known.mp4", copy.path}


def test_leaks_of_a_prepared_folder(tmp_path):
    """Clips are compared by the videos that they were cropped from, and by their own frames."""
    of_man = Entry("clips/man.mp4", 0, "train", identity="man", start=0.2, end=1.0, origin="man.mp4", track=0)
    fake = replace(of_man, path="clips/swap.mp4", label=1, method="swap", source=of_man.path, origin="swap.mp4")
    of_woman = replace(of_man, path="clips/woman.mp4", split="test", identity="woman", origin="woman.mp4")
    prepared = Manifest(tmp_path, (of_man, fake, of_woman))
    for entry, frames in zip(prepared, (man(24), recoloured(man(24)), woman(24)), strict=True):
        write_frames(prepared.file(entry), frames)
    assert check_manifest(prepared) == Findings((), (), ())
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
    copy = replace(real, path=copied(prepared, real, tmp_path / "c.mp4", 34), split="val", identity="x", origin="y.mp4")
    leaky = planted(prepared, copy)
    assert kinds(check_manifest(leaky)) == {"duplicate"} and leaking_videos(leaky, "val") == {"y.mp4"}
