"""A complete run of a probe: features, cross-validation, release. Each part resumes where it was stopped.

Every figure is from scores of videos whose repository, family and identity the scoring classifier has not been trained
on. The released classifier is trained on all of them, so no figure can be measured on itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facetell.datasets.manifest import Entry
from facetell.engine import Calibration, ModelInfo
from facetell.engine.card import write_release
from facetell.evaluate.crossval import by_kind, drift_of_reals, drift_table, kind_table, spread
from facetell.evaluate.formats import markdown_table
from facetell.evaluate.sample import calibrate
from facetell.evaluate.scores import Scores, from_rows, write_scores
from facetell.files import file_sha256
from facetell.metrics.ranking import auc
from facetell.models.export import ROUNDING
from facetell.models.network import ClipNetwork
from facetell.train.about import code_line
from facetell.train.card import probe_card
from facetell.train.corpus import SPLITS, Recording, decode_all, fingerprint, load_recordings
from facetell.train.features import FeatureStore
from facetell.train.probe import OutOfFold, Probe, Stopped, probe_network
from facetell.train.probe_config import ProbeConfig
from facetell.train.probe_limits import measure_limits
from facetell.train.reading import plain
from facetell.train.release import export_compared, proof_clips
from facetell.train.stop import Stop
from facetell.train.validate import row_of
from facetell.types import FacetellError, FloatArray
from facetell.verdict import read_verdict

MAX_CLIPS = 16
MIN_FACE_WIDTH = 48.0  # pixels; costs at most 0.05 of the AUC, see "Robustness" in the card


def run_probe(config: ProbeConfig, out: Path, model_path: Path, stop: Stop) -> bool:
    """Train and release; returns whether the run is done. If it was stopped before, the same call resumes it.

    ``out`` is the folder of features and classifiers. The figures and the card are written beside the model file.

    Raises:
        FacetellError: clips are missing, or cues of coding and framing discriminate the classes.
    """
    decode_all(config.data, config.workers)
    # Two frames are the least that a view's window has.
    recordings = [recording for split in SPLITS for recording in load_recordings(config.data, split, 2)]
    frozen = probe_network(config, frozen=True)
    store = FeatureStore(out / "features", frozen, config.batch, config.views, config.seed)
    for done, count in store.compute(recordings, config.workers):
        if done % 50 == 0 or done == count:
            print(f"features: {done} of {count} clips", flush=True)
        if stop.asked():
            return False
    probe = Probe(recordings, store.read(recordings), config, frozen, out, stop)
    cue_auc = probe.cue_auc()
    print(f"a linear probe on cues of coding and framing: AUC {cue_auc:.3f} (at most {config.max_cue_auc:g})")
    if cue_auc > config.max_cue_auc:
        raise FacetellError(
            f"cues of coding and framing alone discriminate the classes (AUC {cue_auc:.2f}, at most "
            f"{config.max_cue_auc:g}): a network would learn them; set batch.degrade so that both classes overlap more"
        )
    try:
        found = probe.cross_validate()
        evidence = {"left_out": probe.leave_kinds_out(), "cue_auc": cue_auc}
        final = probe.final()
    except Stopped:
        return False
    print("measuring limits", flush=True)
    limits = measure_limits(store, recordings, config.workers)
    changed = limits.recordings, probe.score_limits(limits)
    network = probe_network(config, hidden=probe.ensemble.hidden)
    network.classifier.load_state_dict(final.state_dict())
    proof = proof_clips(recordings, replace(config.batch, clip_frames=config.views.clip_frames))
    print(f"exporting {model_path}")
    release(config, recordings, found, evidence, changed, network, proof, model_path)
    return True


def release(
    config: ProbeConfig,
    recordings: Sequence[Recording],
    found: OutOfFold,
    evidence: Mapping[str, Any],
    changed: tuple[NDArray[np.int64], Mapping[str, NDArray[np.float64]]],
    network: ClipNetwork,
    proof: FloatArray,
    model_path: Path,
) -> None:
    """Write the model file, its figures and configuration (``.json``), its card (``.md``) and its out-of-fold scores.

    Args:
        config, recordings, found: the run, its N recordings and their out-of-fold scores.
        evidence: ``left_out`` and ``cue_auc`` of :class:`facetell.train.probe.Probe`.
        changed: the recordings (M,) of changed frames, and the logits (M,) under each change.
        network: with the classifier that is trained on everything.
        proof: clips (P, T, 3, S, S) in [0, 1], on which engines are compared.
        model_path: the ONNX file.
    """
    entries = [recording.entry for recording in recordings]
    scores = scores_of(recordings, found)
    calibration = calibrate(scores)
    info = ModelInfo(
        name=model_path.stem,
        clip_frames=network.config.clip_frames,
        frame_rate=network.config.frame_rate,
        size=network.config.size,
        crop_scale=network.config.crop_scale,
        min_face_width=MIN_FACE_WIDTH,
        max_clips=MAX_CLIPS,
        calibration=calibration,
        architecture=dict(network.architecture),
        training={"config": plain(config)},
    )
    rounding, parity = export_compared(network, info, model_path, "w8", proof)
    if rounding > ROUNDING["w8"]:
        print(f"storing the weights in 8 bits changes a logit by {rounding:.2g}")
    logits = np.stack([_means(found, row, len(entries)) for row in found.logits])
    odds = np.log(calibration.threshold / (1 - calibration.threshold))
    results = by_kind(entries, logits[0], float((odds - calibration.bias) * calibration.temperature))
    spreads, drift = spread(entries, logits, found.folds), drift_of_reals(entries, logits[0])
    model = {"name": info.name, "sha256": file_sha256(model_path)}
    about = {"model": model, "calibration": asdict(calibration), "min_face_width": info.min_face_width}
    write_scores(replace(scores, about=about), model_path.with_suffix(".oof.parquet"))
    figures: dict[str, Any] = {
        "model": model,
        "config": plain(config),
        "data": fingerprint(recordings),
        "counts": _counts(entries) | {"real_videos": results.reals, "changed": len(changed[0])},
        "code": code_line(),
        "calibration": asdict(calibration),
        "kinds": {kind: asdict(result) for kind, result in results.kinds.items()},
        "spread": {kind: asdict(spreads[kind]) for kind in results.kinds},
        "false_positive_rate": asdict(results.fpr),
        "verdicts": _verdicts(found, entries, calibration),
        "left_out": evidence["left_out"],
        "drift_of_reals": drift,
        "cue_auc": evidence["cue_auc"],
        "limits": _limits(*changed, np.array([entry.label for entry in entries]), results.threshold),
        "rounding": rounding,
        "parity": parity,
    }
    sections = probe_card(info, figures, len(proof), kind_table(results, spreads), drift_table(drift))
    write_release(model_path, sections, figures)
    print(markdown_table(kind_table(results)))


def scores_of(recordings: Sequence[Recording], found: OutOfFold) -> Scores:
    """A score file of the out-of-fold logits of the first division into folds, one row per view."""
    rows: list[dict[str, Any]] = []
    for number, time, logit in zip(found.recordings, found.times, found.logits[0], strict=True):
        rows.append(
            row_of(recordings[number].entry) | {"t0": time, "t1": time, "clip": len(rows), "logit": float(logit)}
        )
    return from_rows(rows, {})


def _means(found: OutOfFold, logits: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Mean logit (N,) of the views of each recording; NaN for one without views."""
    sums = np.bincount(found.recordings, logits, minlength=count)
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / np.bincount(found.recordings, minlength=count))


