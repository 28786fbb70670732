"""The parts of forging against known answers."""

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from facetell.forge import mesh
from facetell.forge.degrade import Coder, recode_within
from facetell.forge.pixels import border_points, grid_nodes, spline_field
from facetell.forge.reenact import animate, borrowed_motion, most_opened, paint_mouth


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), height=st.integers(40, 200), width=st.integers(40, 200))
def test_a_spline_interpolates_its_points_and_affine_maps(seed, height, width):
    rng = np.random.default_rng(seed)
    nodes = grid_nodes((height, width), 64)
    flat = nodes.reshape(-1, 2)
    at = np.sort(rng.choice(len(flat), 12, replace=False))
    points = flat[at][None]
    source = points + rng.normal(0, 2, points.shape).astype(np.float32)
    field = spline_field(nodes, points, source, stiffness=1e-9).reshape(-1, 2)
    np.testing.assert_allclose(field[at], (source - points)[0], atol=0.02)
    matrix = np.array([[1.1, 0.1], [-0.2, 0.9]], np.float32)
    border = border_points((height, width))[None]
    affine = spline_field(nodes, border, border @ matrix.T + 4, stiffness=1e-9)
    np.testing.assert_allclose(affine[0], nodes @ matrix.T + 4 - nodes, atol=0.02)


def test_animate_moves_landmarks_to_their_goals(woman_face):
    """A dot painted on a landmark is found at the goal of that landmark; without motion nothing changes."""
    frames, landmarks = woman_face
    still = animate(frames[0], landmarks[0], np.repeat(landmarks[:1], 2, axis=0), 0.5)
    np.testing.assert_array_equal(still, np.repeat(frames[:1], 2, axis=0))
    for index in (1, 61, 159, 152):
        dotted = np.zeros_like(frames[0])
        cv2.circle(dotted, tuple(np.round(landmarks[0, index] * 16).astype(int).tolist()), 48, (255,) * 3, -1, 8, 4)
        goals = landmarks[:1] + np.array([4.0, -3.0], np.float32)
        goals[:, np.union1d(mesh.LIPS_OUTER, mesh.LIPS_INNER)] += np.array([0.0, 2.0], np.float32)
        moved = animate(dotted, landmarks[0], goals, 1.0)[0, ..., 0].astype(float)
        y, x = np.mgrid[: moved.shape[0], : moved.shape[1]]
        center = np.array([(moved * x).sum(), (moved * y).sum()]) / moved.sum()
        np.testing.assert_allclose(center, goals[0, index], atol=1.2)


def test_borrowed_motion_is_that_of_the_driver(woman_face):
    """A driver that is the portrait itself, shifted, rotated and scaled, gives the motion of the portrait."""
    landmarks = woman_face[1]
    driver = landmarks @ np.array([[0, -2.0], [2.0, 0]], np.float32).T + np.float32(30)
    goals = borrowed_motion(landmarks[0], driver, 0, len(landmarks))
    np.testing.assert_allclose(goals - goals[0], landmarks - landmarks[0], atol=0.02)


def test_a_mouth_is_painted_only_where_it_opens(woman_face):
    frames, landmarks = woman_face
    rest = landmarks[0].copy()
    rest[mesh.LIPS_INNER[11:]] = rest[mesh.LIPS_INNER[9:0:-1]]  # closed: the lower ring is on the upper
    goals = np.stack([rest, rest])
    goals[1, mesh.LIPS_INNER[11:], 1] += 10
    painted = np.stack([frames[0], frames[0]])
    paint_mouth(painted, (frames[0], rest), goals, None, teeth=False)
    np.testing.assert_array_equal(painted[0], frames[0])
    middle = np.round(goals[1, mesh.LIPS_INNER].mean(axis=0)).astype(int)
    assert painted[1][middle[1], middle[0]].mean() < 0.7 * frames[0][middle[1], middle[0]].mean()
    assert (painted[1] != frames[0]).any(axis=2).mean() < 0.03
    assert most_opened(goals, rest) == 1 and most_opened(goals[:1], rest) is None


def test_a_lead_is_removed_again(woman_face):
    for lead in (0, 3, 9):
        back = recode_within(woman_face[0][:5], Coder("libx264", {"crf": "10", "preset": "ultrafast"}, 25), lead)
        assert back.shape[0] == 5 and np.abs(back.astype(float) - woman_face[0][:5]).mean() < 4
