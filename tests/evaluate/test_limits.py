"""What a smaller, softer or shorter face does, and how the least width is read off it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facetell.assets import locate
from facetell.evaluate.limits import BLURS, LIMITS, SECONDS, WIDTHS, by_length, least_face_width
from facetell.evaluate.scores import from_rows
from facetell.evaluate.scoring_faces import FacePlaces
from facetell.evaluate.treatments import Outcome
from facetell.metrics.intervals import Estimate
from facetell.types import Pose, UInt8Array
from facetell.video.reader import VideoReader

FACE = Pose(260, 180, 120, 160, 0)


def first(name: str, video: Path) -> tuple[UInt8Array, UInt8Array]:
    """The first picture as it is, and treated."""
    places = FacePlaces(640, 360)
    places.add(0.0, {0: FACE})
    with VideoReader(video) as reader:
        plain = next(iter(reader)).rgb()
    with VideoReader(video) as reader:
        pictures, _ = LIMITS[name].pictures(reader, places)
        return plain, next(iter(pictures))[1]()


@pytest.mark.parametrize("width", WIDTHS)
def test_faces_are_brought_to_a_width_and_never_enlarged(width: int) -> None:
    plain, treated = first(f"width{width}", locate("sample_man"))
    scale = min(1.0, width / FACE.width)
    assert treated.shape[:2] == pytest.approx(np.multiply(plain.shape[:2], scale), abs=1)


def test_more_blur_leaves_less_detail() -> None:
    plain, _ = first("blur0.01", locate("sample_man"))
    detail = [
        float(np.abs(np.diff(image.astype(float), axis=1)).mean())
        for image in (plain, *(first(f"blur{share:g}", locate("sample_man"))[1] for share in BLURS))
    ]
    assert detail == sorted(detail, reverse=True) and detail[-1] < 0.6 * detail[0]


def outcomes(**changed: tuple[float, float]) -> dict[str, Outcome]:
    """AUC 0.8 and 5 % of reals throughout, but for some treatments."""
    return {
        name: Outcome("", 20, 20, *(Estimate(value) for value in changed.get(name, (0.8, 0.05))))
        for name in ("", *LIMITS)
    }


@pytest.mark.parametrize(
    ("changed", "least"),
    [
        ({}, 32),
        ({"width48": (0.7, 0.05)}, 64),  # 32 holds by luck: what lies above it does not
        ({"width64": (0.8, 0.2)}, 80),
        ({"width64": (0.76, 0.09)}, 32),
        ({"width128": (0.5, 0.05)}, 128),
    ],
)
def test_the_least_width_is_the_last_that_holds(changed: dict[str, tuple[float, float]], least: int) -> None:
    assert least_face_width(outcomes(**changed)) == least


def test_short_footage_is_the_beginning_of_each_face() -> None:
    rows = [
        {"video": f"{label}{n}", "label": label, "identity": f"{label}{n}", "distortion": "", "clip": clip}
        | {"t0": clip, "logit": float(label if clip else 1 - label)}  # the first second of each says the contrary
        for label in (0, 1)
        for n in range(3)
        for clip in range(4)
    ]
    found = by_length(from_rows(rows, {}))
    assert [found[f"seconds{count}"].auc.value for count in SECONDS] == [0.0, 0.5, 1.0]
