"""facetell estimates whether a face in a video is real or forged.

>>> import facetell
>>> from facetell.assets import locate
>>> facetell.detect(locate("sample_no_face")).probability is None
True
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

# On import, OpenVINO reports to a web service and writes an identifier to the home folder, but not without this module.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: not to be imported

__version__ = "0.2.0"

if TYPE_CHECKING:
    from facetell.detector import Detector, Settings, detect
    from facetell.types import FacetellError, Status, Verdict, VideoVerdict

__all__ = ["Detector", "FacetellError", "Settings", "Status", "Verdict", "VideoVerdict", "__version__", "detect"]

_OF_DETECTOR = ("Detector", "Settings", "detect")


def __getattr__(name: str) -> object:
    # Imported on first use, so that `import facetell` costs milliseconds.
    if name not in __all__:
        raise AttributeError(f"module 'facetell' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"facetell.{'detector' if name in _OF_DETECTOR else 'types'}"), name)
