"""What a prepared folder holds: pairs with equal crops, faults with reasons; the number of workers changes nothing."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from facetell.batch.locate import PrepareSettings
from facetell.batch.prepare import prepare
from facetell.datasets.manifest import Entry, Manifest, read_manifest
from facetell.datasets.prepared import read_clip, read_prepared
from facetell.forge.video import forge_video
from facetell.types import FacetellError
from fixtures import content, encode, in_video, man_face, recoloured, woman_face, write_frames

REAL = "reals/a.mp4"
SETTINGS = PrepareSettings(image_rate=30.0)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A real without time stamps, four forgeries with it as source, four videos without a pair, two without a clip."""
    root = tmp_path_factory.mktemp("videos")
    (root / "reals").mkdir()
    encode(root / REAL, man_face(), codec="libx264", pix_fmt="yuv420p", container="h264")
    forge_video(root / REAL, root / "fakes.mp4", "sbv", seed=3)
    write_frames(root / "shorter.mp4", recoloured(man_face()[:20]))
    write_frames(root / "other.mp4", woman_face())
    write_frames(root / "small.mp4", [cv2.resize(image, (320, 320)) for image in man_face()])
    write_frames(root / "noise.mp4", np.random.default_rng(0).integers(0, 255, (9, 96, 96, 3), np.uint8))
    (root / "text.mp4").write_text("this is no video")
    (root / "images").mkdir()
    for number, image in enumerate(man_face(12)):
        cv2.imwrite(str(root / "images" / f"{40 * number}.png"), image[:, :, ::-1])
    fake = Entry("fakes.mp4", 1, "train", identity="a", method="sbv", dataset="mine", source=REAL)
    entries = [fake, Entry(REAL, 0, "train", identity="a", dataset="mine")]
    entries += [replace(fake, path=path) for path in ("shorter.mp4", "other.mp4", "small.mp4")]
    entries += [Entry("noise.mp4", 0, "val"), Entry("text.mp4", 1, "test"), Entry("images", 0, "test")]
    return Manifest(root, tuple(entries))


