"""Single pictures in files. Paths go no further than Python: OpenCV's own reading and writing end the whole process
where a name is not UTF-8, and take a picture that was cut off for a whole one.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from facetell.types import FacetellError, UInt8Array


def read_picture(path: Path) -> UInt8Array | None:
    """The picture in a file as uint8 RGB (H, W, 3), upright; None if it cannot be read, or not to its end."""
    try:
        image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):  # cannot be opened; is empty, or claims to be larger than any picture
        return None
    return None if image is None else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def write_picture(path: Path, image: UInt8Array) -> None:
    """Write uint8 RGB (H, W, 3) in the format that the name ends in, such as .png; its folder is made.

    Raises:
        FacetellError: the file cannot be written.
    """
    _, data = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise FacetellError(f"cannot write {path}: {error.strerror}; choose another place") from None
