"""The networks that re-synthesis and rendering share the running of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facetell.forge import networks, renderer, resynth
from facetell.forge.networks import CODE_SIDE, SIDE, remake
from facetell.types import FloatArray, UInt8Array


@pytest.mark.parametrize(
    ("weights", "channels"), [(resynth.WEIGHTS, resynth.LATENT), (renderer.WEIGHTS, renderer.CHANNELS)]
)
def test_opencv_makes_the_same_where_there_is_no_openvino(
    weights: Path, channels: int, woman_face: tuple[UInt8Array, FloatArray], monkeypatch: pytest.MonkeyPatch
) -> None:
    squares = woman_face[0][:2, :SIDE, :SIDE]
    noise = np.full((2, channels, CODE_SIDE, CODE_SIDE), 0.2, np.float32)
    made = remake(weights, squares, noise)
    monkeypatch.setattr(networks, "_load", networks._in_opencv)
    other = remake(weights, squares, noise)
    assert np.abs(other.astype(int) - made).max() <= 1
    assert (other == made).mean() > 0.99
