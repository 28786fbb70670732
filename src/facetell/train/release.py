"""Release a trained network: scores of ``val``, calibration, export, engine parity, card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from facetell.engine import Calibration, ModelInfo
from facetell.engine.card import write_release
from facetell.evaluate.crossval import Results, kind_table
from facetell.evaluate.formats import markdown_table
from facetell.evaluate.sample import calibrate
from facetell.evaluate.scores import from_rows, write_scores
from facetell.files import file_sha256
from facetell.models.export import Parity, export_compared
from facetell.train.card import network_card
from facetell.train.config import BatchConfig, MachineConfig
from facetell.train.corpus import Recording
from facetell.train.run import device_of, read_checkpoint, read_trained
from facetell.train.validate import crop_recording, results_of, score_recordings, torch_score
from facetell.types import FacetellError, FloatArray

PROOF_CLIPS, TOLERANCE = 6, 1e-2  # of an engine in float32 against the network as it is stored, in logits


def release(checkpoint: Path, model_path: Path, recordings: Sequence[Recording]) -> None:
    """Score ``val`` with a checkpoint's averaged weights, calibrate them, export them in float32 and write a card.

    Beside ``model_path`` this writes its card (``.md``), figures and configuration (``.json``), and the scores of
    ``val`` (``.val.parquet``). All of them name the file by its sha256. ``recordings`` are the prepared clips of
    ``val``. FacetellError: ``checkpoint`` is none, the engines disagree, or no real or no forged clip is scored.
    """
    network, metadata = read_trained(checkpoint)
    state = read_checkpoint(checkpoint)
    info = ModelInfo.from_metadata(metadata, str(checkpoint))
    batch = BatchConfig(
        clip_frames=info.clip_frames, frame_rate=info.frame_rate, size=info.size, crop_scale=info.crop_scale
    )
    proof = proof_clips(recordings, batch)
    print("scoring val", flush=True)
    device = device_of(MachineConfig())
    rows = [*score_recordings(torch_score(network.to(device), device), recordings, batch)]
    calibration = calibrate(from_rows(rows, {}))
    info = replace(info, name=model_path.stem, calibration=calibration)
    print(f"exporting {model_path}", flush=True)
    rounding, parity = export_compared(network.cpu(), model_path, proof, metadata=info.to_metadata(), precision="fp32")
    check_parity(model_path, parity)
    model = {"name": info.name, "sha256": file_sha256(model_path)}
    about = {"model": model, "calibration": asdict(calibration), "min_face_width": info.min_face_width}
    write_scores(from_rows(rows, about), model_path.with_suffix(".val.parquet"))
    results = results_of(rows, raw_threshold(calibration))
    figures: dict[str, Any] = {
        **{key: state[key] for key in ("step", "config", "val", "about") if key in state},
        **about,
        "results": {"val": json.loads(TypeAdapter(Results).dump_json(results))},  # null for NaN
        "rounding": rounding,
        "parity": parity,
    }
    write_release(model_path, network_card(info, figures, len(proof), results), figures)
    print(markdown_table(kind_table(results)))


def raw_threshold(calibration: Calibration) -> float:
    """The logit at the threshold of a calibration."""
    odds = np.log(calibration.threshold / (1 - calibration.threshold))
    return float((odds - calibration.bias) * calibration.temperature)


def check_parity(path: Path, parity: Parity) -> None:
    """Raise FacetellError if the exported model's logits differ from those of the trained network."""
    largest = {name: value for name, value in parity.items() if name.endswith("f32") and not isinstance(value, str)}
    if not all(value <= TOLERANCE for value in largest.values()):
        raise FacetellError(
            f"the scores of {path} differ from those of the trained network ({largest}); do not use it, and report "
            "this with the versions that `facetell doctor` prints"
        )


def proof_clips(recordings: Sequence[Recording], batch: BatchConfig) -> FloatArray:
    """A clip of each of a few recordings, float32 (N, T, 3, S, S) in [0, 1]."""
    windows = ((r, r.windows(batch.clip_frames, batch.frame_rate)) for r in recordings)
    whole = ((r, found[0]) for r, found in windows if found)
    if not (clips := [crop_recording(recording, window, batch) for recording, window in islice(whole, PROOF_CLIPS)]):
        raise FacetellError(
            f"no clip of val is long enough to be scored ({batch.clip_frames} frames at {batch.frame_rate:g} frames "
            "per second); prepare longer ones"
        )
    return np.stack(clips).transpose(0, 1, 4, 2, 3).astype(np.float32) / np.float32(255)
