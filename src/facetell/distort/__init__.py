"""Distortions for evaluation: the 7 x 5 of DeeperForensics-1.0, and those that break temporal detectors in the wild.

    from facetell.distort import distort_video
    distort_video("talk.mp4", "talk-noisy.mp4", "GNC", 3, seed=0)

They act on whole frames, before any face is cut; faces should be located on the clean video. ``docs/distortions.md``
states every definition and where it comes from.
"""

from facetell.distort.kinds import BEYOND, KINDS, PUBLISHED, Distortion, parameter
from facetell.distort.video import distort_stream, distort_video

__all__ = ["BEYOND", "KINDS", "PUBLISHED", "Distortion", "distort_stream", "distort_video", "parameter"]
