import numpy as np
import pytest

from facetell.faces.clips import ClipAssembler, FrameSampler, jump_cut
from facetell.types import Box, Face, Frame, Pose


def taken(fps, times, rate=25.0):
    sampler = FrameSampler(fps, rate)
    return [(time, number) for time in times if (number := sampler.take(time)) is not None]


@pytest.mark.parametrize(
    ("fps", "every"), [(24, 1), (25, 1), (29.97, 1), (30, 1), (50, 2), (60, 2), (120, 5), (240, 10), (15, 1)]
)
def test_constant_rates_are_thinned_evenly(fps, every):
    times = [i / fps for i in range(480)]
    chosen = taken(fps, times)
    assert [time for time, _ in chosen] == times[::every]
    numbers = [number for _, number in chosen]
    assert np.all(np.diff(numbers) == 1)


def test_rounded_timestamps_do_not_make_gaps():
    times = [round(i / 30, 3) for i in range(90)]
    assert len(taken(30, times)) == 90


def test_a_hole_in_time_breaks_the_numbering():
    times = [i / 25 for i in range(10)] + [1 + i / 25 for i in range(10)]
    numbers = [number for _, number in taken(25, times)]
    assert np.diff(numbers).tolist() == [1] * 9 + [2] + [1] * 9


def test_a_dropped_frame_is_counted_but_breaks_nothing():
    sampler = FrameSampler(25, 25.0)
    numbers = [sampler.take(i / 25) for i in range(20) if i != 10]
    assert numbers == list(range(1, 20)) and sampler.uneven == pytest.approx(1 / 19)


def test_unknown_rate_takes_what_comes_at_the_models_pace():
    assert len(taken(None, [i / 25 for i in range(50)])) == 50
    assert len(taken(None, [i / 100 for i in range(200)])) == pytest.approx(50, abs=20)


@pytest.mark.parametrize(("before", "after"), [(60, 15), (60, 30), (30, 60), (24, 120)])
def test_the_step_follows_a_rate_that_changes_on_the_way(before, after):
    times = [i / before for i in range(2 * before)] + [2 + i / after for i in range(2 * after)]
    average = len(times) / 4  # which is all that a file tells
    chosen = taken(average, times)
    own = {rate: max(1, round(rate / 25)) / rate for rate in (before, after)}
    for rate, t0, t1 in ((before, 0.5, 2), (after, 2.7, 4)):
        steps = np.diff([time for time, _ in chosen if t0 < time < t1])
        assert len(steps) > 10 and steps == pytest.approx(own[rate])
    if own[before] != pytest.approx(own[after], rel=0.1):
        numbers = [number for time, number in chosen if 1.9 < time < 2.7]
        assert 2 in np.diff(numbers)


def face(x=50.0, width=40.0):
    landmarks = np.full((468, 2), x, np.float32)
    box = Box(x - width / 2, 30, x + width / 2, 30 + width)
    return Face(box, Pose(*box.center, width, width, 0.0), landmarks, 1.0)


def picture(index, fps=25):
    return Frame(index, index / fps, np.full((100, 100, 3), index % 250, np.uint8))


def run(assembler, count, faces_at, numbers=None):
    clips = []
    for index in range(count):
        number = numbers[index] if numbers else index
        clips += assembler.push(number, picture(index), faces_at(index))
    return clips


def test_every_second_of_a_track_gets_one_clip_of_consecutive_frames():
    clips = run(ClipAssembler(8, 32, 1.35), 100, lambda i: {0: face()})
    assert [round(clip.times[0], 2) for clip in clips] == [0, 1, 2, 3]
    for clip in clips:
        assert clip.frames.shape == (8, 32, 32, 3)
        assert np.diff(clip.times) == pytest.approx([0.04] * 7)
        assert np.diff(clip.frames[:, 0, 0, 0].astype(int)).tolist() == [1] * 7


def test_two_tracks_give_clips_of_their_own():
    clips = run(ClipAssembler(8, 32, 1.35), 50, lambda i: {0: face(), 1: face(80, 20)})
    assert sorted(clip.track_id for clip in clips) == [0, 0, 1, 1]
    assert {clip.track_id: clip.face_width for clip in clips} == {0: 40, 1: 20}


def test_a_clip_never_reaches_across_a_frame_without_the_face():
    clips = run(ClipAssembler(8, 32, 1.35), 25, lambda i: {} if i == 4 else {0: face()})
    assert clips[0].times[0] == pytest.approx(5 / 25)


def test_a_clip_never_reaches_across_a_hole_in_time():
    numbers = [i if i < 4 else i + 1 for i in range(25)]
    clips = run(ClipAssembler(8, 32, 1.35), 25, lambda i: {0: face()}, numbers)
    assert clips[0].times[0] == pytest.approx(4 / 25)


def test_a_clip_never_reaches_across_a_jump_cut():
    clips = run(ClipAssembler(8, 32, 1.35), 25, lambda i: {0: face(30 if i < 4 else 80)})
    assert clips[0].times[0] == pytest.approx(4 / 25)


def still(index, level=0):
    """A face before a room with noise, of which ``level`` moves the lot."""
    rng = np.random.default_rng(index)
    room = np.random.default_rng(level).integers(0, 200, (10, 10, 3), dtype=np.uint8).repeat(10, 0).repeat(10, 1)
    return Frame(index, index / 25, (room + rng.integers(0, 4, room.shape)).astype(np.uint8))


def test_a_clip_never_reaches_across_a_cut_that_leaves_the_face_in_its_place():
    assembler = ClipAssembler(8, 32, 1.35)
    clips = [clip for i in range(25) for clip in assembler.push(i, still(i, level=i >= 5), {0: face()})]
    assert [clip.times[0] for clip in clips] == [pytest.approx(5 / 25)]
    assert jump_cut(np.stack([still(i, level=i >= 5).image for i in range(8)])) == 5


def test_fast_motion_flashes_and_key_pictures_are_no_cut():
    room = still(0).image
    shaken = np.stack([np.roll(room, 4 * (i % 3), axis=1) for i in range(8)])
    popped = np.stack([np.clip(room + 3 * (i >= 4), 0, 255).astype(np.uint8) for i in range(8)])
    flash = np.stack([np.clip(room.astype(int) + 60 * (i == 4), 0, 255).astype(np.uint8) for i in range(8)])
    assert [jump_cut(clip) for clip in (shaken, popped, flash)] == [0, 0, 0]


def test_a_track_shorter_than_a_clip_gives_none():
    assert run(ClipAssembler(8, 32, 1.35), 7, lambda i: {0: face()}) == []


def test_wants_frames_only_until_the_second_has_its_clip():
    assembler = ClipAssembler(8, 32, 1.35)
    wanted = []
    for index in range(50):
        wanted.append(assembler.wants(index / 25, [0]))
        if wanted[-1]:
            assembler.push(index, picture(index), {0: face()})
    assert sum(wanted) == 16 and wanted[:8] == [True] * 8 and wanted[25:33] == [True] * 8
    assert not assembler.wants(1.9, [])


def test_denser_scoring_gives_more_clips():
    clips = run(ClipAssembler(8, 32, 1.35, period=0.5), 100, lambda i: {0: face()})
    assert len(clips) == 8
