"""The parts of forging against known answers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facetell.forge import mesh
from facetell.forge.colour import (
    ColourConfig,
    SharpnessConfig,
    apply_colour,
    apply_sharpness,
    blend,
    draw_colour,
    draw_sharpness,
    match_colour,
)
from facetell.forge.degrade import Coder, jpeg, lower_rate_order, recode_within
from facetell.forge.masks import MaskConfig, draw_mask, fill, soften
from facetell.forge.paint import most_opened, paint_mouth
from facetell.forge.reenact import ReenactConfig, animate, borrowed_motion, plan, reflected
from facetell.forge.swap import carry
from facetell.forge.temporal import coloured_noise, repeat_order
from facetell.forge.warp import border_points, bump_field, grid_nodes, remap_field, spline_field
from facetell.types import FloatArray, UInt8Array

FaceClip = tuple[UInt8Array, FloatArray]


def noise_picture(seed: int = 0, size: tuple[int, int] = (48, 64)) -> UInt8Array:
    """A smooth random picture, so that sub-pixel shifts are nearly linear."""
    raw = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    soft = np.asarray(cv2.GaussianBlur(raw, (0, 0), 3), dtype=np.float32)
    return np.asarray(20 + 210 * (soft - soft.min()) / np.ptp(soft), dtype=np.uint8)


# --- mesh


def test_regions_lie_where_a_face_has_them(woman_face: FaceClip) -> None:
    points = woman_face[1][0]
    middle = {name: points[indices].mean(axis=0) for name, indices in mesh.REGIONS.items()}
    assert middle["right_eye"][0] < middle["nose"][0] < middle["left_eye"][0]
    assert middle["right_eye"][1] < middle["nose"][1] < middle["mouth"][1]
    hull = cv2.convexHull(points[mesh.OVAL])
    share_inside = np.mean([cv2.pointPolygonTest(hull, tuple(map(float, p)), False) >= 0 for p in points])
    assert share_inside > 0.95
    for ring in (mesh.OVAL, mesh.LIPS_OUTER, mesh.LIPS_INNER, mesh.RIGHT_EYE, mesh.LEFT_EYE):
        steps = np.linalg.norm(np.diff(points[np.append(ring, ring[0])], axis=0), axis=1)
        assert steps.max() < 0.3 * np.ptp(points[ring], axis=0).max() + 1  # neighbours in the list are neighbours
    assert len(mesh.CONTROL) + 12 + 3 < 100


@settings(max_examples=40, deadline=None)
@given(turn=st.floats(-3, 3), scale=st.floats(0.2, 4), x=st.floats(-50, 50), y=st.floats(-50, 50))
def test_a_similarity_is_found_again(turn: float, scale: float, x: float, y: float) -> None:
    points = np.random.default_rng(1).normal(0, 10, (12, 2)).astype(np.float32)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = (points @ linear.T + (x, y)).astype(np.float32)
    matrix = mesh.similarity(points, moved)
    np.testing.assert_allclose(matrix, np.hstack([linear, [[x], [y]]]), atol=1e-3)
    np.testing.assert_allclose(mesh.transform(points, matrix), moved, atol=1e-3)


def test_smoothing_keeps_a_constant_and_a_sum() -> None:
    constant = np.full((9, 468, 2), 5.0, np.float32)
    np.testing.assert_allclose(mesh.smooth(constant, 2.0), constant, atol=1e-5)
    impulse = np.zeros((21, 1, 2), np.float32)
    impulse[10] = 1
    smoothed = mesh.smooth(impulse, 1.5)
    assert smoothed.sum() == pytest.approx(2, abs=1e-4)
    expected = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    np.testing.assert_allclose(smoothed[5:16, 0, 0], expected / expected.sum(), atol=2e-3)  # cut at 3 sigma
    assert mesh.smooth(impulse, 0) is impulse


# --- warp


def test_a_field_of_nothing_changes_nothing() -> None:
    image = noise_picture()
    field = np.zeros_like(grid_nodes((48, 64), 20))
    np.testing.assert_array_equal(remap_field(image, field), image)


def test_a_constant_field_shifts() -> None:
    image = noise_picture()
    field = np.zeros_like(grid_nodes((48, 64), 20))
    field[..., 0] = 3
    np.testing.assert_array_equal(remap_field(image, field)[:, :-3], image[:, 3:])


def test_a_linear_field_is_exact_between_its_nodes() -> None:
    """Nodes and pixels agree on where they are: a field that is linear in place comes out so."""
    size, face = (60, 100), 160.0
    nodes = grid_nodes(size, face)
    dense = cv2.resize(nodes, (100, 60), interpolation=cv2.INTER_LINEAR)
    inner = np.s_[4:-4, 4:-4]
    np.testing.assert_allclose(dense[..., 0][inner], np.tile(np.arange(100.0), (60, 1))[inner], atol=1e-3)
    np.testing.assert_allclose(dense[..., 1][inner], np.tile(np.arange(60.0)[:, None], (1, 100))[inner], atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), height=st.integers(40, 200), width=st.integers(40, 200))
def test_a_spline_passes_through_its_points_and_keeps_affine_maps(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    size = (height, width)
    nodes = grid_nodes(size, 64)
    flat = nodes.reshape(-1, 2)
    at = np.sort(rng.choice(len(flat), 12, replace=False))
    points = flat[at][None]
    source = points + rng.normal(0, 2, points.shape).astype(np.float32)
    field = spline_field(nodes, points, source, stiffness=1e-9).reshape(-1, 2)
    np.testing.assert_allclose(field[at], (source - points)[0], atol=0.02)
    matrix = np.array([[1.1, 0.1], [-0.2, 0.9]], np.float32)
    border = border_points(size)[None]
    affine = spline_field(nodes, border, border @ matrix.T + 4, stiffness=1e-9)
    np.testing.assert_allclose(affine[0], nodes @ matrix.T + 4 - nodes, atol=0.02)


def test_a_bump_is_a_gaussian_of_its_radius() -> None:
    nodes = grid_nodes((80, 80), 8)
    point, push = nodes[7, 9], np.array([2.0, -1.0], np.float32)
    field = bump_field(nodes, point[None, None], push[None, None], 10.0)[0]
    np.testing.assert_allclose(field[7, 9], push, atol=1e-5)
    distance = np.linalg.norm(nodes[12, 3] - point)
    np.testing.assert_allclose(field[12, 3], push * np.exp(-(distance**2) / 200), atol=1e-5)


def test_animating_onto_its_own_landmarks_changes_nothing(woman_face: FaceClip) -> None:
    frames, landmarks = woman_face
    still = animate(frames[0], landmarks[0], np.repeat(landmarks[:1], 3, axis=0), 0.5)
    np.testing.assert_array_equal(still, np.repeat(frames[:1], 3, axis=0))


def test_animating_moves_the_landmarks_where_they_should_go(woman_face: FaceClip) -> None:
    """A dot painted on a landmark is found at that landmark's goal."""
    frames, landmarks = woman_face
    for index in (1, 61, 159, 152):
        dotted = np.zeros_like(frames[0])
        cv2.circle(dotted, tuple(np.round(landmarks[0, index] * 16).astype(int).tolist()), 48, (255,) * 3, -1, 8, 4)
        goals = landmarks[:1] + np.array([4.0, -3.0], np.float32)
        goals[:, np.union1d(mesh.LIPS_OUTER, mesh.LIPS_INNER)] += np.array([0.0, 2.0], np.float32)
        moved = animate(dotted, landmarks[0], goals, 1.0)[0, ..., 0].astype(float)
        y, x = np.mgrid[: moved.shape[0], : moved.shape[1]]
        center = np.array([(moved * x).sum(), (moved * y).sum()]) / moved.sum()
        np.testing.assert_allclose(center, goals[0, index], atol=1.2)


