"""The choice among clips: even, bounded, the same whatever is known of how many will come."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facetell.faces.spread import Spread, clips_between, step_of
from facetell.types import Clip, Crop


def clip(number):
    return Clip(0, (float(number), number + 0.28), np.zeros((2, 2, 2, 3), np.uint8), Crop(1, 1, 2), 100.0)


def chosen(clips, most, to_come=lambda number: math.inf):
    """The numbers that are scored, those scored at once, and the largest number of clips held."""
    spread, at_once, most_held = Spread(most), [], 0
    for number in range(clips):
        sure = spread.add(clip(number), to_come(number))
        assert all(found.times[0] == key == number for key, found in sure.items())
        at_once += sure
        most_held = max(most_held, len(spread._held))
    held = spread.release()
    assert all(found.times[0] == key for key, found in held.items()) and not spread.holds
    return sorted([*at_once, *held]), at_once, most_held


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 400), st.integers(1, 40))
def test_the_choice_is_even_and_bounded(clips, most):
    numbers, at_once, held = chosen(clips, most)
    assert numbers == [*range(0, clips, step_of(clips, most))]  # the first, and to less than a step of the last
    assert min(clips, most / 2) <= len(numbers) <= most and held <= most
    assert at_once == numbers[:1]  # the first is chosen whatever follows


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 400), st.integers(1, 40), st.integers(0, 100))
def test_a_length_that_is_known_changes_when_clips_are_scored_and_not_which(clips, most, more):
    numbers, at_once, _ = chosen(clips, most, lambda number: clips - 1 - number + more)
    assert numbers == chosen(clips, most)[0] and set(at_once) <= set(numbers)
    if more == 0:
        assert at_once == numbers  # of a face that stays to the end none has to wait


def test_a_length_that_is_stated_too_short_costs_clips_and_changes_nothing():
    numbers, _, _ = chosen(3600, 16, lambda number: 0)
    right, _, _ = chosen(3600, 16)
    assert len(numbers) <= 16 * (1 + math.log2(3600 / 16) / 2) + 1
    assert [number for number in numbers if number % step_of(3600, 16) == 0] == right


def test_without_a_bound_all_are_scored_at_once():
    assert chosen(300, 0) == ([*range(300)], [*range(300)], 0)


@pytest.mark.parametrize("rate", [0.5, 1.0, 3.0])
def test_so_many_clips_can_follow(rate):
    assert clips_between(0.0, 60.0, rate) == 60 * rate
    assert clips_between(10.0, 5.0, rate) == 0
    assert clips_between(0.0, math.inf, rate) == math.inf
