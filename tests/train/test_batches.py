import numpy as np
import pytest
import torch

from facetell.train.batches import BatchConfig, BatchStream, Sampler
from facetell.train.corpus import load

CONFIG = BatchConfig(pairs=2, generated=1, clip_frames=4, size=64)


@pytest.fixture(scope="module")
def sampler(corpus):
    return Sampler(load(corpus, "train", 4), CONFIG, seed=3)


def test_a_batch_is_half_forged_and_in_the_networks_layout(sampler):
    batch = sampler.batch(0)
    assert batch.clips.shape == (6, 4, 3, 64, 64) and batch.clips.dtype == torch.uint8
    assert batch.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert batch.kinds[4:] == ("real", "G") and "real" not in batch.kinds[1::2]


def test_a_batch_follows_from_seed_and_number_alone(sampler, corpus):
    again = Sampler(load(corpus, "train", 4), CONFIG, seed=3)
    sampler.batch(5)
    assert torch.equal(sampler.batch(7).clips, again.batch(7).clips)
    assert not torch.equal(sampler.batch(7).clips, sampler.batch(8).clips)
    assert not torch.equal(sampler.batch(7).clips, Sampler(load(corpus, "train", 4), CONFIG, seed=4).batch(7).clips)


def test_a_real_and_its_forgery_show_the_same_moment(sampler):
    for number in range(4):
        real, forged = sampler.batch(number).clips[:2].float()
        # Alike outside the face, so alike on the whole; not the same picture.
        correlation = np.corrcoef(real.flatten(), forged.flatten())[0, 1]
        assert correlation > 0.7 and not torch.equal(real, forged)


def test_the_stream_goes_on_where_it_is_told_to(sampler, corpus):
    stream = iter(BatchStream(corpus, "train", CONFIG, seed=3, first=2))
    assert torch.equal(next(stream).clips, sampler.batch(2).clips)
    assert next(stream).number == 3
