"""What is drawn of one video: frames of a face, their optical flow, and the responses of the motion blocks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from facetell.motion.excerpt import face_clips
from facetell.motion.flow import dense_flow
from facetell.types import FacetellError, FloatArray, UInt8Array

if TYPE_CHECKING:
    from facetell.models.network import ClipNetwork

SIDE = 240  # pixels of a drawn face


@dataclass(frozen=True, slots=True)
class View:
    """L consecutive frames of one face, cropped by one region.

    ``frames`` is uint8 RGB (L, S, S, 3), ``times`` in seconds; ``flow`` float32 (L, S, S, 2) in pixels of the crop to
    the next frame; ``responses`` the magnitudes |F^M| and, of an MCB, |F^MM|, each float32 (L, h, w).
    """

    name: str
    times: tuple[float, ...]
    frames: UInt8Array
    flow: FloatArray
    responses: tuple[FloatArray, ...]


def view_video(path: Path, model: ClipNetwork, *, start: float = 0.0, seconds: float = 2.0) -> View:
    """Flow and responses of a network with motion blocks for the largest face in ``seconds`` of a video.

    The excerpt has the length of one clip if no face is in view for so long.

    Raises:
        FacetellError: the video cannot be read, or no face is in view for the length of a clip.
    """
    config = model.config
    least = config.clip_frames + 1
    for length in (max(least, round(seconds * config.frame_rate)), least):
        clips = face_clips(path, length, SIDE, scale=config.crop_scale, rate=config.frame_rate, start=start)
        if clip := next(clips, None):
            break
    else:
        raise FacetellError(f"{path} shows no face for {least} consecutive frames from {start:g} s on")
    known, responses = _responses(model, clip.frames)
    times = tuple(clip.times[t] for t in known)
    return View(path.name, times, clip.frames[known], dense_flow(clip.frames)[known], responses)


def _responses(model: ClipNetwork, frames: UInt8Array) -> tuple[list[int], tuple[FloatArray, ...]]:
    """Indices of the K of L frames with responses, and |F^M| (and |F^MM|) (K, h, w) of those.

    Clips overlap, and only the responses at the middle of each are used: at its ends the temporal convolutions use the
    zero padding.
    """
    import torch

    config = model.config
    small = np.stack([cv2.resize(f, (config.size, config.size), interpolation=cv2.INTER_AREA) for f in frames])
    blob = torch.from_numpy(small.transpose(0, 3, 1, 2).copy()).float() / 255
    clip = config.clip_frames
    inner = range(1, clip - 3) if clip >= 6 else range(max(1, clip - 2))
    orders = 2 if model.architecture["motion"] == "mcb" else 1
    found: dict[int, tuple[FloatArray, ...]] = {}
    with torch.inference_mode():
        for begin in range(0, len(frames) - clip, len(inner)):
            maps = model.motion_maps(blob[None, begin : begin + clip])[:orders]
            for t in inner:
                found[begin + t] = tuple(sizes[0, t].numpy() for sizes in maps)
    known = sorted(found)
    return known, tuple(np.stack([found[t][order] for t in known]) for order in range(orders))
