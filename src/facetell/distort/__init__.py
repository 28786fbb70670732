"""Distortions of whole frames: the 7 x 5 of DeeperForensics-1.0, and others; ``docs/distortions.md`` defines them."""

from facetell.distort.kinds import BEYOND, KINDS, PUBLISHED, Distortion, parameter
from facetell.distort.video import distort_stream, distort_video

__all__ = ["BEYOND", "KINDS", "PUBLISHED", "Distortion", "distort_stream", "distort_video", "parameter"]
