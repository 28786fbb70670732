"""Network addresses given where a video file is expected: facetell reads files only, and says so."""

from __future__ import annotations

import os
import re
from pathlib import Path

NO_NETWORK = "facetell does not use the network"

# At least two letters, as one letter is a Windows drive. Path makes one slash of two, and may have joined a folder.
_ADDRESS = re.compile(r"(?:^|/)(?!file:)([a-z][a-z0-9+.-]+):/+([^/].*)", re.IGNORECASE | re.DOTALL)


def address_in(path: Path | str) -> str | None:
    """The network address in a path that does not exist; None for every other path.

    Args:
        path: as given by the user, or as a :class:`pathlib.Path`, which makes ``https:/`` of ``https://`` and may have
            been joined to a folder.

    >>> address_in(Path("/data/https:/example.org/talk.mp4")), address_in("talk.mp4")
    ('https://example.org/talk.mp4', None)
    """
    found = _ADDRESS.search(os.fspath(path))
    if found is None or os.path.lexists(path):
        return None
    return f"{found[1]}://{found[2]}"


def missing_file(path: Path | str) -> str:
    """The message for a video file that does not exist.

    >>> missing_file("talk.mp4")
    'there is no file talk.mp4: check the name'
    """
    address = address_in(path)
    if address is None:
        return f"there is no file {path}: check the name"
    return (
        f"{address} is a network address, and {NO_NETWORK}: download the video and name the file "
        "(`facetell watch` takes the address of a stream)"
    )
