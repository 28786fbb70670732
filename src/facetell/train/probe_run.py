"""A complete run of a probe: features, cross-validation, release. Each part resumes where it was stopped.

Every figure is from scores of videos whose repository, family and identity the scoring classifier has not been trained
on. The released classifier is trained on all of them, so no figure can be measured on itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from facetell.datasets.folds import group_of
from facetell.datasets.manifest import Entry
from facetell.engine import Calibration
from facetell.engine.card import write_release
from facetell.evaluate import crossval
from facetell.evaluate.formats import markdown_table
from facetell.evaluate.sample import calibrate
from facetell.evaluate.scores import from_rows, row_of, write_scores
from facetell.files import file_sha256
from facetell.metrics.ranking import auc
from facetell.models.export import ROUNDING, export_compared, info_of
from facetell.train.card import probe_card
from facetell.train.config import ProbeConfig
from facetell.train.corpus import SPLITS, decode_all, fingerprint, load_recordings
from facetell.train.features import FeatureStore
from facetell.train.probe import OutOfFold, Probe, Stopped, probe_network, recording_means
from facetell.train.release import check_parity, proof_clips, raw_threshold
from facetell.train.run import Stop, code_line
from facetell.types import FacetellError
from facetell.verdict import read_verdict

MAX_CLIPS = 16
MIN_FACE_WIDTH = 48.0  # pixels; costs 0.07 of the AUC, see "Robustness" in the card


def run_probe(config: ProbeConfig, out: Path, model_path: Path, stop: Stop) -> bool:
    """Train and release; returns whether the run is done. If it was stopped before, the same call resumes it.

    ``out`` is the folder of features and classifiers. The figures and the configuration (``.json``), the card (``.md``)
    and the out-of-fold scores (``.oof.parquet``) are written beside the model file. FacetellError: clips are missing,
    or cues of coding and framing discriminate the classes.
    """
    decode_all(config.data, config.workers)
    # Two frames are the least that a view's window has.
    recordings = [recording for split in SPLITS for recording in load_recordings(config.data, split, 2)]
    frozen = probe_network(config, frozen=True)
    store = FeatureStore(out / "features", frozen, config, recordings)
    for done in store.compute():
        if done % 50 == 0 or done == len(recordings):
            print(f"features: {done} of {len(recordings)} clips", flush=True)
        if stop.asked():
            return False
    probe = Probe(store, frozen, out, stop)
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
        final = probe.classifier()
    except Stopped:
        return False
    print("measuring limits", flush=True)
    chosen, limits = store.limits()
    entries = probe.entries
    # A score file of the first division into folds, one row per view.
    views = enumerate(zip(found.recordings, found.times, found.logits[0], strict=True))
    rows = [row_of(recordings[n].entry) | {"t0": t, "t1": t, "clip": i, "logit": float(x)} for i, (n, t, x) in views]
    scores = from_rows(rows, {})
    calibration = calibrate(scores)
    network = probe_network(config, hidden=probe.ensemble.hidden, local=probe.ensemble.local)
    network.classifier.load_state_dict(final.state_dict())
    info = info_of(
        network,
        model_path.stem,
        min_face_width=MIN_FACE_WIDTH,
        max_clips=MAX_CLIPS,
        calibration=calibration,
        training={"config": asdict(config)},
    )
    print(f"exporting {model_path}")
    proof = proof_clips(recordings, replace(config.batch, clip_frames=config.views.clip_frames))
    rounding, parity = export_compared(network, model_path, proof, metadata=info.to_metadata(), precision="w8")
    if rounding > ROUNDING["w8"]:
        print(f"storing the weights in 8 bits changes a logit by {rounding:.2g}")
    check_parity(model_path, parity)
    logits = np.stack([recording_means(found.recordings, row, len(entries)) for row in found.logits])
    results = crossval.by_kind(entries, logits[0], raw_threshold(calibration))
    spreads, drift = crossval.spread(entries, logits, found.folds), crossval.drift_of_reals(entries, logits[0])
    within = crossval.within_sources(entries, logits[0])
    mixed = [number for number, entry in enumerate(entries) if group_of(entry) in within]
    model = {"name": info.name, "sha256": file_sha256(model_path)}
    about = {"model": model, "calibration": asdict(calibration), "min_face_width": info.min_face_width}
    write_scores(replace(scores, about=about), model_path.with_suffix(".oof.parquet"))
    real = np.array([entry.label == 0 for entry in entries])[chosen]
    figures: dict[str, Any] = {
        "model": model,
        "config": asdict(config),
        "data": fingerprint(recordings),
        "counts": _counts(entries) | {"real_videos": results.reals, "changed": len(chosen)},
        "code": code_line(),
        "calibration": asdict(calibration),
        "kinds": {kind: asdict(result) for kind, result in results.kinds.items()},
        "spread": {kind: asdict(spreads[kind]) for kind in results.kinds},
        "false_positive_rate": asdict(results.fpr),
        "verdicts": _verdicts(found, entries, calibration),
        **evidence,
        "drift_of_reals": drift,
        "sources_with_both": {
            "repositories": len(within),
            "within": asdict(crossval.mean_within(within)),
            "all": asdict(crossval.by_kind([entries[n] for n in mixed], logits[0][mixed]).kinds["all"].auc),
        }
        if within
        else None,
        "limits": {
            name: {
                "auc": float(auc((~real).astype(int), values)),
                "fpr": float((values[real] >= results.threshold).mean()),
            }
            for name, values in probe.score_limits(chosen, limits).items()
        },
        "rounding": rounding,
        "parity": parity,
    }
    sections = probe_card(info, figures, len(proof), crossval.kind_table(results, spreads), crossval.drift_table(drift))
    write_release(model_path, sections, figures)
    print(markdown_table(crossval.kind_table(results)))
    return True


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
