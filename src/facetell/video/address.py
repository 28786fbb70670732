"""Network addresses given where a video file is expected: facetell reads files only."""

from __future__ import annotations

import os
import re
from pathlib import Path

NO_NETWORK = "facetell does not use the network"

# At least two letters: one letter is a Windows drive.
_ADDRESS = re.compile(r"(?:^|/)(?!file:)([a-z][a-z0-9+.-]+):/+([^/].*)", re.IGNORECASE | re.DOTALL)


def address_in(path: Path | str) -> str | None:
    """Return the network address that ``path`` is, else None; a path that exists is none.

    A :class:`pathlib.Path` is recognised too, which makes ``https:/`` of ``https://`` and may be joined to a folder.

    >>> address_in(Path("/data/https:/example.org/talk.mp4")), address_in("talk.mp4")
    ('https://example.org/talk.mp4', None)
    """
    found = _ADDRESS.search(os.fspath(path))
    return f"{found[1]}://{found[2]}" if found and not os.path.lexists(path) else None


def missing_file(path: Path | str) -> str:
    """Return the error message for a video file that does not exist."""
    address = address_in(path)
    if address is None:
        return f"there is no file {path}: check the name"
    return (
        f"{address} is a network address, and {NO_NETWORK}: download the video and name the file "
        "(`facetell watch` takes the address of a stream)"
    )