@pytest.fixture(scope="module")
def prepared(videos, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared") / "out"
    return out, prepare(videos, out, SETTINGS)


def line_of(prepared, path):
    return next(line for line in prepared[1] if line["path"] == path)


def clip_of(prepared, path):
    return read_clip(prepared[0] / line_of(prepared, path)["clips"][0]["path"])


def test_every_video_has_a_line_and_every_clip_a_row(videos, prepared):
    out, ledger = prepared
    assert [line["row"] for line in ledger] == list(range(len(videos)))
    assert [json.loads(line) for line in (out / "ledger.jsonl").read_text().splitlines()] == ledger
    clips = read_prepared(out)
    assert sorted(clip["path"] for line in ledger for clip in line["clips"]) == sorted(e.path for e in clips)
    assert {p.suffix for p in (out / "clips").iterdir()} == {".mp4", ".npz"}
    assert len(list((out / "clips").iterdir())) == 2 * len(clips)
    assert sorted(p.name for p in out.iterdir()) == ["clips", "ledger.jsonl", "manifest.csv", "prepare.json"]
    for entry in clips:
        clip = read_clip(clips.file(entry))
        assert (clip.times[0], clip.times[-1]) == (entry.start, entry.end)
        assert (clip.square.x1 - clip.square.x0) == clip.square.y1 - clip.square.y0 >= clip.frames.shape[1]


def test_a_forgery_has_the_crop_landmarks_and_clip_of_its_real(prepared):
    real, fake = clip_of(prepared, REAL), clip_of(prepared, "fakes.mp4")
    assert line_of(prepared, "fakes.mp4")["located"] == REAL
    assert line_of(prepared, REAL)["note"].startswith("there are no usable time stamps")
    assert np.array_equal(real.landmarks, fake.landmarks) and np.array_equal(real.times, fake.times)
    row = next(entry for entry in read_prepared(prepared[0]) if entry.origin == "fakes.mp4")
    assert (row.label, row.split, row.identity, row.method, row.dataset) == (1, "train", "a", "sbv", "mine")
    assert (row.video, row.track, row.source) == ("fakes.mp4", 0, line_of(prepared, REAL)["clips"][0]["path"])
    assert real.square == fake.square and real.frames.shape == fake.frames.shape == (30, *real.frames.shape[1:])
    assert not np.array_equal(real.frames, fake.frames)
    shorter = clip_of(prepared, "shorter.mp4")
    assert line_of(prepared, "shorter.mp4")["located"] == REAL and shorter.square == real.square
    assert len(shorter.frames) == len(shorter.times) == 20
    assert np.array_equal(shorter.landmarks, real.landmarks[:20])


@pytest.mark.parametrize(
    ("path", "why"), [("other.mp4", "its faces are elsewhere"), ("small.mp4", "its frames are 320x320, not 360x360")]
)
def test_a_forgery_unlike_its_real_is_located_by_itself_and_the_ledger_has_the_reason(prepared, path, why):
    line = line_of(prepared, path)
    assert line["located"] == "itself" and line["note"] == f"not cropped like {REAL}: {why}" and line["clips"]
    assert next(e for e in read_prepared(prepared[0]) if e.origin == path).source == ""


def test_what_gives_no_clip_is_in_the_ledger_with_its_reason_and_in_the_manifest(videos, prepared):
    assert line_of(prepared, "noise.mp4")["reason"] == "no face was found"
    assert "is not a video that can be read" in line_of(prepared, "text.mp4")["reason"]
    rows = {entry.origin: entry for entry in read_manifest(prepared[0])}
    assert not rows["noise.mp4"].is_clip
    assert (prepared[0] / rows["noise.mp4"].path).resolve() == (videos.root / "noise.mp4").resolve()


def test_folders_of_images_are_cropped(prepared):
    clip = clip_of(prepared, "images")
    assert clip.times == pytest.approx(np.arange(12) / 30)
    # The same face as in the video that the images came from.
    assert np.abs(in_video(clip) - in_video(clip_of(prepared, REAL))[:12]).max() < 6


def test_the_number_of_workers_leaves_no_trace(videos, prepared, tmp_path):
    assert prepare(videos, tmp_path / "out", SETTINGS, workers=2) == prepared[1]
    assert content(tmp_path / "out") == content(prepared[0])
    before = {p: p.stat().st_mtime_ns for p in (prepared[0] / "clips").iterdir()}
    assert prepare(videos, prepared[0], SETTINGS) == prepared[1]
    assert {p: p.stat().st_mtime_ns for p in (prepared[0] / "clips").iterdir()} == before, "nothing is done again"
    groups = {"kind": "face-swap", "family": "sbv", "repository": "owner/name"}  # columns that may be added later
    prepare(Manifest(videos.root, tuple(replace(entry, **groups) for entry in videos)), tmp_path / "out", SETTINGS)
    assert read_prepared(tmp_path / "out").entries == tuple(replace(e, **groups) for e in read_prepared(prepared[0]))


def test_nothing_is_mixed_and_folders_that_cannot_be_used(videos, prepared, tmp_path):
    out, before = prepared[0], content(prepared[0])
    (tmp_path / "file").write_text("")
    other = shutil.copytree(out, tmp_path / "other")
    about = other / "prepare.json"
    about.write_text(about.read_text().replace('"av": "', '"av": "0.'))
    twice = replace(videos, entries=(*videos.entries, videos.entries[0]))
    for manifest, folder, settings, message in (
        (videos, out, PrepareSettings(), "begun with other settings"),
        (videos, out, PrepareSettings(size=32), "64 to 640 pixels"),
        (replace(videos, entries=videos.entries[1:]), out, SETTINGS, "begun with other manifest"),
        (videos, other, SETTINGS, "begun with other versions"),
        (videos, tmp_path / "file", SETTINGS, "is a file; name a folder"),
        (videos, tmp_path, SETTINGS, "holds other files"),
        (twice, tmp_path / "new", SETTINGS, "names 1 video twice"),
        (read_prepared(out), tmp_path / "new", SETTINGS, "prepared already"),
    ):
        with pytest.raises(FacetellError, match=message):
            prepare(manifest, folder, settings)
    assert content(out) == before
