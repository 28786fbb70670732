"""A miniature of DeeperForensics-1.0. Its targets are the identities of the FaceForensics++ miniature of the same size.

As in the published lists, no actor is in two splits.
"""

from __future__ import annotations

import numpy as np

from facetell.datasets.splits import SHARES, draw_split
from facetell.distort.kinds import parameter
from facetell.distort.video import distort_picture
from facetell.types import UInt8Array
from mimic.ffpp import identifier, pairs_of
from mimic.people import Recorder, forgery

FIRST_ACTOR = 3000
KINDS = ("CS", "CC", "GNC", "GB", "JPEG", "VC")  # BW draws no block on pictures under 256 pixels


def mimic_dfo(recorder: Recorder, videos: int) -> None:
    """Forgeries clean, at five levels, of a random level, mixed and post-processed; actors; lists and meta files."""
    actors = {actor_name(number): number for number in range(FIRST_ACTOR, FIRST_ACTOR + max(6, videos // 2))}
    split_of = draw_split(actors, SHARES, 0)
    for actor, number in actors.items():
        path = f"source_videos/{actor}/light_uniform/neutral/camera_front"
        recorder.real(f"{path}/{actor}_light_uniform_neutral_camera_front.mp4", number)
    wear: dict[str, list[str]] = {}
    for split, pairs in pairs_of(videos).items():
        donors = [actor for actor, place in split_of.items() if place == split]
        names = []
        for i, target in enumerate(number for pair in pairs for number in pair):
            actor = donors[i % len(donors)]
            name = f"{identifier(target)}_{actor}.mp4"
            names.append(name)
            _write(recorder, name, target, actors[actor], wear)
        recorder.text(f"lists/splits/{split}.txt", "\n".join(names) + "\n")
    for folder, lines in wear.items():
        meta = f"lists/manipulated_videos_distortions_meta/manipulated_videos_{folder}_meta.txt"
        recorder.text(meta, "\n".join(lines) + "\n")


def actor_name(number: int) -> str:
    """An actor's id: M for the man's scenes, W for the woman's."""
    return f"{'M' if number % 3 == 2 else 'W'}{number % 1000 + 1:03d}"


def _write(recorder: Recorder, name: str, target: int, donor: int, wear: dict[str, list[str]]) -> None:
    """One forgery in all eleven folders; what each was worn by goes into ``wear``."""
    clean = forgery("end_to_end", target, donor, recorder.seconds)
    recorder.video(f"manipulated_videos/end_to_end/{name}", clean, target)
    recorder.fake(f"manipulated_videos/reenact_postprocess/{name}", "FaceShifter", target, donor)
    rng = np.random.default_rng([target, donor])
    steps = {f"end_to_end_level_{level}": [(str(rng.choice(KINDS)), level)] for level in range(1, 6)}
    steps["end_to_end_random_level"] = [(str(rng.choice(KINDS)), int(rng.integers(1, 6)))]
    for count in (2, 3, 4):
        chosen = rng.choice(KINDS, count, replace=False)
        steps[f"end_to_end_mix_{count}_distortions"] = [(str(code), int(rng.integers(1, 6))) for code in chosen]
    for folder, applied in steps.items():
        path = f"manipulated_videos/{folder}/{name}"
        crf = next((parameter(code, level) for code, level in applied if code == "VC"), 23)
        recorder.video(path, _worn(clean, applied, rng), target, crf)
        wear.setdefault(folder, []).append(" ".join([path, *(f"{code}:{level}" for code, level in applied)]))


def _worn(frames: UInt8Array, applied: list[tuple[str, int]], rng: np.random.Generator) -> UInt8Array:
    """Frames after all distortions but the compression, which is the file's own."""
    for code, level in applied:
        if code != "VC":
            frames = np.stack([distort_picture(frame, code, level, rng) for frame in frames])
    return frames
