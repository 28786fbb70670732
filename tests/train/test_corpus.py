from dataclasses import replace

import numpy as np
import pytest

from facetell.datasets.prepared import read_clip
from facetell.faces.clips import FrameSampler
from facetell.train.corpus import decode_all, load_recordings
from facetell.types import FacetellError


@pytest.fixture(scope="module")
def recordings(data):
    return load_recordings(data, "train", 8)


def test_any_window_is_read_as_the_clip_holds_it(recordings):
    for recording in recordings:
        clip = read_clip(recording.file)
        assert len(recording) == len(clip.frames)
        for window in (slice(0, 3, 1), slice(5, 12, 2)):
            assert np.array_equal(recording.frames(window), clip.frames[window])
            assert np.array_equal(recording.mesh(window), clip.landmarks[window])


def test_windows_take_frames_as_detection_does(recordings):
    recording = recordings[0]
    rate = 1 / recording.interval
    every = round(rate)
    assert recording.windows(4, rate)[:2] == [slice(0, 4, 1), slice(every, every + 4, 1)]
    halved = recording.windows(4, rate / 2)
    assert halved[0] == slice(0, 7, 2)
    assert all(len(range(*window.indices(len(recording)))) == 4 for window in halved)
    sampler = FrameSampler(rate, rate / 2)
    assert [number for number in range(8) if sampler.take(number / rate) is not None] == [*range(8)][halved[0]]
    assert recording.windows(len(recording), rate) == [slice(0, len(recording), 1)]
    assert not recording.windows(len(recording), rate / 2)


def test_clips_beyond_the_limit_of_the_cache_are_decoded_each_time(data, recordings, tmp_path):
    config = replace(data, cache=str(tmp_path / "cache"), cache_gb=0.0)
    decode_all(config, 2)
    bare = load_recordings(config, "train", 8)
    assert all(r.decoded is None for r in bare)
    window = slice(2, 7, 2)
    assert np.array_equal(bare[0].frames(window), recordings[0].frames(window))


def test_missing_data_are_one_message(data, tmp_path):
    with pytest.raises(FacetellError, match="no usable clip of the split 'test'"):
        load_recordings(data, "test", 1)
    with pytest.raises(FacetellError, match="has not been decoded"):
        load_recordings(replace(data, cache=str(tmp_path)), "train", 1)
