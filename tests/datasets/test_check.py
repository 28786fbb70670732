"""Leaks planted in clean miniatures and in a prepared folder, one of each kind."""

from dataclasses import replace

import pytest

from datasets.trees import make_tree
from facetell.batch.locate import PrepareSettings
from facetell.batch.prepare import prepare
from facetell.datasets.check import Findings, check_manifest, leaking_videos, unseen, without_leaks
from facetell.datasets.layout import ReadOptions
from facetell.datasets.manifest import Entry
from facetell.datasets.prepared import read_prepared
from facetell.datasets.readers import BENCHMARKS, read_benchmark
from facetell.video.reader import VideoReader
from fixtures import write_frames
from mimic.make import METHODS, mimic_youtube
from mimic.people import Recorder
from prepare_videos import man, manifest_of, recoloured, woman


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


@pytest.mark.parametrize("name", [*BENCHMARKS, "dfo/B", "dfo/lists"])
def test_a_clean_benchmark_passes(name, tmp_path):
    name, _, protocol = name.partition("/")
    ffpp = make_tree("ffpp", tmp_path / "ffpp") if name == "dfo" else None
    options = ReadOptions(split_file=tmp_path / "split.json", protocol=protocol or "A", ffpp=ffpp)
    manifest = read_benchmark(name, make_tree(name, tmp_path / "root"), options)
    assert check_manifest(manifest, fast=True) == Findings((), (), ())


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


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Clips of a real of each split and of a forgery made from the first; none begins at the start of its video."""
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


def test_leaks_of_a_prepared_folder(prepared, tmp_path):
    """Clips are compared by the videos that they were cropped from, and by their own frames."""
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
    leaky = planted(prepared, replace(copy, start=3.0))
    assert kinds(check_manifest(leaky)) == {"duplicate"} and leaking_videos(leaky, "val") == {"y.mp4"}
