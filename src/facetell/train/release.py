"""Release trained weights: export, engine parity, scores of ``val``, calibration, card.

Every figure of the card is measured here on the exported file, not on the network in training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from facetell.batch.rows import ScoringSettings
from facetell.batch.score import score_manifest
from facetell.datasets.check import leaking_videos
from facetell.datasets.manifest import Manifest
from facetell.detector import Detector, Settings
from facetell.engine import Engine, ModelInfo, load_engine
from facetell.engine.card import write_release
from facetell.evaluate.corruptions import (
    LIMITS,
    SHORTCUTS,
    WIDTHS,
    Outcome,
    by_length,
    least_face_width,
    outcomes,
    score_corrupted,
)
from facetell.evaluate.sample import calibrate, calibration_of, sample_of
from facetell.evaluate.scores import Scores, from_rows, write_scores
from facetell.evaluate.summary import summarise
from facetell.files import file_sha256, temporary_beside
from facetell.metrics.intervals import Estimate, wilson
from facetell.metrics.platt import called_unseen
from facetell.models.convert import Parity, check_parity, deviation, read_trained
from facetell.models.export import ROUNDING, Precision, carries_motion, export_onnx, model_from_onnx, stored_bytes
from facetell.models.network import ClipNetwork
from facetell.train.card import Release, card_of
from facetell.train.checkpoint import load
from facetell.train.config import BatchConfig
from facetell.train.corpus import Recording
from facetell.train.validate import Row, Score, by_method, cut_recording, row_of, score_pseudo, score_recordings
from facetell.types import FacetellError, FloatArray, Status

PSEUDO_KINDS = ("sbv", "drift", "jitter", "flicker", "reenact", "swap", "mouth")
PROOF_CLIPS, TOLERANCE = 6, 1e-2  # of an engine in float32 against the network as it is stored, in logits
LARGEST = 70e6  # bytes of a model file that is kept in the repository: nine blocks of ViT-B/16 in 8 bits have 66e6
ENGINES = ("openvino", "onnxruntime")  # torch's is what they are measured against
F32 = Settings(precision="f32")  # the same on every CPU

Say = Callable[[str], None]


def release(
    checkpoint: Path,
    model_path: Path,
    recordings: Sequence[Recording],
    *,
    videos: Manifest | None = None,
    kinds: Sequence[str] = PSEUDO_KINDS,
    note: str = "",
    say: Say = print,
) -> Release:
    """Export a checkpoint's averaged weights, measure the file on ``val``, calibrate it and write its card.

    Beside ``model_path`` this writes its card (``.md``), figures and configuration (``.json``), and the score files of
    ``val`` (``.val.parquet``) and of the forgeries made from its reals (``.pseudo.parquet``). All of them name the
    finished file by its sha256, and all scores are made with the minimum face width that is stored in it.

    Args:
        checkpoint: of a training run, of any age.
        model_path: the ONNX file to write.
        recordings: prepared clips of ``val``; forgeries are made from its reals.
        videos: if given, ``val`` is scored from these files, as a user would give them, through the whole detector,
            and the minimum face width is chosen on them (:func:`facetell.evaluate.corruptions.least_face_width`); else
            scores are those of ``recordings``. Videos whose identities or recordings are in other splits, too, are
            left out of the figures and of the calibration.
        kinds: of forgeries made from the reals.
        note: what a reader of the card must know of this run beyond its configuration.
        say: called with a line on each step.

    Raises:
        FacetellError: ``checkpoint`` is not one, the engines disagree, or ``val`` has no reals or no fakes.
    """
    network, metadata = read_trained(checkpoint)
    state = load(checkpoint)
    info = replace(ModelInfo.from_metadata(metadata, str(checkpoint)), name=model_path.stem)
    batch = BatchConfig(
        clip_frames=info.clip_frames, frame_rate=info.frame_rate, size=info.size, crop_scale=info.crop_scale
    )
    proof = proof_clips(recordings, batch)
    say(f"exporting {model_path}")
    precision = stored_precision(network)
    export_onnx(
        network, model_path, metadata=info.to_metadata(), with_motion=carries_motion(network), precision=precision
    )
    _, stored = model_from_onnx(model_path)
    rounding = deviation(network, stored, proof)
    parity = check_parity(stored, model_path, proof, ENGINES)
    _check(rounding, ROUNDING[precision], parity, model_path)
    leaked: frozenset[str] = frozenset()
    limits: Scores | None = None
    if videos is not None:
        leaked = leaking_videos(videos, "val")
        counted = videos.where(lambda entry: entry.split == "val" and entry.video not in leaked)
        say("measuring limits")
        limits, width = _face_width(model_path, info, counted)
        info = replace(info, min_face_width=width)
        _rewrite_metadata(model_path, info.to_metadata())
    engine = load_engine(model_path, precision="f32")
    say("scoring val")
    if videos is not None:
        scores = score_manifest(videos, model_path, ScoringSettings(splits=("val",), detection=F32))
    else:
        scores = from_rows(_prepared_rows(engine, recordings, batch), {})
    say("scoring forgeries made from the reals of val")
    pseudo = from_rows(_pseudo_rows(engine, recordings, batch, kinds), {})
    unseen = without(scores, leaked)
    info = replace(info, calibration=calibrate(unseen if _both(unseen) else pseudo))
    scores, unseen, pseudo = (_calibrated(part, info) for part in (scores, unseen, pseudo))
    shortcuts: list[dict[str, Any]] = []
    if limits is not None and _both(unseen):
        say("checking for shortcuts")
        detector = Detector(model_path, F32)
        shortcuts = _rows(outcomes(_calibrated(score_corrupted(detector, counted, SHORTCUTS), info), SHORTCUTS))
        limits = _calibrated(limits, info)
    made = Release(
        info=info,
        state={key: value for key, value in state.items() if key in ("step", "config", "val", "about")},
        whole_files=videos is not None,
        generators=figures(unseen),
        leaked=len(leaked),
        with_leaked=figures(scores)[:1] if leaked else [],
        shortcuts=shortcuts,
        limits=_rows(outcomes(limits, LIMITS) | by_length(limits)) if limits is not None else [],
        pseudo=figures(pseudo),
        rounding=rounding,
        parity={f"{p.engine} {p.precision}": p.largest for p in parity},
        note=note,
    )
    info = replace(info, training={"steps": state["step"], "config": state["config"], "val": made.figures()})
    _rewrite_metadata(model_path, info.to_metadata())
    # The file is not changed any more from here on, so its hash is that of the file which is shipped.
    model = {"name": info.name, "sha256": file_sha256(model_path)}
    for part, suffix in ((scores, ".val.parquet"), (pseudo, ".pseudo.parquet")):
        if len(part):
            write_scores(replace(part, about={**part.about, "model": model}), model_path.with_suffix(suffix))
    write_release(model_path, card_of(replace(made, info=info)), {"model": model, **made.figures(), **made.state})
    return made


def _face_width(model_path: Path, info: ModelInfo, videos: Manifest) -> tuple[Scores | None, float]:
    """Scores of videos under :data:`LIMITS`, and the minimum face width chosen by them.

    It is chosen before the scores that are published, with a calibration on the untreated videos of this measurement
    alone. Meanwhile faces are scored down to the least width that may be chosen, whatever ``info`` has. None, and the
    width of ``info``, where no real or no forged video can be scored.
    """
    if not {0, 1} <= {entry.label for entry in videos}:
        return None, info.min_face_width
    _rewrite_metadata(model_path, replace(info, min_face_width=float(min(WIDTHS))).to_metadata())
    scores = score_corrupted(Detector(model_path, F32), videos, LIMITS)
    clean = scores.select(distortion="")
    if not _both(clean):
        return None, info.min_face_width
    calibration = calibrate(clean, draws=2)  # its covariance is not used
    scores = _calibrated(scores, replace(info, calibration=calibration))
    return scores, float(least_face_width(outcomes(scores, LIMITS)))


def _calibrated(scores: Scores, info: ModelInfo) -> Scores:
    """Scores that record the calibration and the minimum face width of ``info``."""
    recorded = {"calibration": asdict(info.calibration), "min_face_width": info.min_face_width}
    return replace(scores, about={**scores.about, **recorded})


def stored_precision(network: ClipNetwork) -> Precision:
    """In 16 bits a weight; in 8 where that makes a file small enough that would be too large."""
    return "w8" if stored_bytes(network, "w8") < LARGEST <= stored_bytes(network, "fp16") else "fp16"


def figures(scores: Scores) -> list[dict[str, Any]]:
    """The AUC over all forgeries, then of each method, with counts and intervals; nothing where a class is missing."""
    if not _both(scores):
        return []
    groups = {"all": scores} | by_method(scores)
    found = []
    for name, part in groups.items():
        summary = summarise(part.videos())
        counts = summary.counts
        found.append({"name": name, "fakes": counts.fake, "reals": counts.real, **_told("auc", summary["auc"])})
        if name == "all":
            found[0] |= _told("tpr_at_5", summary["tpr_at_5"]) | _calls(part) | {"unscored": counts.unscored}
    return found


def without(scores: Scores, videos: Collection[str]) -> Scores:
    """The scores of all but some videos."""
    return scores.where(~np.isin(scores["video"].astype(str), sorted(videos)))


def _rows(found: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    """AUC and share of reals called forged, by treatment."""
    return [
        {"treatment": name, "about": o.about, "reals": o.reals, "fakes": o.fakes}
        | _told("auc", o.auc)
        | _told("false_positive_rate", o.false_positives)
        for name, o in found.items()
    ]


def _calls(scores: Scores) -> dict[str, Any]:
    """How many videos of either class are called forged at the model's threshold, with Wilson's interval.

    With ``_unseen``: each at a threshold that was chosen without the people in it.
    """
    sample, calibration = sample_of(scores.videos()), calibration_of(scores.about)
    told: dict[str, Any] = {}
    for kind, called in (
        ("", sample.probabilities >= sample.thresholds),
        ("_unseen", called_unseen(sample, calibration)),
    ):
        for name, label in (("false_positive_rate", 0), ("true_positive_rate", 1)):
            of = called[sample.labels == label]
            low, high = wilson(int(of.sum()), len(of))
            told |= _told(name + kind, Estimate(float(of.mean()), low, high))
    return told


def _told(name: str, estimate: Estimate) -> dict[str, float | None]:
    values = {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return {key: None if math.isnan(value) else round(value, 4) for key, value in values.items()}


def engine_score(engine: Engine) -> Score:
    """A :data:`facetell.train.validate.Score` by a model file."""
    return lambda clips: [float(logit) for logit in engine.score(clips)]


def _prepared_rows(engine: Engine, recordings: Sequence[Recording], batch: BatchConfig) -> list[Row]:
    """One row a clip of each recording; one row with the reason where it is not scored."""
    rows: list[Row] = []
    for recording in recordings:
        if recording.face_width >= engine.info.min_face_width:
            rows += score_recordings(engine_score(engine), [recording], batch)
        else:
            rows.append(row_of(recording.entry) | {"status": Status.FACE_TOO_SMALL.value})
    return rows


def _pseudo_rows(
    engine: Engine, recordings: Sequence[Recording], batch: BatchConfig, kinds: Sequence[str]
) -> list[Row]:
    reals = [r for r in recordings if r.entry.label == 0 and r.face_width >= engine.info.min_face_width]
    found = []
    for kind in ("", *kinds) if kinds else ():
        found += list(score_pseudo(engine_score(engine), reals, batch, kind, reals))
    return found


def _both(scores: Scores) -> bool:
    return {0, 1} <= {*scores["label"][~np.isnan(scores["logit"])].tolist()}


def proof_clips(recordings: Sequence[Recording], batch: BatchConfig) -> FloatArray:
    """A clip of each of a few recordings, float32 (N, T, 3, S, S) in [0, 1]."""
    windows = ((r, r.windows(batch.clip_frames, 1.0, batch.frame_rate)) for r in recordings)
    whole = ((r, found[0]) for r, found in windows if found)
    clips = [cut_recording(r, window, batch) for r, window in islice(whole, PROOF_CLIPS)]
    if not clips:
        raise FacetellError(
            f"no clip of val is long enough to measure on ({batch.clip_frames} frames at {batch.frame_rate:g} a "
            "second); prepare longer ones"
        )
    return np.stack(clips).transpose(0, 1, 4, 2, 3).astype(np.float32) / np.float32(255)


def _check(rounding: float, limit: float, parity: Sequence[Parity], path: Path) -> None:
    if not rounding <= limit:
        raise FacetellError(
            f"{path} scores otherwise than the trained network did (by {rounding:.2g}): storing its weights in fewer "
            "bits cost too much; do not use it, and report this"
        )
    for part in parity:
        if part.largest is not None and part.precision == "f32" and part.largest > TOLERANCE:
            raise FacetellError(
                f"{path} scores otherwise in {part.engine} than in torch (by {part.largest:.2g}); "
                "do not use it, and report this with the versions that `facetell doctor` prints"
            )


def _rewrite_metadata(path: Path, metadata: Mapping[str, str]) -> None:
    """Put other metadata into a model file; the graph stays as it is."""
    import onnx

    proto = onnx.load_model(path)
    proto.ClearField("metadata_props")
    for key in sorted(metadata):
        field = proto.metadata_props.add()
        field.key, field.value = key, metadata[key]
    temporary = temporary_beside(path)
    temporary.write_bytes(proto.SerializeToString(deterministic=True))
    temporary.replace(path)
