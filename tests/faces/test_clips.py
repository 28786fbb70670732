"""Which frames are taken, which of them become clips, and the choice among the clips of a face."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facetell.faces.clips import ClipAssembler, FrameSampler, jump_cut
from facetell.faces.spread import FEW, Spread, step_of
from facetell.types import Clip, Crop, Frame, Pose


def taken(fps, times, rate=25.0):
    sampler = FrameSampler(fps, rate)
    return [(time, number) for time in times if (number := sampler.take(time)) is not None]


@pytest.mark.parametrize(
    ("fps", "every"), [(24, 1), (25, 1), (29.97, 1), (30, 1), (50, 2), (60, 2), (120, 5), (240, 10), (15, 1)]
)
def test_constant_rates_are_thinned_evenly(fps, every):
    times = [round(i / fps, 3 if fps == 30 else 9) for i in range(480)]
    chosen = taken(fps, times)
    assert [time for time, _ in chosen] == times[::every]
    assert np.all(np.diff([number for _, number in chosen]) == 1)


def test_a_hole_in_time_breaks_the_numbering_and_a_dropped_frame_does_not():
    times = [i / 25 for i in range(10)] + [1 + i / 25 for i in range(10)]
    assert np.diff([number for _, number in taken(25, times)]).tolist() == [1] * 9 + [2] + [1] * 9
    sampler = FrameSampler(25, 25.0)
    assert [sampler.take(i / 25) for i in range(20) if i != 10] == [*range(1, 20)]
    assert sampler.uneven == pytest.approx(1 / 19)


@pytest.mark.parametrize(("before", "after"), [(60, 15), (60, 30), (30, 60), (24, 120)])
def test_the_step_follows_a_change_of_rate(before, after):
    times = [i / before for i in range(2 * before)] + [2 + i / after for i in range(2 * after)]
    chosen = taken(len(times) / 4, times)  # a file states the average rate
    own = {rate: max(1, round(rate / 25)) / rate for rate in (before, after)}
    for rate, t0, t1 in ((before, 0.5, 2), (after, 2.7, 4)):
        steps = np.diff([time for time, _ in chosen if t0 < time < t1])
        assert len(steps) > 10 and steps == pytest.approx(own[rate])
    if own[before] != pytest.approx(own[after], rel=0.1):
        assert 2 in np.diff([number for time, number in chosen if 1.9 < time < 2.7])


@pytest.mark.parametrize("fps", [24, 30])
def test_all_frames_are_taken_after_some_that_were_left_out(fps):
    sampler = FrameSampler(fps, 25.0)
    numbers = [sampler.take(i / fps) for i in range(fps)]
    sampler.resume()
    numbers += [sampler.take(7 + i / fps) for i in range(fps)]
    assert np.diff(numbers).tolist() == [*[1] * (fps - 1), 2, *[1] * (fps - 1)]
    assert sampler.uneven == 0 and sampler.takes_all and not FrameSampler(60, 25.0).takes_all


def face(x=50.0, width=40.0):
    return Pose(x, 30 + width / 2, width, width, 0.0)


def grey(index):
    return Frame(index, index / 25, np.full((100, 100, 3), index % 250, np.uint8))


def noisy(index, background=0):
    noise = np.random.default_rng(index).integers(0, 4, (100, 100, 3))
    cells = np.random.default_rng(background).integers(0, 200, (10, 10, 3), dtype=np.uint8)
    return Frame(index, index / 25, (cells.repeat(10, 0).repeat(10, 1) + noise).astype(np.uint8))


def run(count, faces_at=lambda i: {0: face()}, number_of=lambda i: i, frame_of=grey, period=1.0):
    assembler = ClipAssembler(8, 32, 1.35, period)
    return [clip for i in range(count) for clip in assembler.push(number_of(i), frame_of(i), faces_at(i))]


def test_every_period_of_a_track_gives_one_clip_of_consecutive_frames():
    clips = run(100)
    assert [round(clip.times[0], 2) for clip in clips] == [0, 1, 2, 3]
    for clip in clips:
        assert clip.frames.shape == (8, 32, 32, 3)
        assert np.diff(clip.times) == pytest.approx([0.04] * 7)
        assert np.diff(clip.frames[:, 0, 0, 0].astype(int)).tolist() == [1] * 7
    assert len(run(100, period=0.5)) == 8 and run(7) == []


@pytest.mark.parametrize(
    ("how", "start"),
    [
        ({"faces_at": lambda i: {} if i == 4 else {0: face()}}, 5),
        ({"number_of": lambda i: i if i < 4 else i + 1}, 4),  # a hole in time
        ({"faces_at": lambda i: {0: face(30 if i < 4 else 80)}}, 4),  # a jump of the face
        ({"frame_of": lambda i: noisy(i, background=i >= 5)}, 5),  # a jump cut that leaves the face in its place
    ],
)
def test_a_clip_never_reaches_across_a_discontinuity(how, start):
    assert [clip.times[0] for clip in run(25, **how)] == [pytest.approx(start / 25)]


def test_fast_motion_flashes_and_key_frames_are_no_cut():
    image = noisy(0).image
    shaken = np.stack([np.roll(image, 4 * (i % 3), axis=1) for i in range(8)])
    popped = np.stack([np.clip(image + 3 * (i >= 4), 0, 255).astype(np.uint8) for i in range(8)])
    flash = np.stack([np.clip(image.astype(int) + 60 * (i == 4), 0, 255).astype(np.uint8) for i in range(8)])
    cut = np.stack([noisy(i, background=i >= 5).image for i in range(8)])
    assert [jump_cut(clip) for clip in (shaken, popped, flash, cut)] == [0, 0, 0, 5]


# --- the choice: even, bounded, and independent of what is known of the time to come


START = 7  # number of the first period with a clip


def chosen(usable, most, last=math.inf):
    """The periods scored, scored at once, and cropped, and the most clips held; ``usable``: None without a clip."""
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
        most_held = max(most_held, len(spread.held))
    held = spread.release()
    assert all(clip.times[0] == cropped[0] + number for number, clip in held.items()) and not spread.held
    assert set(spread.chosen) <= {*at_once, *held}
    first = cropped[0] if cropped else 0
    return [first + number for number in spread.chosen], [first + number for number in at_once], cropped, most_held


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 400), st.integers(1, 40), st.integers(0, 100))
def test_the_choice_is_even_bounded_and_independent_of_a_stated_length(periods, most, more):
    numbers, at_once, cropped, held = chosen([True] * periods, most)
    assert numbers == [*range(0, periods, step_of(periods, most))]
    assert min(periods, min(most, FEW) / 2) <= len(numbers) <= most and held <= most
    assert at_once == numbers[:1]  # the first is chosen whatever follows
    assert len(cropped) <= most * (1 + math.log2(max(1, periods / min(most, FEW))) / 2) + math.log2(periods) + 1
    same, at_once, *_ = chosen([True] * periods, most, periods - 1 + more)
    assert same == numbers and set(at_once) <= set(numbers)
    assert more or at_once == numbers  # a face in view to the stated end: no clip has to wait


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([True, True, False, None]), max_size=300), st.integers(1, 20))
def test_gaps_are_filled_from_the_same_stretch_and_few_clips_are_all_chosen(usable, most):
    numbers, _, cropped, held = chosen(usable, most)
    scored = [number for number in cropped if usable[number]]
    assert set(numbers) <= set(scored) and held <= most
    few = min(most, FEW)
    assert numbers == scored if len(scored) <= few else few / 2 <= len(numbers) <= most
    if usable.count(True) <= few:
        assert scored == [number for number, is_usable in enumerate(usable) if is_usable]


def test_a_length_that_is_stated_too_short_adds_scores_that_are_not_used():
    numbers, at_once, *_ = chosen([True] * 3600, 16, 0)
    assert numbers == chosen([True] * 3600, 16)[0] and set(numbers) < set(at_once)
    assert len(at_once) <= 16 * (1 + math.log2(3600 / 16) / 2) + 1
    spread = Spread(2, step=8)
    spread.close(0)
    assert [spread.passes(number) for number in (5, 5, 9)] == [5, 0, 2], "a period without a searched frame counts once"