def test_carrying_a_face_onto_itself_moved_is_a_shift(woman_face: FaceClip) -> None:
    frames, landmarks = woman_face
    moved = carry(frames[:1], landmarks[:1], landmarks[:1] + np.float32(5), (160, 160))[0]
    inside = np.s_[60:110, 60:110]
    np.testing.assert_allclose(
        moved[inside].astype(float), frames[0][55:105, 55:105].astype(float), atol=3
    )  # the spline is exact for shifts but for rounding


# --- masks and blending


def test_a_filled_square_covers_its_pixels() -> None:
    points = np.array([[[8, 8], [24, 8], [24, 24], [8, 24]]], np.float32)
    mask = fill(points, [np.arange(4)], (40, 40))
    assert mask.shape == (1, 20, 20)
    assert mask[0, 5:11, 5:11].all() and not mask[0, :3].any() and not mask[0, :, 14:].any()


def test_softening_stays_within_bounds_and_ends() -> None:
    half = np.zeros((1, 32, 32), np.float32)
    half[0, 10:22, 10:22] = 1
    soft = soften(half, 3, 4)
    assert soft.shape == (1, 64, 64) and soft.max() <= 1 and soft.min() == 0
    assert soft[0, 32, 32] > 0.9 and soft[0, 0, 0] == 0


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(17, 120),
    width=st.integers(17, 120),
    length=st.integers(1, 5),
    x=st.floats(-1.2, 1.2),
    y=st.floats(-1.2, 1.2),
    spread=st.sampled_from([0.0, 0.02, 0.5, 3.0]),
    seed=st.integers(0, 50),
)
def test_a_mask_is_sound_wherever_the_face_is(
    height: int, width: int, length: int, x: float, y: float, spread: float, seed: int
) -> None:
    """Faces at and beyond the frame's edge, of no extent, of any size."""
    rng = np.random.default_rng(seed)
    shape = rng.normal(0, spread * min(height, width), (1, 468, 2)) + np.array([x * width, y * height])
    landmarks = np.repeat(shape, length, axis=0).astype(np.float32)
    mask = draw_mask(landmarks, (height, width), rng, MaskConfig())
    assert mask.shape == (length, height, width) and mask.dtype == np.float32
    assert mask.min() >= 0 and mask.max() <= 1


