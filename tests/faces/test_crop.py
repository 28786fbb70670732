import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facetell.faces.crop import bounds, clip_crop, crop_frame, crop_matrix, face_pose
from facetell.types import Crop, Pose


def ramp(height: int, width: int) -> np.ndarray:
    """An image whose red is x and whose green is y: a crop of it shows its place."""
    ys, xs = np.mgrid[0:height, 0:width]
    return np.stack([xs, ys, np.zeros_like(xs)], axis=2).astype(np.uint8)


def test_whole_pixel_shift_is_exact():
    image = ramp(100, 120)
    assert np.array_equal(crop_frame(image, Crop(46, 36, 32), 32), image[20:52, 30:62])


def test_half_pixel_shift_is_sub_pixel():
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, 16:] = 200
    edge = crop_frame(image, Crop(16.5, 16, 32), 32)[16, 14:17, 0]
    assert edge.tolist() == [0, 100, 200]


@pytest.mark.parametrize("factor", [2, 3, 5.5])
def test_shrinking_averages_and_stays_in_place(factor):
    size = 40
    side = int(size * factor)
    image = ramp(240, 240)
    cut = crop_frame(image, Crop(8 + side / 2, 12 + side / 2, side), size)
    centers = (np.arange(size) + 0.5) * factor - 0.5
    assert np.abs(cut[size // 2, 2:-2, 0] - (8 + centers)[2:-2]).max() <= 1
    assert np.abs(cut[2:-2, size // 2, 1] - (12 + centers)[2:-2]).max() <= 1


def test_shrinking_does_not_alias():
    checker = (np.indices((320, 320)).sum(axis=0) % 2 * 255).astype(np.uint8)
    cut = crop_frame(np.stack([checker] * 3, axis=2), Crop(160, 160, 320), 80)
    assert cut.min() > 110 and cut.max() < 145


def test_outside_repeats_the_edge():
    image = np.full((50, 50, 3), 77, np.uint8)
    assert (crop_frame(image, Crop(10, 10, 100), 50) == 77).all()


def test_a_still_face_gives_still_crops_though_its_poses_jitter():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (120, 120, 3), dtype=np.uint8)
    poses = [Pose(*(np.array([55, 60, 50, 60, 0.1]) + rng.normal(0, [2, 2, 2, 2, 0.05]))) for _ in range(8)]
    crop = clip_crop(poses, 1.35)
    crops = [crop_frame(image, crop, 64) for _ in poses]
    assert all(np.array_equal(crops[0], other) for other in crops)


@given(
    st.tuples(*[st.floats(-500, 500)] * 2),
    st.floats(20, 900),
    st.floats(-4, 4),
    st.integers(1, 300),
    st.integers(1, 300),
)
def test_any_crop_of_any_frame_can_be_taken(center, side, roll, height, width):
    image = np.full((height, width, 3), 9, np.uint8)
    cropped = crop_frame(image, Crop(*center, side, roll), 24)
    assert cropped.shape == (24, 24, 3) and (cropped == 9).all()


@pytest.mark.parametrize("roll", [0.0, 0.5, math.pi / 2, -3.0])
def test_the_matrix_maps_corners_to_corners(roll):
    crop = Crop(30, 40, 40, roll)
    matrix = crop_matrix(crop, 80)
    # A pixel edge at x of the frame has the centre coordinate x - 0.5; the edges of the crop are at -0.5 and 79.5.
    corners = [matrix @ [x - 0.5, y - 0.5, 1] for x, y in crop.corners]
    assert np.array(corners) == pytest.approx(
        np.array([[-0.5, -0.5], [79.5, -0.5], [79.5, 79.5], [-0.5, 79.5]]), abs=1e-4
    )
    assert bounds(crop).width == pytest.approx(40 * (abs(math.cos(roll)) + abs(math.sin(roll))))


@pytest.mark.parametrize(("size", "side"), [(40, 40), (20, 60)])
def test_a_crop_follows_a_quarter_turn_to_the_pixel(size, side):
    image = np.random.default_rng(0).integers(0, 255, (120, 120, 3), dtype=np.uint8)
    upright = crop_frame(image, Crop(40, 46, side), size)
    turned = np.ascontiguousarray(np.rot90(image, -1))  # clockwise: the point (x, y) comes to (120 - y, x)
    assert np.abs(crop_frame(turned, Crop(74, 40, side, math.pi / 2), size).astype(int) - upright).max() <= 1


MESH = np.random.default_rng(3).normal(0, [20, 30], (468, 2)).astype(np.float32)
MESH[[33, 263, 10, 152]] = [[-15, -10], [15, -10], [0, -40], [0, 40]]  # eyes, forehead and chin of an upright face


@pytest.mark.parametrize("degrees", [0, 20, 90, 179, -120])
def test_the_pose_of_a_rotated_mesh_differs_in_its_roll_alone(degrees):
    angle = math.radians(degrees)
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    upright, rotated = face_pose(MESH), face_pose((MESH @ rotation.T + (200, 100)).astype(np.float32))
    assert upright.roll == 0 and math.degrees(rotated.roll) == pytest.approx(degrees, abs=1e-3)
    assert (rotated.width, rotated.height) == pytest.approx((upright.width, upright.height), rel=1e-4)
    assert (rotated.x, rotated.y) == pytest.approx(tuple(rotation @ (upright.x, upright.y) + (200, 100)), abs=1e-2)


def test_the_roll_of_a_clip_is_the_median_also_of_faces_upside_down():
    degrees = [170, 178, -178, -176, -100]
    crop = clip_crop([Pose(0, 0, 1, 1, math.radians(d)) for d in degrees], 1.35)
    assert math.degrees(crop.roll) == pytest.approx(-178)


def test_no_poses_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        clip_crop([], 1.35)
