"""Leaks planted in a manifest of videos and in one of prepared clips, one of each kind."""

from dataclasses import replace

import pytest

from facetell.datasets.check import Findings, check_manifest, leaking_videos, without_leaks
from facetell.datasets.manifest import Entry, Manifest
from fixtures import write_frames
from prepare_videos import man, recoloured, woman


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A real of two splits and a forgery made from the first."""
    real = Entry("man.mp4", 0, "train", "man")
    fake = replace(real, path="swap.mp4", label=1, donor="bob", method="swap", source="man.mp4")
    manifest = Manifest(tmp_path_factory.mktemp("videos"), (real, fake, Entry("woman.mp4", 0, "test", "woman")))
    for entry, frames in zip(manifest, (man(24), recoloured(man(24)), woman(24)), strict=True):
        write_frames(manifest.file(entry), frames)
    return manifest


@pytest.fixture(scope="module", params=["videos", "clips"])
def manifest(request, videos):
    """Clips are compared by the videos that they were cropped from, and by their own frames."""
    if request.param == "videos":
        return videos
    clip = {"start": 0.2, "end": 1.0, "track": 0}
    return replace(videos, entries=tuple(replace(entry, origin=f"videos/{entry.path}", **clip) for entry in videos))


def planted(manifest, *entries):
    return replace(manifest, entries=(*manifest.entries, *entries))


def kinds(found):
    return {leak.kind for leak in found.leaks}


def test_leaks_of_the_rows_are_named(manifest):
    real, fake, _ = manifest.entries
    other = Entry("stray.mp4", 1, "test", identity="x", origin="stray" * real.is_clip, track=real.track)
    for entry, kind, what in (
        (replace(other, path=real.path, origin=real.origin), "video", real.video),
        (replace(other, source=fake.source), "source", real.video),
        (replace(other, identity=real.identity), "identity", real.identity),
        (replace(other, donor=fake.donor), "identity", fake.donor),
    ):
        leaky = planted(manifest, entry)
        found = check_manifest(leaky, fast=True)
        assert kinds(found) == {kind} and found.leaks[-1].what == what
        assert [split for split, _ in found.leaks[-1].example] == ["train", "test"]
        assert entry.video in leaking_videos(leaky, "test")


def test_a_renamed_copy_of_another_quality_is_a_near_duplicate(manifest, tmp_path):
    assert check_manifest(manifest) == Findings((), (), ())
    real, copy = manifest.entries[0], str(write_frames(tmp_path / "a.mp4", man(24), crf=36))
    leaky = planted(manifest, replace(real, path=copy, origin="y.mp4" * real.is_clip, split="val", identity="x"))
    found = check_manifest(leaky)
    assert kinds(found) == {"duplicate"} and not check_manifest(leaky, fast=True).leaks
    assert {real.path, copy} <= {path for leak in found.leaks for _, path in leak.example}


def test_missing_and_unreadable_videos_are_listed(videos, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    manifest = planted(videos, Entry("absent.mp4", 0, "test"), Entry(str(tmp_path / "broken.mp4"), 0, "test"))
    found = check_manifest(manifest)
    assert found.missing == ("absent.mp4",)
    assert [path for path, _ in found.unreadable] == [str(tmp_path / "broken.mp4")]


def test_leaking_videos_and_manifests_without_them(videos, tmp_path):
    assert leaking_videos(videos, "test") == frozenset()
    copy = Entry(str(write_frames(tmp_path / "c.mp4", man(24), crf=32)), 0, "val", identity="renamed")
    known = Entry("known.mp4", 1, "val", identity="man")
    leaky = planted(videos, known, copy)
    assert leaking_videos(leaky, "val") == {"known.mp4", copy.path}
    assert without_leaks(leaky).entries == (videos.entries[2], known, copy)
