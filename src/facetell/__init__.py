"""facetell tells a forged face from a real one by how it moves."""

from __future__ import annotations

__version__ = "0.1.0"
