"""Distortions against values calculated by hand, and the properties of all of them."""

import itertools

import av
import cv2
import numpy as np
import pytest

from facetell.cli import main
from facetell.distort import KINDS, distort_stream, distort_video, parameter
from facetell.distort.frames import FUNCTIONS, drop, freeze, lower_rate
from facetell.distort.video import distort_frame, note_of
from facetell.types import FacetellError
from facetell.video.source import content_sha256
from fixtures import frames_of, sample_frames, write_frames

FRAME_KINDS = [code for code in KINDS if code in FUNCTIONS]


def rng(seed=0):
    return np.random.default_rng(seed)


def flat(red, green, blue, size=(32, 40)):
    return np.full((*size, 3), (red, green, blue), np.uint8)


@pytest.mark.parametrize(
    ("code", "level", "expected"),
    [
        # Y = .299 200 + .587 100 + .114 50 = 124.2; each channel Y + p (c - Y), truncated.
        ("CS", 1, (154, 114, 94)),
        ("CS", 3, (139, 119, 109)),
        ("CS", 5, (124, 124, 124)),
        ("CC", 3, (120, 60, 30)),
        ("CC", 2, (145, 72, 36)),  # 100 x .725 = 72.5, truncated
    ],
)
def test_colours_by_hand(code, level, expected):
    np.testing.assert_array_equal(distort_frame(flat(200, 100, 50), code, level, rng())[0, 0], expected)


@pytest.mark.parametrize(
    ("size", "level", "count"), [((255, 900), 5, 0), ((256, 300), 1, 16), ((720, 1280), 1, 32), ((1080, 1920), 2, 128)]
)
def test_blocks_are_as_many_as_published(size, level, count):
    """(min(H, W) // 256) p blocks of 64 pixels; overlaps make them cover a little less."""
    changed = (distort_frame(flat(0, 0, 0, size), "BW", level, rng(3)) == 128).all(axis=2)
    assert 0.9 * 64 * count <= changed.sum() <= 64 * count
    assert changed.any() == (count > 0)


@pytest.mark.parametrize("level", [1, 3])
def test_noise_has_the_published_strength(level):
    """Y and Cr, Cb have standard deviations of sqrt(p) 255 x 255 / 219 and / 224 grey levels."""
    noise = distort_frame(flat(128, 128, 128, (400, 400)), "GNC", level, rng(1)).astype(np.float32) - 127.5
    p = parameter("GNC", level)
    luma = noise @ np.array([0.299, 0.587, 0.114], np.float32)
    assert luma.std() == pytest.approx(np.sqrt(p) * 255 * 255 / 219, rel=0.03)
    for chroma in (0.713 * (noise[..., 0] - luma), 0.564 * (noise[..., 2] - luma)):
        assert chroma.std() == pytest.approx(np.sqrt(p) * 255 * 255 / 224, rel=0.03)


def test_blur_is_the_gaussian_of_that_size():
    """A point becomes the kernel: p x p, sigma p / 6, written out from the exponential."""
    image = flat(0, 0, 0, (41, 41))
    image[20, 20] = 255
    spread = distort_frame(image, "GB", 1, rng())[..., 0].astype(float)
    x = np.arange(-3, 4)
    line = np.exp(-(x**2) / (2 * (7 / 6) ** 2))
    kernel = np.outer(line, line) / line.sum() ** 2 * 255
    np.testing.assert_allclose(spread[17:24, 17:24], kernel, atol=1)
    assert spread.sum() == pytest.approx(spread[17:24, 17:24].sum())


def test_pixelation_by_hand():
    """Steps of 4 pixels shrunken by 2 and grown: the middle of a step keeps its value, its border is a ramp."""
    image = np.repeat(np.array([0, 0, 0, 0, 80, 80, 80, 80], np.uint8)[None, :, None], 3, axis=2).repeat(8, axis=0)
    np.testing.assert_array_equal(distort_frame(image, "JPEG", 1, rng())[4, :, 0], [0, 0, 0, 20, 60, 80, 80, 80])


@pytest.mark.parametrize("code", [code for code in FRAME_KINDS if code != "BW"])
def test_every_level_is_worse_than_the_one_before(code):
    face = sample_frames("sample_man", 1)[0]
    errors = [np.square(distort_frame(face, code, level, rng(1)).astype(float) - face).mean() for level in range(1, 6)]
    assert all(a < b for a, b in itertools.pairwise(errors))


@pytest.mark.parametrize("code", FRAME_KINDS)
@pytest.mark.parametrize("size", [(8, 70), (33, 9)])
def test_frames_keep_size_and_type(code, size):
    image = rng().integers(0, 256, (*size, 3), dtype=np.uint8)
    before = image.copy()
    result = distort_frame(image, code, 5, rng())
    assert result.shape == image.shape and result.dtype == np.uint8
    np.testing.assert_array_equal(image, before)


def clock(count, fps=30):
    return [(np.full((2, 2, 3), n, np.uint8), n / fps) for n in range(count)]


def test_drop_leaves_the_share_and_the_times():
    kept = list(drop(clock(250), 0.2, rng(1)))
    assert 0.7 < len(kept) / 250 < 0.9
    assert all(image[0, 0, 0] == round(time * 30) for image, time in kept)
    assert [time for _, time in drop(clock(9), 1.0, rng())] == [0]


