"""How a release chooses to store weights; the rest of it is tested through ``facetell train``."""

import pytest
import torch

from facetell.models.zoo import create_model
from facetell.train.release import LARGEST, stored_precision

STREAMS = [{"kind": "spatial"}, {"kind": "temporal"}, {"kind": "temporal"}]


@pytest.mark.parametrize(
    ("name", "more", "precision"),
    [
        ("lite0", {}, "fp16"),
        ("lite0_multi_stream", {"streams": STREAMS[:2]}, "fp16"),
        ("lite0_multi_stream", {"streams": STREAMS}, "w8"),
        ("stm_resnet50", {}, "fp16"),  # few of its weights stand in 1 x 1 kernels: too large either way
    ],
)
def test_weights_are_stored_in_8_bits_where_that_makes_the_file_small_enough(name, more, precision):
    with torch.device("meta"):
        network = create_model(name, **more)
    assert stored_precision(network) == precision
    assert LARGEST == 20e6
