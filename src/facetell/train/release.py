"""Release a trained network: export, engine parity, scores of ``val``, calibration, card.

Every figure of the card is measured on the exported file, not on the network in training.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from facetell.datasets.manifest import Entry
from facetell.engine import Calibration, ModelInfo, load_engine
from facetell.engine.card import write_release
from facetell.evaluate.crossval import Results, by_kind, kind_table
from facetell.evaluate.formats import markdown_table
from facetell.evaluate.sample import calibrate
from facetell.evaluate.scores import from_rows, write_scores
from facetell.files import file_sha256, temporary_beside
from facetell.models import export
from facetell.models.export import ROUNDING, Parity, Precision
from facetell.models.zoo import parameters
from facetell.train import validate
from facetell.train.card import network_card
from facetell.train.config import BatchConfig
from facetell.train.corpus import Recording
from facetell.train.run import read_checkpoint, read_trained
from facetell.train.validate import Row
from facetell.types import FacetellError, FloatArray, UInt8Array

PROOF_CLIPS, TOLERANCE = 6, 1e-2  # of an engine in float32 against the network as it is stored, in logits
LARGEST = 70e6  # bytes of a model file in half precision; larger ones are stored in 8 bits


def release(checkpoint: Path, model_path: Path, recordings: Sequence[Recording]) -> None:
    """Export a checkpoint's averaged weights, measure the file on ``val``, calibrate it and write its card.

    Beside ``model_path`` this writes its card (``.md``), figures and configuration (``.json``), and the scores of
    ``val`` (``.val.parquet``). All of them name the finished file by its sha256. ``recordings`` are the prepared clips
    of ``val``.

    Raises:
        FacetellError: ``checkpoint`` is not one, the engines disagree, or no real or no forged clip of ``val`` is
            scored.
    """
    network, metadata = read_trained(checkpoint)
    state = read_checkpoint(checkpoint)
    info = replace(ModelInfo.from_metadata(metadata, str(checkpoint)), name=model_path.stem)
    batch = BatchConfig(
        clip_frames=info.clip_frames, frame_rate=info.frame_rate, size=info.size, crop_scale=info.crop_scale
    )
    print(f"exporting {model_path}", flush=True)
    precision: Precision = "w8" if 2 * parameters(network) > LARGEST else "fp16"
    proof = proof_clips(recordings, batch)
    with_motion = export.carries_motion(network)
    rounding, parity = export.export_compared(
        network, model_path, proof, metadata=info.to_metadata(), with_motion=with_motion, precision=precision
    )
    check_parity(model_path, rounding, ROUNDING[precision], parity)
    engine = load_engine(model_path, precision="f32")

    def score(clips: UInt8Array) -> list[float]:
        return [float(logit) for logit in engine.score(clips)]

    print("scoring val", flush=True)
    rows = [*validate.score_recordings(score, recordings, batch, info.min_face_width)]
    calibration = calibrate(from_rows(rows, {}))
    info = replace(info, calibration=calibration)
    _rewrite_metadata(model_path, info)
    # The file is not changed after this, so its hash is that of the released file.
    model = {"name": info.name, "sha256": file_sha256(model_path)}
    about = {"model": model, "calibration": asdict(calibration), "min_face_width": info.min_face_width}
    write_scores(from_rows(rows, about), model_path.with_suffix(".val.parquet"))
    results = _results(rows, calibration)
    figures: dict[str, Any] = {
        "model": model,
        **{key: state[key] for key in ("step", "config", "val", "about") if key in state},
        **about,
        "results": {"val": json.loads(TypeAdapter(Results).dump_json(results))},  # null for NaN
        "rounding": rounding,
        "parity": parity,
    }
    table = kind_table(results)
    write_release(model_path, network_card(info, figures, len(proof), table), figures)
    print(markdown_table(table))


def _results(rows: Sequence[Row], calibration: Calibration) -> Results:
    """Results by method of the rows of a score file."""
    names = ("label", "split", "identity", "dataset", "track")
    entries = [Entry(row["video"], kind=row["method"], **{name: row[name] for name in names}) for row in rows]
    known = np.array([entry.label in (0, 1) for entry in entries])
    logits = np.array([row.get("logit", np.nan) for row in rows])
    return by_kind([entries[number] for number in np.flatnonzero(known)], logits[known], raw_threshold(calibration))


def raw_threshold(calibration: Calibration) -> float:
    """The logit at the threshold of a calibration."""
    odds = np.log(calibration.threshold / (1 - calibration.threshold))
    return float((odds - calibration.bias) * calibration.temperature)


def check_parity(path: Path, rounding: float, limit: float, parity: Parity) -> None:
    """Raise FacetellError if the exported model's logits differ from those of the trained network."""
    if not rounding <= limit:
        raise FacetellError(
            f"the scores of {path} differ from those of the trained network by {rounding:.2g}, because its weights are "
            "stored in fewer bits; do not use it, and report this"
        )
    for engine, largest in parity.items():
        if not isinstance(largest, str) and engine.endswith("f32") and not largest <= TOLERANCE:
            raise FacetellError(
                f"the scores of {path} in {engine} differ from those in torch by {largest:.2g}; do not use it, and "
                "report this with the versions that `facetell doctor` prints"
            )


def proof_clips(recordings: Sequence[Recording], batch: BatchConfig) -> FloatArray:
    """A clip of each of a few recordings, float32 (N, T, 3, S, S) in [0, 1]."""
    windows = ((r, r.windows(batch.clip_frames, 1.0, batch.frame_rate)) for r in recordings)
    whole = ((r, found[0]) for r, found in windows if found)
    clips = [validate.crop_recording(recording, window, batch) for recording, window in islice(whole, PROOF_CLIPS)]
    if not clips:
        raise FacetellError(
            f"no clip of val is long enough to be scored ({batch.clip_frames} frames at {batch.frame_rate:g} frames "
            "per second); prepare longer ones"
        )
    return np.stack(clips).transpose(0, 1, 4, 2, 3).astype(np.float32) / np.float32(255)


def _rewrite_metadata(path: Path, info: ModelInfo) -> None:
    """Replace the metadata of a model file; the graph is not changed."""
    import onnx

    proto = onnx.load_model(path)
    export.write_metadata(proto, info.to_metadata())
    temporary = temporary_beside(path)
    temporary.write_bytes(proto.SerializeToString(deterministic=True))
    temporary.replace(path)