def test_blending_by_hand() -> None:
    target, source = np.full((1, 2, 2, 3), 100, np.uint8), np.full((1, 2, 2, 3), 201, np.uint8)
    mask = np.array([[[0, 0.25], [0.5, 1]]], np.float32)
    # 100 + .25 x 101 = 125.25; 100 + .5 x 101 = 150.5, rounded to even.
    np.testing.assert_array_equal(blend(target, source, mask)[0, ..., 0], [[100, 125], [150, 201]])


# --- colour


def test_no_colour_change_changes_nothing() -> None:
    frames = noise_picture()[None]
    nothing = ColourConfig(rgb=0, hue=0, saturation=0, value=0, brightness=0, contrast=0, probability=1.0)
    matrix = draw_colour(np.random.default_rng(0), nothing)
    np.testing.assert_allclose(matrix, np.eye(3, 4), atol=1e-5)
    np.testing.assert_array_equal(apply_colour(frames, matrix), frames)


def test_colour_changes_keep_to_their_ranges() -> None:
    config = ColourConfig(probability=1.0, hue=0, saturation=0, value=0, brightness=0, contrast=0)
    shifts = np.array([draw_colour(np.random.default_rng(i), config)[:, 3] for i in range(300)])
    assert 17 < np.abs(shifts).max() <= 20
    assert np.median(np.abs(shifts)) < 6
    greys = ColourConfig(probability=1.0, rgb=0, value=0, brightness=0, contrast=0)
    for i in range(20):  # hue and saturation leave grey alone
        np.testing.assert_allclose(draw_colour(np.random.default_rng(i), greys)[:, :3].sum(axis=1), 1, atol=1e-5)


def test_sharpness_by_its_energy() -> None:
    frames = np.random.default_rng(0).integers(60, 200, (1, 64, 64, 3), dtype=np.uint8)

    def detail(clip: UInt8Array) -> float:
        return float(np.abs(np.diff(clip.astype(float), axis=2)).mean())

    assert apply_sharpness(frames, 1.0) is frames
    assert detail(apply_sharpness(frames, 0.25)) < detail(apply_sharpness(frames, 0.5)) < 0.6 * detail(frames)
    assert detail(apply_sharpness(frames, 1.5)) > 1.2 * detail(frames)
    drawn = {draw_sharpness(np.random.default_rng(i), SharpnessConfig()) for i in range(60)}
    assert {0.25, 0.5, 1.0} < drawn and max(drawn) <= 1.8


def test_matched_colours_have_the_targets_mean_and_spread(woman_face: FaceClip, man_face: FaceClip) -> None:
    """Reinhard in Lab: means and deviations of the matched face are those of the target's, measured apart."""
    source = np.stack([cv2.resize(frame, (160, 160)) for frame in man_face[0]])
    target = woman_face[0][: len(source)]
    mask = np.zeros(source.shape[:3], np.float32)
    mask[:, 50:110, 50:110] = 1
    matched = match_colour(source, mask, target, mask)

    def statistics(frames: UInt8Array) -> FloatArray:
        lab = cv2.cvtColor(frames[0, 50:110, 50:110], cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float32)
        return np.stack([lab.mean(axis=0), lab.std(axis=0)])

    before = np.abs(statistics(source) - statistics(target))
    after = np.abs(statistics(matched) - statistics(target))
    assert before[0].max() > 10 and after[0].max() < 3 and after[1].max() < 3


# --- time


@settings(max_examples=60, deadline=None)
@given(length=st.integers(1, 40), share=st.floats(0.05, 0.5), seed=st.integers(0, 100))
def test_an_order_of_repeats_is_near_and_never_empty(length: int, share: float, seed: int) -> None:
    order = repeat_order(length, np.random.default_rng(seed), share)
    assert order.shape == (length,) and order.min() >= 0 and order.max() < length
    moved = int((order != np.arange(length)).sum())
    assert moved == 0 if length == 1 else moved >= max(1, round(share * length))


