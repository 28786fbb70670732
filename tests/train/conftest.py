"""The fixtures of training's tests; those of its verbs use them too."""

from tiny_training import data, prepared, tiny

__all__ = ["data", "prepared", "tiny"]
