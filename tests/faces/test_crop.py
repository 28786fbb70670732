import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facetell.faces.crop import clip_crop, crop_frame, crop_matrix, face_pose
from facetell.types import Crop, Pose


def ramp(height, width):
    ys, xs = np.mgrid[0:height, 0:width]
    return np.stack([xs, ys, np.zeros_like(xs)], axis=2).astype(np.uint8)


def test_shifts_are_exact_and_sub_pixel():
    image = ramp(100, 120)
    assert np.array_equal(crop_frame(image, Crop(46, 36, 32), 32), image[20:52, 30:62])
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, 16:] = 200
    assert crop_frame(image, Crop(16.5, 16, 32), 32)[16, 14:17, 0].tolist() == [0, 100, 200]


@pytest.mark.parametrize("factor", [2, 3, 5.5])
def test_shrinking_averages_and_stays_in_place(factor):
    size = 40
    side = int(size * factor)
    cropped = crop_frame(ramp(240, 240), Crop(8 + side / 2, 12 + side / 2, side), size)
    centers = (np.arange(size) + 0.5) * factor - 0.5
    assert np.abs(cropped[size // 2, 2:-2, 0] - (8 + centers)[2:-2]).max() <= 1
    assert np.abs(cropped[2:-2, size // 2, 1] - (12 + centers)[2:-2]).max() <= 1


def test_shrinking_does_not_alias():
    checker = (np.indices((320, 320)).sum(axis=0) % 2 * 255).astype(np.uint8)
    cropped = crop_frame(np.stack([checker] * 3, axis=2), Crop(160, 160, 320), 80)
    assert cropped.min() > 110 and cropped.max() < 145


@given(st.tuples(*[st.floats(-500, 500)] * 2), st.floats(20, 900), st.floats(-4, 4), *[st.integers(1, 300)] * 2)
def test_any_crop_of_any_frame_is_possible_and_outside_repeats_the_edge(center, side, roll, height, width):
    cropped = crop_frame(np.full((height, width, 3), 9, np.uint8), Crop(*center, side, roll), 24)
    assert cropped.shape == (24, 24, 3) and (cropped == 9).all()


@pytest.mark.parametrize("roll", [0.0, 0.5, math.pi / 2, -3.0])
def test_the_matrix_maps_corners_to_corners(roll):
    crop = Crop(30, 40, 40, roll)
    # A pixel edge at x of the frame has the centre coordinate x - 0.5; the edges of the crop are at -0.5 and 79.5.
    corners = np.array([crop_matrix(crop, 80) @ [x - 0.5, y - 0.5, 1] for x, y in crop.corners])
    assert corners == pytest.approx(np.array([[-0.5, -0.5], [79.5, -0.5], [79.5, 79.5], [-0.5, 79.5]]), abs=1e-4)


@pytest.mark.parametrize(("size", "side"), [(40, 40), (20, 60)])
def test_a_crop_follows_a_quarter_turn_to_the_pixel(size, side):
    image = np.random.default_rng(0).integers(0, 255, (120, 120, 3), dtype=np.uint8)
    upright = crop_frame(image, Crop(40, 46, side), size)
    turned = np.ascontiguousarray(np.rot90(image, -1))  # clockwise: the point (x, y) moves to (120 - y, x)
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
    crop = clip_crop([Pose(0, 0, 1, 1, math.radians(d)) for d in [170, 178, -178, -176, -100]], 1.35)
    assert math.degrees(crop.roll) == pytest.approx(-178)
