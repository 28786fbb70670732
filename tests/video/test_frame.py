"""Colours, orientation, geometry and thumbnails of decoded frames."""

from fractions import Fraction

import av
import numpy as np
import pytest

from facetell.video.frame import Geometry, RawFrame, Unreadable, orientation, to_rgb

COLOURS = [(200, 40, 40), (40, 180, 60), (50, 60, 210), (128, 128, 128), (255, 255, 255), (0, 0, 0)]
# Kr, Kb and FFmpeg's number of each matrix.
MATRICES = {"601": (0.299, 0.114, 6), "709": (0.2126, 0.0722, 1), "2020": (0.2627, 0.0593, 9)}


def yuv_of(rgb, kr, kb, full):
    """8-bit Y, Cb, Cr by the definition of the standards."""
    r, g, b = (value / 255 for value in rgb)
    y = kr * r + (1 - kr - kb) * g + kb * b
    cb, cr = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    return (255 * y, 128 + 255 * cb, 128 + 255 * cr) if full else (16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr)


def plain(yuv, pix_fmt, width=64, height=48):
    """A frame of one colour, its planes filled by hand."""
    frame = av.VideoFrame(width, height, pix_fmt)
    planes = [yuv[:1], yuv[1:]] if pix_fmt in ("nv12", "p010le") else [yuv[:1], yuv[1:2], yuv[2:]]
    for plane, values in zip(frame.planes, planes, strict=True):
        if "10" in pix_fmt:
            words = np.round(np.array(values) * 4).astype("<u2") * (64 if pix_fmt == "p010le" else 1)
            plane.update(np.resize(words, plane.buffer_size // 2).astype("<u2").tobytes())
        else:
            plane.update(np.resize(np.round(np.array(values)).astype(np.uint8), plane.buffer_size).tobytes())
    return frame


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "nv12", "yuv420p10le", "p010le"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
def test_colours_follow_the_tagged_matrix_and_range(matrix, full, pix_fmt):
    kr, kb, number = MATRICES[matrix]
    for colour in COLOURS:
        frame = plain(yuv_of(colour, kr, kb, full), pix_fmt)
        frame.colorspace, frame.color_range = number, 2 if full else 1
        assert np.abs(to_rgb(frame, 64, 48)[24, 32].astype(int) - colour).max() <= 3


@pytest.mark.parametrize(("size", "matrix"), [((640, 480), "601"), ((1280, 720), "709"), ((720, 1280), "709")])
def test_untagged_frames_are_601_when_small_and_709_when_large(size, matrix):
    kr, kb, _ = MATRICES[matrix]
    frame = plain(yuv_of(COLOURS[0], kr, kb, full=False), "yuv420p", *size)
    frame.colorspace, frame.color_range = 2, 0
    assert np.abs(to_rgb(frame, *size)[20, 20].astype(int) - COLOURS[0]).max() <= 3


def test_a_pixel_format_that_cannot_be_converted_is_reported():
    with pytest.raises(Unreadable, match="stored as bgr4, which cannot be converted"):
        to_rgb(av.VideoFrame(64, 48, "bgr4"), 64, 48)


@pytest.mark.parametrize(("color_range", "expected"), [(1, 128), (2, 126)])
def test_grey_follows_its_range(color_range, expected):
    frame = av.VideoFrame(64, 48, "gray")
    frame.planes[0].update(bytes([126]) * frame.planes[0].buffer_size)
    frame.color_range = color_range
    assert np.unique(to_rgb(frame, 64, 48)).tolist() == [expected]


def test_pq_is_tone_mapped():
    shown = []
    for code in (0.0, 0.508, 0.5807, 0.7518, 1.0):  # 0, 100, 203, 1000 and 10000 nits by SMPTE ST 2084
        frame = plain((16 + 219 * code, 128, 128), "yuv420p10le")
        frame.colorspace, frame.color_range, frame.color_trc = 9, 1, 16
        shown.append(int(to_rgb(frame, 64, 48)[20, 20, 0]))
    assert shown == sorted(shown) and shown[0] == 0
    assert abs(shown[1] - 255 * (100 / 203) ** (1 / 2.2)) <= 3  # below the knee light is kept
    assert 225 <= shown[2] <= 250 and shown[3] >= 250 and shown[4] == 255


@pytest.mark.parametrize("first", [1, -1])
@pytest.mark.parametrize("second", [1, -1])
@pytest.mark.parametrize("transposed", [False, True])
def test_orientation_follows_the_display_matrix(first, second, transposed):
    matrix = (0, first, second, 0) if transposed else (first, 0, 0, second)
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    geometry = Geometry((7, 5), (7, 5), *orientation(*(value << 16 for value in matrix)))
    # x' = a x + c y, y' = b x + d y for a pixel at (x, y), as the container formats define it.
    expected = image.transpose(1, 0, 2)[::first, ::second] if transposed else image[::second, ::first]
    np.testing.assert_array_equal(geometry.orient(image), expected)
    assert geometry.upright == ((5, 7) if transposed else (7, 5))


@pytest.mark.parametrize(
    ("aspect", "upright"),
    [
        (None, (640, 360)),
        (Fraction(2), (1280, 360)),
        (Fraction(1, 2), (640, 720)),
        (Fraction(1, 100), (640, 360)),
        (Fraction(1281, 1280), (640, 360)),
    ],
)
def test_pixels_become_square(aspect, upright):
    assert Geometry.of(av.VideoFrame(640, 360, "yuv420p"), aspect).upright == upright


@pytest.mark.parametrize(
    "pix_fmt",
    [
        *("yuv420p", "yuvj420p", "yuva420p", "yuv422p10le", "yuv420p10be", "p010le", "nv12", "yuyv422"),
        *("gray", "gray10le", "rgb24", "gbrp", "rgb8", "rgba64le"),
    ],
)
def test_thumbnail_of_every_kind_of_format(pix_fmt):
    ramp = np.linspace(20, 235, 640).astype(np.uint8)
    image = np.ascontiguousarray(np.repeat(np.tile(ramp, (360, 1))[:, :, None], 3, axis=2))
    source = av.VideoFrame.from_ndarray(image, format="rgb24")
    decoded = source if pix_fmt == "rgb24" else source.reformat(format=pix_fmt)
    small = RawFrame(0, 0.0, decoded, Geometry((640, 360), (640, 360), transpose=True)).luma_thumbnail()
    assert small.shape == (128, 72) and small.dtype == np.uint8
    # Steps of 8-bit RGB are coarse, and the range is the stored one.
    assert np.abs(small.astype(int) - np.linspace(20, 235, 128)[:, None]).max() <= (40 if pix_fmt == "rgb8" else 21)
