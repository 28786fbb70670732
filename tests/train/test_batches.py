import numpy as np
import pytest
import torch

from facetell.train.batches import Sampler, blur_background
from facetell.train.config import BatchConfig
from facetell.train.corpus import load_recordings
from facetell.types import FacetellError

CONFIG = BatchConfig(pairs=2, generated=1, clip_frames=4, size=64, every_second=0.5)


@pytest.fixture(scope="module")
def recordings(data):
    return load_recordings(data, "train", 4)


@pytest.fixture(scope="module")
def sampler(recordings):
    return Sampler(recordings, CONFIG, seed=3)


def alike(a, b):
    return float(np.corrcoef(a.float().flatten(), b.float().flatten())[0, 1])


def test_a_batch_is_half_forged_and_in_the_networks_layout(sampler):
    batch = sampler.batch(0)
    assert batch.clips.shape == (6, 4, 3, 64, 64) and batch.clips.dtype == torch.uint8
    assert batch.labels.tolist() == [0, 1, 0, 1, 0, 1]


def test_a_batch_follows_from_seed_and_number_alone(sampler, recordings):
    again = Sampler(recordings, CONFIG, seed=3)
    sampler.batch(5)
    assert torch.equal(sampler.batch(7).clips, again.batch(7).clips)
    assert not torch.equal(sampler.batch(7).clips, sampler.batch(8).clips)
    assert not torch.equal(sampler.batch(7).clips, Sampler(recordings, CONFIG, seed=4).batch(7).clips)


def test_a_real_and_its_forgery_show_the_same_moment(sampler):
    # The forgery of the data is its source played again: cropped and degraded alike, the two may differ by noise alone.
    for number in range(4):
        real, forged, _, _, source, played = sampler.batch(number).clips
        assert alike(real, forged) > 0.7 and not torch.equal(real, forged)
        assert alike(source, played) > 0.97


def test_missing_clips_are_one_message(recordings):
    with pytest.raises(FacetellError, match=r"set batch.generated=0"):
        Sampler([r for r in recordings if r.entry.label == 0], CONFIG, 1)
    with pytest.raises(FacetellError, match="no real clips"):
        Sampler([r for r in recordings if r.entry.label == 1], CONFIG, 1)


def test_the_background_is_blurred_alike_and_the_face_is_left(recordings):
    real = recordings[0]
    window = slice(0, 4, 1)
    frames, landmarks = real.frames(window), real.mesh(window)
    darker = (frames * 0.5).astype(np.uint8)
    blurred, other = blur_background([frames, darker], landmarks, np.random.default_rng(0))
    x, y = landmarks[0].mean(axis=0).astype(int)
    assert np.array_equal(blurred[0, y - 4 : y + 4, x - 4 : x + 4], frames[0, y - 4 : y + 4, x - 4 : x + 4])

    def detail(image):
        return np.abs(np.diff(image[:8].astype(float), axis=1)).mean()

    assert detail(blurred[0]) < 0.6 * detail(frames[0])
    np.testing.assert_allclose(other, blurred * 0.5, atol=2)
