"""The choice among clips: even, bounded, and independent of what is known of the time to come."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from facetell.faces.spread import Spread, step_of
from facetell.types import Clip, Crop

START = 7  # number of the first period with a clip


def chosen(usable, most, last=math.inf):
    """The periods that are scored, those scored at once, those of which a clip is cropped, and the most clips held.

    ``usable`` states of each period whether its clip can be scored; None where there is none.
    """
    spread, at_once, cropped, most_held = Spread(most), [], [], 0
    for number, is_usable in enumerate(usable):
        if is_usable is None or not spread.wants(START + number):
            continue
        cropped.append(number)
        if is_usable:
            clip = Clip(0, (float(number), number + 0.28), np.zeros((2, 2, 2, 3), np.uint8), Crop(1, 1, 2), 100.0)
            at_once += spread.add(clip, START + number, START + last)
        else:
            spread.close(START + number)
        most_held = max(most_held, len(spread._held))
    held = spread.release()
    assert all(clip.times[0] == cropped[0] + number for number, clip in held.items()) and not spread.holds
    assert set(spread.chosen) <= {*at_once, *held}
    first = cropped[0] if cropped else 0
    return [first + number for number in spread.chosen], [first + number for number in at_once], cropped, most_held


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 400), st.integers(1, 40), st.integers(0, 100))
def test_the_choice_is_even_bounded_and_independent_of_a_stated_length(periods, most, more):
    numbers, at_once, cropped, held = chosen([True] * periods, most)
    assert numbers == [*range(0, periods, step_of(periods, most))]
    assert min(periods, most / 2) <= len(numbers) <= most and held <= most
    assert at_once == numbers[:1]  # the first is chosen whatever follows
    assert len(cropped) <= most * (1 + math.log2(max(1, periods / most)) / 2) + math.log2(periods) + 1
    same, at_once, *_ = chosen([True] * periods, most, periods - 1 + more)
    assert same == numbers and set(at_once) <= set(numbers)
    assert more or at_once == numbers  # a face in view to the stated end: no clip has to wait


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([True, True, False, None]), max_size=300), st.integers(1, 20))
def test_gaps_are_filled_from_the_same_stretch_and_few_clips_are_all_chosen(usable, most):
    numbers, _, cropped, held = chosen(usable, most)
    scored = [number for number in cropped if usable[number]]
    assert set(numbers) <= set(scored) and held <= most
    assert numbers == scored if len(scored) <= most else most / 2 <= len(numbers) <= most
    if usable.count(True) <= most:
        assert scored == [number for number, is_usable in enumerate(usable) if is_usable]


def test_a_length_that_is_stated_too_short_adds_scores_that_are_not_used():
    numbers, at_once, *_ = chosen([True] * 3600, 16, 0)
    assert numbers == chosen([True] * 3600, 16)[0] and set(numbers) < set(at_once)
    assert len(at_once) <= 16 * (1 + math.log2(3600 / 16) / 2) + 1


def test_periods_without_a_needed_clip_are_passed_once():
    spread, passed = Spread(2), []
    for number in range(12):
        if spread.wants(number):
            spread.close(number) if number == 4 else spread.add(
                Clip(0, (float(number),), np.zeros((1, 2, 2, 3), np.uint8), Crop(1, 1, 2), 100.0), number
            )
        passed += [spread.passes(number) for _ in range(2)]
    assert [place // 2 for place, count in enumerate(passed) if count] == [3, 5, 7, 9, 10, 11] and max(passed) == 1
    spread = Spread(2)
    spread.add(Clip(0, (0.0,), np.zeros((1, 2, 2, 3), np.uint8), Crop(1, 1, 2), 100.0), 0)
    spread.step = 8
    assert spread.passes(5) == 5 and spread.passes(9) == 2, "a period is counted even if no frame of it was searched"
