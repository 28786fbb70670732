"""Miniatures of Celeb-DF v1, v2 and ++.

Unlike the published sets, they hold nobody in both training and testing: a clean miniature must pass the check.
"""

from __future__ import annotations

from facetell.datasets.celebdf import TEST_LIST
from mimic.people import Recorder

FIRST_CELEBRITY, FIRST_OTHER = 4000, 4500
SCENARIOS = {
    "FaceSwap": "Celeb-DF BlendFace GHOST HifiFace InSwapper MobileFaceSwap SimSwap UniFace",
    "FaceReenact": "DaGAN FSRT HyperReenact LIA LivePortrait MCNET TPSMM",
    "TalkingFace": "AniTalker EchoMimic EDTalk FLOAT IP_LAP Real3DPortrait SadTalker",
}


def mimic_celebdf(recorder: Recorder, videos: int) -> None:
    """Two videos a celebrity, each swapped with the next celebrity; other people; the list, 1 = real."""
    listed = _reals(recorder, videos)
    for target, donor, tested in _pairs(videos):
        for take in range(2):
            path = f"Celeb-synthesis/id{target}_id{donor}_{take:04d}.mp4"
            recorder.fake(path, "Celeb-DF", _number(target, take), _number(donor, 0))
            listed += [f"0 {path}"] if tested else []
    recorder.text(TEST_LIST, "\n".join(listed) + "\n")


def mimic_celebdfpp(recorder: Recorder, videos: int) -> None:
    """The same reals, and of each of the 22 methods one forgery for training and one for testing."""
    listed = _reals(recorder, videos)
    pairs = _pairs(videos)
    for scenario, methods in SCENARIOS.items():
        for i, method in enumerate(methods.split()):
            for tested in (False, True):
                chosen = [(target, donor) for target, donor, place in pairs if place is tested]
                target, donor = chosen[i % len(chosen)]
                path = f"Celeb-synthesis/{scenario}/{method}/id{target}_id{donor}_0000.mp4"
                stand_in = method if scenario == "FaceSwap" else scenario
                recorder.fake(path, stand_in, _number(target, 0), _number(donor, 0), variant=i)
                listed += [f"0 {path}"] if tested else []
    recorder.text(TEST_LIST, "\n".join(listed) + "\n")


def _number(celebrity: int, take: int) -> int:
    return FIRST_CELEBRITY + 2 * celebrity + take


def _pairs(videos: int) -> list[tuple[int, int, bool]]:
    """Target, donor, and whether they are for testing: neighbours swap, the last third is tested."""
    celebrities = videos // 2 * 2
    first = (2 * celebrities // 3) // 2 * 2
    return [(i, i + 1 if i % 2 == 0 else i - 1, i >= first) for i in range(celebrities)]


def _reals(recorder: Recorder, videos: int) -> list[str]:
    """Write all reals; the lines of those that are tested."""
    listed = []
    for celebrity, _, tested in _pairs(videos):
        for take in range(2):
            path = f"Celeb-real/id{celebrity}_{take:04d}.mp4"
            recorder.real(path, _number(celebrity, take))
            listed += [f"1 {path}"] if tested else []
    for i in range(4):
        path = f"YouTube-real/{170 + 7 * i:05d}.mp4"
        recorder.real(path, FIRST_OTHER + i)
        listed += [f"1 {path}"] if i % 2 else []
    return listed