@pytest.mark.parametrize("p", KINDS["FREEZE"].levels)
def test_freeze_freezes_the_share_and_keeps_every_time(p):
    shares = []
    for seed in range(40):
        frozen = list(freeze(clock(250), p, rng(seed)))
        assert [time for _, time in frozen] == [time for _, time in clock(250)]
        numbers = [int(image[0, 0, 0]) for image, _ in frozen]
        assert all(a <= b for a, b in itertools.pairwise(numbers)) and numbers[0] == 0
        shares.append(sum(a == b for a, b in itertools.pairwise(numbers)) / 249)
    assert np.mean(shares) == pytest.approx(p, rel=0.15)


@pytest.mark.parametrize("p", KINDS["FPS"].levels)
@pytest.mark.parametrize("fps", [12.0, 25.0, 60.0])
def test_a_lower_rate_shows_the_last_frame_at_each_tick(fps, p):
    result = list(lower_rate(clock(90, fps), p, rng()))
    times = np.array([time for _, time in result])
    numbers = [int(image[0, 0, 0]) for image, _ in result]
    np.testing.assert_allclose(times * p, np.round(times * p), atol=1e-9)
    if fps >= p:
        assert numbers == [min(89, int(np.floor(t * fps + 1e-4))) for t in times]
        assert len(result) == pytest.approx(90 / fps * p, abs=1.5)
    else:
        assert numbers == list(range(90))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    frames = [np.asarray(cv2.resize(frame, (320, 180)), np.uint8) for frame in sample_frames("sample_man", 30)]
    return write_frames(tmp_path_factory.mktemp("clip") / "man.mp4", frames, crf=12)


@pytest.mark.parametrize("code", [code for code in KINDS if code not in FRAME_KINDS])
def test_distorted_videos_keep_times(code, clip, tmp_path):
    out = distort_video(clip, tmp_path / "a.mp4", code, 3, seed=1)
    clean, distorted = frames_of(clip), frames_of(out)
    if code in ("DROP", "FPS"):
        assert len(distorted) < len(clean)
    else:
        np.testing.assert_allclose([t for _, t in distorted], [t for _, t in clean], atol=2e-3)
        assert distorted[0][0].shape == clean[0][0].shape
    with av.open(str(out)) as container:
        codec = {"H265": "hevc", "VP9": "vp9", "AV1": "av1"}.get(code, "h264")
        assert container.streams.video[0].codec_context.codec.canonical_name == codec
        assert container.metadata["comment"] == note_of(content_sha256(clip), code, 3, 1)


@pytest.mark.parametrize("code", [code for code in KINDS if code != "VC"])
def test_a_seed_repeats_to_the_last_bit(code, clip):
    """VC is left out: it is published with x264's defaults, whose rate control does not repeat to the last bit."""
    first, second = (list(distort_stream(frames_of(clip)[:12], code, 4, fps=30, seed=7)) for _ in range(2))
    np.testing.assert_array_equal([image for image, _ in first], [image for image, _ in second])


def test_a_social_copy_is_smaller():
    big = [(flat(90, 60, 30, (720, 1280)), number / 30) for number in range(8)]
    assert [image.shape for image, _ in distort_stream(big, "SOCIAL", 4, fps=30)] == [(360, 640, 3)] * 8


def test_copies_of_other_videos_are_not_kept(tmp_path, capsys):
    """Videos of one name in different folders, as of the methods of a benchmark; one more comes later."""
    for method, length in (("b", 3), ("c", 2), ("a", 4)):
        write_frames(tmp_path / "in" / method / "000.mp4", [flat(90, 60, 30)] * length)
    words = ["distort", "--kind", "CS", "--level", "1", "--out", str(tmp_path / "out")]
    methods = [str(tmp_path / "in" / method) for method in "bca"]
    assert main([*words, *methods[:2]]) == main([*words, *methods]) == 0
    assert "1 made, 2 were there" in capsys.readouterr().out
    lengths = {path.name: len(frames_of(path)) for path in (tmp_path / "out/CS/1").glob("*.mp4")}
    assert lengths == {"a-000.mp4": 4, "b-000.mp4": 3, "c-000.mp4": 2}
    assert main([*words, *methods, "--seed", "2"]) == 2
    assert capsys.readouterr().err.count("is not this copy") == 3
    (tmp_path / "in/b/000.mkv").write_bytes(b"")
    assert main([*words, methods[0]]) == 1
    assert "would both be called" in capsys.readouterr().err


def test_the_command_makes_one_copy_and_errors_are_messages(clip, tmp_path, capsys):
    one = tmp_path / "one.mp4"
    assert main(["distort", str(clip), "--kind", "CC", "--level", "5", "--out", str(one)]) == 0
    assert frames_of(one)[0][0].mean() == pytest.approx(0.35 * frames_of(clip)[0][0].mean(), rel=0.06)
    for code, level in (("XX", 1), ("CS", 0), ("CS", 6)):
        with pytest.raises(FacetellError):
            parameter(code, level)
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    assert main(["distort", str(text), str(clip), "--kind", "CC", "--level", "1", "--out", str(tmp_path / "o")]) == 2
    assert "text.mp4" in capsys.readouterr().err
    assert (tmp_path / "o/CC/1/man.mp4").is_file()
    with pytest.raises(FacetellError, match="overwrite"):
        distort_video(clip, clip, "CC", 1)
    with pytest.raises(FacetellError, match="too small for H"):
        list(distort_stream([(flat(9, 9, 9), t / 25) for t in range(5)], "H265", 1))
    with pytest.raises(FacetellError, match="whole videos"):
        distort_frame(flat(0, 0, 0), "DROP", 1, rng())