def test_coloured_noise_has_unit_variance_and_its_memory() -> None:
    noise = coloured_noise(np.random.default_rng(0), (4000, 4), 0.7)
    assert noise.std() == pytest.approx(1, rel=0.05)
    assert float((noise[1:] * noise[:-1]).mean()) == pytest.approx(0.7, abs=0.05)


def test_indices_reflect() -> None:
    np.testing.assert_array_equal(reflected(np.arange(8), 4), [0, 1, 2, 3, 2, 1, 0, 1])
    np.testing.assert_array_equal(reflected(np.arange(3), 1), [0, 0, 0])


# --- reenactment


def test_borrowed_motion_is_the_drivers(woman_face: FaceClip) -> None:
    """A driver that is the portrait itself, shifted, turned and scaled, gives the portrait's own motion."""
    landmarks = woman_face[1]
    turn = np.array([[0, -2.0], [2.0, 0]], np.float32)
    driver = landmarks @ turn.T + np.float32(30)
    goals = borrowed_motion(landmarks[0], driver, 0, len(landmarks))
    np.testing.assert_allclose(goals - goals[0], landmarks - landmarks[0], atol=0.02)


def test_a_performance_in_pieces_is_the_performance(woman_face: FaceClip) -> None:
    frames, landmarks = woman_face
    config = ReenactConfig(texture=(0, 0))
    rng = np.random.default_rng(0)
    performance = plan((frames[0], landmarks[0]), landmarks, None, rng, config)
    whole = performance.render(rng)
    pieces = np.concatenate([performance.render(rng, t, t + 2) for t in range(0, len(frames), 2)])
    np.testing.assert_array_equal(whole, pieces)


def test_a_mouth_is_painted_only_where_it_opens(woman_face: FaceClip) -> None:
    frames, landmarks = woman_face
    rest = landmarks[0].copy()
    rest[mesh.LIPS_INNER[11:]] = rest[mesh.LIPS_INNER[9:0:-1]]  # shut: the lower ring lies on the upper
    goals = np.stack([rest, rest])
    goals[1, mesh.LIPS_INNER[11:], 1] += 10
    painted = np.stack([frames[0], frames[0]])
    paint_mouth(painted, (frames[0], rest), goals, None, teeth=False)
    np.testing.assert_array_equal(painted[0], frames[0])
    middle = np.round(goals[1, mesh.LIPS_INNER].mean(axis=0)).astype(int)
    assert painted[1][middle[1], middle[0]].mean() < 0.7 * frames[0][middle[1], middle[0]].mean()
    changed = (painted[1] != frames[0]).any(axis=2)
    assert changed.mean() < 0.03
    assert most_opened(goals, rest) == 1 and most_opened(goals[:1], rest) is None


# --- degradation


def test_a_lead_is_cut_off_again() -> None:
    clip = np.stack([noise_picture(1)] * 5)
    clip[2:] = noise_picture(2)
    coder = Coder("libx264", {"crf": "10", "preset": "ultrafast"}, 25)
    for lead in (0, 3, 9):
        back = recode_within(clip, coder, lead)
        assert back.shape == clip.shape
        assert np.abs(back.astype(float) - clip).mean() < 4


def test_a_lower_rate_repeats_frames_evenly() -> None:
    np.testing.assert_array_equal(lower_rate_order(8, 0.5, 0.0), [0, 0, 2, 2, 4, 4, 6, 6])
    np.testing.assert_array_equal(lower_rate_order(6, 1.0, 0.3), [0, 1, 2, 3, 4, 5])
    # 24 of 30 frames a second: one of five is shown twice.
    order = lower_rate_order(50, 0.8, 0.25)
    assert (np.diff(order) >= 0).all() and (order <= np.arange(50)).all()
    assert int((np.diff(order) == 0).sum()) == pytest.approx(10, abs=1)


def test_jpeg_weighs_colours_as_rgb() -> None:
    """Brightness, kept at full size, is mostly green, then red, then blue: so much of each one's detail is kept."""
    rng = np.random.default_rng(0)
    lost = []
    for channel in range(3):
        clip = np.full((1, 64, 64, 3), 90, np.uint8)
        clip[..., channel] += rng.integers(0, 80, (1, 64, 64)).astype(np.uint8)
        lost.append(np.abs(jpeg(clip, 80).astype(int) - clip)[..., channel].mean())
    assert lost[1] < lost[0] - 2 and lost[0] < lost[2] - 2
