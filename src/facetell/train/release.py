"""Release a trained network: export, engine parity, scores of ``val``, calibration, card.

Every figure of the card is measured on the exported file, not on the network in training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
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
from facetell.evaluate import corruptions
from facetell.evaluate.corruptions import Outcome, outcomes, score_corrupted
from facetell.evaluate.sample import calibrate, calibration_of, sample_of
from facetell.evaluate.scores import Scores, from_rows, write_scores
from facetell.evaluate.summary import summarise
from facetell.files import file_sha256, temporary_beside
from facetell.metrics.intervals import Estimate, wilson
from facetell.metrics.platt import called_unseen
from facetell.models import export
from facetell.models.convert import check_parity, deviation, read_checkpoint, read_trained
from facetell.models.export import ROUNDING, Precision
from facetell.models.network import ClipNetwork
from facetell.models.table import parameters
from facetell.train import validate
from facetell.train.card import network_card
from facetell.train.config import BatchConfig
from facetell.train.corpus import Recording
from facetell.train.validate import has_both
from facetell.types import FacetellError, FloatArray

PSEUDO_KINDS = ("sbv", "drift", "jitter", "flicker", "reenact", "swap", "mouth")
PROOF_CLIPS, TOLERANCE = 6, 1e-2  # of an engine in float32 against the network as it is stored, in logits
LARGEST = 70e6  # bytes of a model file in half precision; larger ones are stored in 8 bits
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
) -> dict[str, Any]:
    """Export a checkpoint's averaged weights, measure the file on ``val``, calibrate it and write its card.

    Beside ``model_path`` this writes its card (``.md``), figures and configuration (``.json``), and the score files of
    ``val`` (``.val.parquet``) and of its pseudo-fakes (``.pseudo.parquet``). All of them name the finished file by its
    sha256, and all scores are made with the minimum face width that is stored in it.

    Args:
        checkpoint: of a training run.
        model_path: the ONNX file to write.
        recordings: prepared clips of ``val``; pseudo-fakes are made from the real ones.
        videos: if given, ``val`` is scored from these files by the whole detector, and the minimum face width is
            selected on them; else the scores are those of ``recordings``. Videos whose identities or recordings are
            also in other splits are left out of the figures and of the calibration.
        kinds: of pseudo-fakes.
        note: paragraph for the card.
        say: called with a line on each step.

    Returns:
        The figures, as in the ``.json`` file.

    Raises:
        FacetellError: ``checkpoint`` is not one, the engines disagree, or ``val`` has no real or no forged clips.
    """
    network, metadata = read_trained(checkpoint)
    state = read_checkpoint(checkpoint)
    info = replace(ModelInfo.from_metadata(metadata, str(checkpoint)), name=model_path.stem)
    batch = BatchConfig(
        clip_frames=info.clip_frames, frame_rate=info.frame_rate, size=info.size, crop_scale=info.crop_scale
    )
    say(f"exporting {model_path}")
    precision: Precision = "w8" if 2 * parameters(network) > LARGEST else "fp16"
    proof = proof_clips(recordings, batch)
    rounding, parity = export_compared(network, info, model_path, precision, proof)
    _check(model_path, rounding, ROUNDING[precision], parity)
    leaked: frozenset[str] = frozenset()
    limits: Scores | None = None
    if videos is not None:
        leaked = leaking_videos(videos, "val")
        counted = videos.where(lambda entry: entry.split == "val" and entry.video not in leaked)
        say("measuring limits")
        limits, width = _face_width(model_path, info, counted)
        info = replace(info, min_face_width=width)
        _rewrite_metadata(model_path, info)
    engine = load_engine(model_path, precision="f32")
    say("scoring val")
    if videos is not None:
        scores = score_manifest(videos, model_path, ScoringSettings(splits=("val",), detection=F32))
    else:
        scores = from_rows([*validate.score_recordings(_score(engine), recordings, batch, info.min_face_width)], {})
    say("scoring pseudo-fakes of the real clips of val")
    reals = [r for r in recordings if r.entry.label == 0 and r.face_width >= info.min_face_width]
    pseudo = from_rows([*validate.score_pseudo(_score(engine), reals, batch, kinds, reals)], {})
    unseen = scores.where(~np.isin(scores["video"].astype(str), sorted(leaked)))
    info = replace(info, calibration=calibrate(unseen if has_both(unseen) else pseudo))
    scores, unseen, pseudo = (_calibrated(part, info) for part in (scores, unseen, pseudo))
    shortcuts: list[dict[str, Any]] = []
    if limits is not None and has_both(unseen):
        say("checking for shortcuts")
        treated = score_corrupted(Detector(model_path, F32), counted, corruptions.SHORTCUTS)
        shortcuts = _rows(outcomes(_calibrated(treated, info), corruptions.SHORTCUTS))
        limits = _calibrated(limits, info)
    found: dict[str, Any] = {
        "min_face_width": info.min_face_width,
        "generators": figures(unseen),
        "pseudo_fakes": figures(pseudo),
        "leaked": len(leaked),
        "with_leaked": figures(scores)[:1] if leaked else [],
        "shortcuts": shortcuts,
        "limits": _rows(outcomes(limits, corruptions.LIMITS) | corruptions.by_length(limits))
        if limits is not None
        else [],
        "calibration": asdict(info.calibration),
        "rounding": rounding,
        "parity": parity,
    }
    info = replace(info, training={"steps": state["step"], "config": state["config"], "val": found})
    _rewrite_metadata(model_path, info)
    # The file is not changed after this, so its hash is that of the released file.
    model = {"name": info.name, "sha256": file_sha256(model_path)}
    for part, suffix in ((scores, ".val.parquet"), (pseudo, ".pseudo.parquet")):
        if len(part):
            write_scores(replace(part, about={**part.about, "model": model}), model_path.with_suffix(suffix))
    run = {key: value for key, value in state.items() if key in ("step", "config", "val", "about")}
    found = {"model": model, **found, **run}
    write_release(model_path, network_card(info, found, len(proof), videos is not None, note), found)
    return found


def export_compared(
    network: ClipNetwork, info: ModelInfo, path: Path, precision: Precision, proof: FloatArray
) -> tuple[float, dict[str, float | None]]:
    """Write a model file and compare it with the network on clips (N, T, 3, S, S) in [0, 1].

    Returns:
        The largest deviation of a logit by storing the weights in fewer bits; and that of each engine from the network
        as it is stored, None if the engine does not run.
    """
    with_motion = export.carries_motion(network)
    export.export_onnx(network, path, metadata=info.to_metadata(), with_motion=with_motion, precision=precision)
    _, stored = export.model_from_onnx(path)
    parity = {f"{part.engine} {part.precision}": part.largest for part in check_parity(stored, path, proof)}
    return deviation(network, stored, proof), parity


def _check(path: Path, rounding: float, limit: float, parity: Mapping[str, float | None]) -> None:
    if not rounding <= limit:
        raise FacetellError(
            f"the scores of {path} differ from those of the trained network by {rounding:.2g}, because its weights are "
            "stored in fewer bits; do not use it, and report this"
        )
    for engine, largest in parity.items():
        if largest is not None and engine.endswith("f32") and largest > TOLERANCE:
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


def _face_width(model_path: Path, info: ModelInfo, videos: Manifest) -> tuple[Scores | None, float]:
    """Scores of videos under ``corruptions.LIMITS``, and the minimum face width that is selected by them.

    It is selected before the published scores, with a calibration on the clean videos of this measurement alone. All
    faces down to the least selectable width are scored. None, and the width of ``info``, if no real or no forged video
    can be scored.
    """
    if not {0, 1} <= {entry.label for entry in videos}:
        return None, info.min_face_width
    _rewrite_metadata(model_path, replace(info, min_face_width=float(min(corruptions.WIDTHS))))
    scores = score_corrupted(Detector(model_path, F32), videos, corruptions.LIMITS)
    clean = scores.select(distortion="")
    if not has_both(clean):
        return None, info.min_face_width
    calibration = calibrate(clean, draws=2)  # its covariance is not used
    scores = _calibrated(scores, replace(info, calibration=calibration))
    return scores, float(corruptions.least_face_width(outcomes(scores, corruptions.LIMITS)))


def _calibrated(scores: Scores, info: ModelInfo) -> Scores:
    """Scores that record the calibration and the minimum face width of ``info``."""
    recorded = {"calibration": asdict(info.calibration), "min_face_width": info.min_face_width}
    return replace(scores, about={**scores.about, **recorded})


def figures(scores: Scores) -> list[dict[str, Any]]:
    """The AUC over all forgeries, then of each method, with counts and intervals; nothing if a class is missing."""
    if not has_both(scores):
        return []
    found = []
    for name, part in ({"all": scores} | validate.by_method(scores)).items():
        summary = summarise(part.videos())
        counts = summary.counts
        found.append({"name": name, "fakes": counts.fake, "reals": counts.real, **_cells("auc", summary["auc"])})
        if name == "all":
            found[0] |= _cells("tpr_at_5", summary["tpr_at_5"]) | _rates(part) | {"unscored": counts.unscored}
    return found


def _rows(found: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    """AUC and false positive rate by corruption."""
    return [
        {"treatment": name, "about": o.about, "reals": o.reals, "fakes": o.fakes}
        | _cells("auc", o.auc)
        | _cells("false_positive_rate", o.false_positives)
        for name, o in found.items()
    ]


def _rates(scores: Scores) -> dict[str, Any]:
    """False and true positive rate at the model's threshold, with Wilson intervals.

    ``_unseen``: at thresholds that are selected with leave-one-identity-out.
    """
    sample, calibration = sample_of(scores.videos()), calibration_of(scores.about)
    called = {"": sample.probabilities >= sample.thresholds, "_unseen": called_unseen(sample, calibration)}
    cells: dict[str, Any] = {}
    for kind, positive in called.items():
        for name, label in (("false_positive_rate", 0), ("true_positive_rate", 1)):
            of = positive[sample.labels == label]
            cells |= _cells(name + kind, Estimate(float(of.mean()), *wilson(int(of.sum()), len(of))))
    return cells


def _cells(name: str, estimate: Estimate) -> dict[str, float | None]:
    values = {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return {key: None if math.isnan(value) else round(value, 4) for key, value in values.items()}


def _score(engine: Engine) -> validate.Score:
    return lambda clips: [float(logit) for logit in engine.score(clips)]


def _rewrite_metadata(path: Path, info: ModelInfo) -> None:
    """Replace the metadata of a model file; the graph is not changed."""
    import onnx

    proto = onnx.load_model(path)
    export.write_metadata(proto, info.to_metadata())
    temporary = temporary_beside(path)
    temporary.write_bytes(proto.SerializeToString(deterministic=True))
    temporary.replace(path)