def _verdicts(found: OutOfFold, entries: Sequence[Entry], calibration: Calibration) -> dict[str, dict[str, float]]:
    """Share of each verdict among the real and the forged clips, of the first division into folds."""
    shares: dict[str, Counter[str]] = {"real": Counter(), "forged": Counter()}
    for number in np.unique(found.recordings):
        logits = found.logits[0][found.recordings == number]
        probability, interval = calibration.probability(float(logits.mean())), calibration.interval(logits.tolist())
        verdict = read_verdict(probability, interval, calibration.threshold)
        shares["forged" if entries[number].label else "real"][verdict.value] += 1
    return {
        label: {verdict: counts[verdict] / counts.total() for verdict in ("forged", "inconclusive", "genuine")}
        for label, counts in shares.items()
    }


def _counts(entries: Sequence[Entry]) -> dict[str, int]:
    real, forged = ([entry for entry in entries if entry.label == label] for label in (0, 1))
    return {
        "real": len(real),
        "identities": len({entry.identity or entry.video for entry in real}),
        "forged": len(forged),
        "generators": len({entry.method for entry in forged}),
        "families": len({entry.family for entry in forged}),
    }


def _limits(
    recordings: NDArray[np.int64],
    logits: Mapping[str, NDArray[np.float64]],
    labels: NDArray[np.int64],
    threshold: float,
) -> dict[str, dict[str, float]]:
    """AUC and false positive rate at the threshold (a logit) under each change."""
    real = labels[recordings] == 0
    return {
        name: {"auc": float(auc((~real).astype(int), values)), "fpr": float((values[real] >= threshold).mean())}
        for name, values in logits.items()
    }
