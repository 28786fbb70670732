"""A clip cut from the kept part of its frames is the same as one cut from the frames."""

import itertools

import numpy as np
import pytest

from facetell.batch import cut, locate, patch
from facetell.batch.locate import PrepareSettings
from facetell.batch.patch import patch_around, patch_of
from facetell.batch.prepare import prepare
from facetell.datasets.manifest import Entry
from facetell.datasets.prepared import read_clip
from facetell.faces.crop import crop_frame
from facetell.types import Box, Crop
from prepare_videos import content, man, manifest_of, woman, write_frames

SQUARES = [Box(40, 30, 240, 230), Box(-60, -20, 340, 380), Box(101, 3, 361, 263), Box(0, 0, 360, 360)]


@pytest.fixture
def reads(monkeypatch):
    """How often a video was read for its cuts."""
    opened = []

    def counted(path, **how):
        opened.append(path)
        return open_video(path, **how)

    open_video = cut.open_video
    monkeypatch.setattr(cut, "open_video", counted)
    return opened


@pytest.mark.parametrize(("square", "size"), list(itertools.product(SQUARES, [200, 96, 64])))
def test_a_crop_of_the_patch_is_that_of_the_frame(square, size):
    image = man(1)[0]
    kept = patch_of(square, size, 360, 360)
    assert kept.factor == max(1, int(square.width / size)) and kept.holds(square, 360, 360)
    part = kept.of(image)
    assert part.nbytes == kept.size and not np.shares_memory(part, image)
    apart = np.abs(kept.crop(part, square, size).astype(int) - crop_frame(image, Crop.of_square(square), size))
    assert apart.max() <= 1 and apart.mean() < 0.01  # coordinates are rounded to 1/32 of a pixel


def test_as_much_is_kept_as_there_is_memory_for():
    widths = []
    for most in (1e6, 7.5e5, 5.2e5, 1e5):
        kept = patch_around((640, 360), 200, 340, 320, (720, 1280, 3), most)
        assert kept is None or kept.size <= most
        widths.append(kept and (kept.x1 - kept.x0) / 200)
    assert widths[0] > widths[1] > widths[2] >= 2.0 and widths[3] is None
    assert patch_around((640, 360), 400, 680, 320, (720, 1280, 3), 1e6).factor == 2


def test_what_does_not_fit_into_memory_is_read_again_and_leaves_no_trace(tmp_path, monkeypatch, reads):
    write_frames(tmp_path / "a.mp4", np.concatenate([man(20), woman(20)]))
    manifest = manifest_of(tmp_path, Entry("a.mp4", 0, "train"))
    made = []
    for most, again in ((locate.KEPT_BYTES, 0), (15 * man(1).nbytes, 1), (0, 1)):
        monkeypatch.setattr(locate.FaceFinder, "memory", most)
        reads.clear()
        prepare(manifest, tmp_path / f"out{most}")
        assert len(reads) == again
        made.append(content(tmp_path / f"out{most}"))
    assert made[0] == made[1] == made[2] and len([name for name in made[0] if name.endswith(".npz")]) == 2


def test_a_clip_that_leaves_what_is_kept_is_read_again(tmp_path, monkeypatch, reads):
    """A face moves out of a narrow patch: the clips show its frames, kept or read again."""
    still = np.repeat(man(1), 24, axis=0)
    wide = [np.pad(image, ((0, 0), (60 + 4 * i, 150 - 4 * i), (0, 0)), mode="edge") for i, image in enumerate(still)]
    frames = [wide[0]] * 12 + wide[:24]
    write_frames(tmp_path / "wide.mkv", frames, codec="ffv1", pix_fmt="bgr0")
    monkeypatch.setattr(patch, "REACHES", (1.8,))
    out = tmp_path / "out"
    (line,) = prepare(manifest_of(tmp_path, Entry("wide.mkv", 0, "train")), out, PrepareSettings(seconds=0.4, size=256))
    assert len(line["clips"]) >= 2 and sum(clip["frames"] for clip in line["clips"]) == len(frames)
    for clip in line["clips"]:
        shown = read_clip(out / clip["path"])
        first = round(clip["start"] * 30)
        expected = [
            crop_frame(image, Crop.of_square(shown.square), shown.frames.shape[1])
            for image in frames[first:][: clip["frames"]]
        ]
        error = shown.frames - np.stack(expected).astype(float)
        assert 10 * np.log10(255**2 / np.mean(error**2)) > 36
    assert len(reads) == 1
