"""Distortions for evaluation: the 7 x 5 of DeeperForensics-1.0, and others that are hard for temporal detectors.

    from facetell.distort import distort_video
    distort_video("talk.mp4", "talk-noisy.mp4", "GNC", 3, seed=0)

They act on whole frames, before faces are cropped; faces should be located on the clean video. ``docs/distortions.md``
has all definitions and their sources.
"""

from facetell.distort.kinds import BEYOND, KINDS, PUBLISHED, Distortion, parameter
from facetell.distort.video import distort_stream, distort_video

__all__ = ["BEYOND", "KINDS", "PUBLISHED", "Distortion", "distort_stream", "distort_video", "parameter"]
