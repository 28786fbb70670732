import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facetell.faces.crop import cut_square, square_matrix, stable_square
from facetell.types import Box


def ramp(height: int, width: int) -> np.ndarray:
    """A picture whose red is x and whose green is y, so that a cut tells where it was taken."""
    ys, xs = np.mgrid[0:height, 0:width]
    return np.stack([xs, ys, np.zeros_like(xs)], axis=2).astype(np.uint8)


def test_identity_square_changes_nothing():
    image = ramp(64, 64)
    assert np.array_equal(cut_square(image, Box(0, 0, 64, 64), 64), image)


def test_whole_pixel_shift_is_exact():
    image = ramp(100, 120)
    assert np.array_equal(cut_square(image, Box(30, 20, 62, 52), 32), image[20:52, 30:62])


def test_half_pixel_shift_is_sub_pixel():
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, 16:] = 200
    edge = cut_square(image, Box(0.5, 0, 32.5, 32), 32)[16, 14:17, 0]
    assert edge.tolist() == [0, 100, 200]


@pytest.mark.parametrize("factor", [2, 3, 5.5])
def test_shrinking_averages_and_stays_in_place(factor):
    size = 40
    side = int(size * factor)
    image = ramp(240, 240)
    cut = cut_square(image, Box(8, 12, 8 + side, 12 + side), size)
    centers = (np.arange(size) + 0.5) * factor - 0.5
    assert np.abs(cut[size // 2, 2:-2, 0] - (8 + centers)[2:-2]).max() <= 1
    assert np.abs(cut[2:-2, size // 2, 1] - (12 + centers)[2:-2]).max() <= 1


def test_shrinking_does_not_alias():
    checker = (np.indices((320, 320)).sum(axis=0) % 2 * 255).astype(np.uint8)
    cut = cut_square(np.stack([checker] * 3, axis=2), Box(0, 0, 320, 320), 80)
    assert cut.min() > 110 and cut.max() < 145


def test_outside_repeats_the_edge():
    image = np.full((50, 50, 3), 77, np.uint8)
    assert (cut_square(image, Box(-40, -40, 60, 60), 50) == 77).all()


def test_a_still_face_gives_still_crops_though_its_boxes_jitter():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (120, 120, 3), dtype=np.uint8)
    boxes = [Box(*(np.array([30, 30, 80, 90]) + rng.normal(0, 2, 4))) for _ in range(8)]
    square = stable_square(boxes, 1.35)
    cuts = [cut_square(image, square, 64) for _ in boxes]
    assert all(np.array_equal(cuts[0], cut) for cut in cuts)


@given(
    st.tuples(*[st.floats(-500, 500)] * 2),
    st.floats(20, 900),
    st.integers(1, 300),
    st.integers(1, 300),
)
def test_any_square_of_any_picture_can_be_cut(corner, side, height, width):
    image = np.full((height, width, 3), 9, np.uint8)
    cut = cut_square(image, Box(corner[0], corner[1], corner[0] + side, corner[1] + side), 24)
    assert cut.shape == (24, 24, 3) and (cut == 9).all()


def test_square_matrix_maps_corners_to_corners():
    matrix = square_matrix(Box(10, 20, 50, 60), 80)
    # The picture's pixel edge 10 is the centre coordinate 9.5; the cut's edge 0 is -0.5.
    assert matrix @ [9.5, 19.5, 1] == pytest.approx([-0.5, -0.5])
    assert matrix @ [49.5, 59.5, 1] == pytest.approx([79.5, 79.5])


def test_no_boxes_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        stable_square([], 1.35)
