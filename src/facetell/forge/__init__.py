"""Pseudo-fakes made from real clips, for training and testing detectors. Detection never imports this package."""

from facetell.forge.degrade import DegradeConfig, degrade_pair, harmless_twin
from facetell.forge.recipe import KINDS, Forged, ForgeRecipe, forge_clip

__all__ = ["KINDS", "DegradeConfig", "ForgeRecipe", "Forged", "degrade_pair", "forge_clip", "harmless_twin"]
