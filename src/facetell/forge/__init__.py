"""Pseudo-fakes made from real clips, for training and testing detectors.

``forge_clip`` forges a clip, ``degrade_pair`` wears a real and its fake in the same way, ``harmless_twin`` resamples a
real without forging it. Detecting never imports this package.
"""

from facetell.forge.degrade import DegradeConfig, TwinConfig, degrade_pair, harmless_twin
from facetell.forge.recipe import KINDS, Forged, ForgeRecipe, forge_clip

__all__ = [
    "KINDS",
    "DegradeConfig",
    "ForgeRecipe",
    "Forged",
    "TwinConfig",
    "degrade_pair",
    "forge_clip",
    "harmless_twin",
]
