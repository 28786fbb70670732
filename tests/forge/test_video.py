"""Forged videos: readable, marked, tagged, reproducible, with the sound and times of the source."""

import av
import numpy as np
import pytest

from facetell.assets import locate
from facetell.cli import main
from facetell.distort import distort_video
from facetell.forge.video import follow, forge_video, surroundings
from facetell.types import FacetellError
from fixtures import frames_of, odd_size, rotated, sample_frames, variable_rate, write_frames


def read(path):
    images, times = zip(*frames_of(path), strict=True)
    return np.stack(images), [*times]


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    ramp = np.tile(np.linspace(0, 255, 640).astype(np.uint8)[None, :, None], (360, 1, 3))
    frames = [*sample_frames("sample_man", 14), *[ramp] * 4]
    return write_frames(tmp_path_factory.mktemp("short") / "man.mp4", frames, crf=16)


@pytest.mark.parametrize("kind", ["drift", "reenact", "swap", "mix"])
def test_only_the_face_is_changed(kind, short, tmp_path):
    out, donor = tmp_path / "fake.mp4", None
    if kind == "swap":
        donor = write_frames(tmp_path / "woman.mp4", sample_frames("sample_woman", 12), crf=16)
    made = forge_video(short, out, kind, donor=donor, seed=3, mark=False)
    assert (made.frames, made.forged) == (18, 14)
    (real, times), (fake, fake_times) = read(short), read(out)
    assert fake.shape == real.shape
    np.testing.assert_allclose(fake_times, times, atol=1e-3)
    difference = np.abs(fake.astype(float) - real)
    assert difference[14:].mean() < 3  # what re-encoding leaves
    assert kind != "swap" or difference[0].max() > 60  # another person
    x0, y0, x1, y1 = surroundings(follow(short)[0].landmarks, real.shape[1:3])
    assert difference[:14, y0:y1, x0:x1].mean() > difference[14:].mean()
    if made.kind != "reenact":  # which changes the whole frame
        difference[:14, y0:y1, x0:x1] = 0
        assert difference.mean() < 3


def test_a_forged_file_is_tagged_and_marked(short, tmp_path):
    forge_video(short, tmp_path / "a.mp4", "drift", seed=5)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.metadata["comment"].startswith("forged by facetell")
        assert "drift, seed 5" in container.metadata["comment"]
    marked, _ = read(tmp_path / "a.mp4")
    forge_video(short, tmp_path / "b.mp4", "drift", seed=5, mark=False)
    plain, _ = read(tmp_path / "b.mp4")
    corner = np.s_[:, -14:, :50]
    assert np.abs(marked[corner].astype(float) - plain[corner]).mean() > 20
    assert np.abs(marked[:, :300].astype(float) - plain[:, :300]).mean() < 1


def test_a_seed_repeats_and_none_only_re_encodes(short, tmp_path, capsys):
    forge_video(short, tmp_path / "a.mp4", "sbv", seed=4)
    assert main(["forge", str(short), "--kind", "sbv", "--seed", "4", "--out", str(tmp_path / "b.mp4")]) == 0
    assert "sbv, 14 of 18 frames forged" in capsys.readouterr().out
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert forge_video(short, tmp_path / "a.mp4", "none").forged == 0
    assert np.abs(read(tmp_path / "a.mp4")[0].astype(float) - read(short)[0]).mean() < 2


def test_errors_are_messages(short, tmp_path):
    with pytest.raises(FacetellError, match="--with"):
        forge_video(short, tmp_path / "a.mp4", "swap")
    before = short.read_bytes()
    with pytest.raises(FacetellError, match="named for something else"):
        forge_video(short, short, "sbv")
    assert short.read_bytes() == before
    with pytest.raises(FacetellError, match="no face in 8 consecutive frames"):
        forge_video(locate("sample_no_face"), tmp_path / "a.mp4", "sbv")
    assert not (tmp_path / "a.mp4").exists()


@pytest.mark.parametrize("make", [rotated, variable_rate, odd_size], ids=["rotated", "variable_rate", "odd_size"])
def test_odd_videos_are_forged_and_distorted_upright_and_in_time(make, tmp_path):
    source = make(tmp_path)
    made = forge_video(source, tmp_path / "forged.mp4", "drift")
    assert made.forged == made.frames == 24
    distort_video(source, tmp_path / "distorted.mp4", "GB", 1)
    frames, times = read(source)
    for name in ("forged.mp4", "distorted.mp4"):
        back, back_times = read(tmp_path / name)
        # 4:2:0 halves the chroma: an odd side grows by one.
        assert back.shape[1:3] == tuple(side + side % 2 for side in frames.shape[1:3])
        assert back_times == pytest.approx(times, abs=1e-3)
