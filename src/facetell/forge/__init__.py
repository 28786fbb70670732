"""Pseudo-fakes made from real clips, for training and testing detectors. Detection never imports this package.

``forge_clip`` forges a clip, ``degrade_pair`` degrades a real and a forged clip alike, ``harmless_twin`` resamples a
real clip without forging it.
"""

from facetell.forge.degrade import DegradeConfig, degrade_pair, harmless_twin
from facetell.forge.recipe import KINDS, Forged, ForgeRecipe, forge_clip

__all__ = ["KINDS", "DegradeConfig", "ForgeRecipe", "Forged", "degrade_pair", "forge_clip", "harmless_twin"]
