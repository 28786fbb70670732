"""The choice among clips: even, bounded, and independent of what is known of the number to come."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from facetell.faces.spread import Spread, step_of
from facetell.types import Clip, Crop


def chosen(clips, most, to_come=lambda number: math.inf):
    """The numbers that are scored, those scored at once, and the largest number of clips held."""
    spread, at_once, most_held = Spread(most), [], 0
    for number in range(clips):
        clip = Clip(0, (float(number), number + 0.28), np.zeros((2, 2, 2, 3), np.uint8), Crop(1, 1, 2), 100.0)
        at_once += spread.add(clip, to_come(number))
        most_held = max(most_held, len(spread._held))
    held = spread.release()
    assert all(clip.times[0] == number for number, clip in held.items()) and not spread.holds
    return sorted([*at_once, *held]), at_once, most_held


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 400), st.integers(1, 40), st.integers(0, 100))
def test_the_choice_is_even_bounded_and_independent_of_a_stated_length(clips, most, more):
    numbers, at_once, held = chosen(clips, most)
    assert numbers == [*range(0, clips, step_of(clips, most))]
    assert min(clips, most / 2) <= len(numbers) <= most and held <= most
    assert at_once == numbers[:1]  # the first is chosen whatever follows
    same, at_once, _ = chosen(clips, most, lambda number: clips - 1 - number + more)
    assert same == numbers and set(at_once) <= set(numbers)
    assert more or at_once == numbers  # a face in view to the stated end: no clip has to wait


def test_a_length_that_is_stated_too_short_adds_scores_that_are_not_used():
    numbers, _, _ = chosen(3600, 16, lambda number: 0)
    assert len(numbers) <= 16 * (1 + math.log2(3600 / 16) / 2) + 1
    assert [number for number in numbers if number % step_of(3600, 16) == 0] == chosen(3600, 16)[0]
