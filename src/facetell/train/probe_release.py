"""Release a probe: export, parity of the engines, calibration from out-of-fold scores, card.

Every figure of the card is from scores of videos whose repository, family and identity the scoring classifier has not
seen. The released classifier is trained on all of them, so no figure can be measured on itself.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facetell.datasets.manifest import Entry
from facetell.engine import Calibration, ModelInfo
from facetell.engine.card import Section, write_release
from facetell.evaluate.crossval import Results, by_kind, drift_of_reals, drift_table, kind_table, spread
from facetell.evaluate.sample import calibrate
from facetell.evaluate.scores import Scores, from_rows, write_scores
from facetell.evaluate.tables import Table
from facetell.files import file_sha256
from facetell.forge.recipe import KINDS
from facetell.metrics.ranking import auc
from facetell.models.convert import check_parity, deviation
from facetell.models.export import ROUNDING, export_onnx, model_from_onnx
from facetell.models.network import ClipNetwork
from facetell.train.about import code_line
from facetell.train.corpus import Recording
from facetell.train.probe import OutOfFold, Say
from facetell.train.probe_config import ProbeConfig
from facetell.train.release import ENGINES
from facetell.train.resume import fingerprint
from facetell.train.validate import row_of
from facetell.types import FloatArray
from facetell.verdict import read_verdict

MAX_CLIPS = 16
MIN_FACE_WIDTH = 48.0  # pixels; costs at most 0.05 of the AUC, by the table of limits in the card
FALSE_ALARMS, BLIND = 0.1, 0.7  # a false positive rate above, and an AUC below, are named among the limits


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the run has found, besides the out-of-fold scores.

    Attributes:
        left_out: AUC, forged and real videos, by the kind of forgery that was left out.
        cue_auc: of the probe on cues, on the batches.
        limit_recordings: int (M,), the recordings whose frames were changed.
        limit_logits: (M,) under each change.
    """

    left_out: Mapping[str, tuple[float, int, int]]
    cue_auc: float
    limit_recordings: NDArray[np.int64]
    limit_logits: Mapping[str, NDArray[np.float64]]


def scores_of(recordings: Sequence[Recording], found: OutOfFold, division: int) -> Scores:
    """A score file of the out-of-fold logits of one division into folds, one row a view."""
    rows: list[dict[str, Any]] = []
    for number, time, logit in zip(found.recordings, found.times, found.logits[division], strict=True):
        rows.append(
            row_of(recordings[number].entry) | {"t0": time, "t1": time, "clip": len(rows), "logit": float(logit)}
        )
    return from_rows(rows, {})


def release(
    config: ProbeConfig,
    recordings: Sequence[Recording],
    found: OutOfFold,
    evidence: Evidence,
    network: ClipNetwork,
    proof: FloatArray,
    model_path: Path,
    say: Say,
) -> Results:
    """Write the model file, its figures and configuration (``.json``), its card (``.md``) and its out-of-fold scores.

    Args:
        config: the run.
        recordings: N, as ``found`` counts them.
        found: the scores.
        evidence: see :class:`Evidence`.
        network: with the classifier that is trained on everything.
        proof: clips (P, T, 3, S, S) in [0, 1], on which engines are compared.
        model_path: the ONNX file.
        say: called with a line on each step.
    """
    entries = [recording.entry for recording in recordings]
    scores = scores_of(recordings, found, 0)
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
        training={"config": plain_config(config)},
    )
    say(f"exporting {model_path}")
    export_onnx(network, model_path, metadata=info.to_metadata(), precision="w8")
    _, stored = model_from_onnx(model_path)
    rounding = deviation(network, stored, proof)
    if rounding > ROUNDING["w8"]:
        say(f"storing the weights in 8 bits moves a logit by {rounding:.2g}")
    parity = {f"{p.engine} {p.precision}": p.largest for p in check_parity(stored, model_path, proof, ENGINES)}
    of_recordings = np.stack([_means(found, row, len(entries)) for row in range(len(found.logits))])
    odds = np.log(calibration.threshold / (1 - calibration.threshold))
    results = by_kind(entries, of_recordings[0], float((odds - calibration.bias) * calibration.temperature))
    spreads = spread(entries, of_recordings, found.folds)
    drift = drift_of_reals(entries, of_recordings[0])
    verdicts = _verdicts(found, entries, calibration)
    limits = _limits(evidence, np.array([entry.label for entry in entries]), results.threshold)
    model = {"name": info.name, "sha256": file_sha256(model_path)}
    about = {"model": model, "calibration": asdict(calibration), "min_face_width": info.min_face_width}
    write_scores(replace(scores, about=about), model_path.with_suffix(".oof.parquet"))
    data = fingerprint(recordings)
    figures = {
        "model": model,
        "config": plain_config(config),
        "data": data,
        "code": code_line(),
        "calibration": asdict(calibration),
        "kinds": {kind: asdict(result) for kind, result in results.kinds.items()},
        "spread": {kind: asdict(part) for kind, part in spreads.items()},
        "false_positive_rate": asdict(results.fpr),
        "verdicts": verdicts,
        "left_out": evidence.left_out,
        "drift_of_reals": drift,
        "cue_auc": evidence.cue_auc,
        "limits": limits,
        "rounding": rounding,
        "parity": parity,
    }
    made = _Made(config, entries, info, results, verdicts, evidence, limits)
    tables = kind_table(results, spreads), drift_table(drift)
    parts = ", ".join(f"{name} {value:.2g}" for name, value in parity.items() if value is not None)
    stored_as = (
        f"Largest deviation of a logit over {len(proof)} clips: {rounding:.2g} by storing the weights in 8 bits; "
        f"relative to the stored weights {parts}."
    )
    sections = _card(made, *tables, stored_as, data["contents"][:12])
    write_release(model_path, sections, figures)
    return results


@dataclass(frozen=True, slots=True)
class _Made:
    """What the card is written from."""

    config: ProbeConfig
    entries: Sequence[Entry]
    info: ModelInfo
    results: Results
    verdicts: Mapping[str, Mapping[str, float]]
    evidence: Evidence
    limits: Mapping[str, Mapping[str, float]]


def _card(made: _Made, kinds: Table, drift: Table, parity: str, data: str) -> list[Section]:
    """The sections of the card; ``data`` is the fingerprint of the recordings."""
    config, info, results, evidence = made.config, made.info, made.results, made.evidence
    views, calibration, total = config.views, info.calibration, results.kinds["all"]
    left_out = evidence.left_out.items()
    recipe = ", ".join(kind for kind in KINDS if getattr(config.batch.recipe, kind))
    return [
        Section(
            f"Model card: {info.name}",
            1,
            (
                f"The image tower of CLIP (ViT-B/16, arXiv 2103.00020), cut after block {info.architecture['depth']} "
                f"and frozen, and a perceptron of {info.architecture['hidden']} hidden units on its features. Its "
                f"input is single frames: of each clip of {info.clip_frames} frames at about "
                f"{info.frame_rate:g} frames per second the middle one, {info.size} x {info.size} pixels, a crop of "
                f"{info.crop_scale:g} face lengths. It has no access to motion. At most {info.max_clips} clips per "
                f"face are scored. Licence: {info.licence}; CLIP: MIT.",
            ),
        ),
        Section(
            "Training",
            2,
            (
                (
                    f"data: {_data(made.entries)}",
                    f"sources: `{info.name}.sources.csv` (repository, path, licence as stated)",
                    f"pseudo-fakes: {views.pairs} views of each real, each beside a pseudo-fake of the same frame "
                    f"({recipe})",
                    f"views: {views.plain} plain of each clip, {views.forged} varied of each forged one",
                    f"seed {config.seed}; data fingerprint {data}",
                    f"code: {code_line()}",
                ),
                f"Command: `facetell train configs/{info.name}.yaml`. Configuration and all figures: "
                f"`{info.name}.json`.",
            ),
        ),
        Section(
            "Measured",
            2,
            (
                f"By {config.folds}-fold cross-validation, grouped: no video is scored by a classifier that was "
                "trained on its repository, its family of generators or an identity in it. The released classifier is "
                f"trained on all folds. A video's score is the mean logit of up to {views.plain} frames. Intervals are "
                "95 %, from a bootstrap over identities. The figures are those of one of "
                f"{len(config.seeds)} divisions into folds; the last columns give mean and standard deviation over "
                "folds, and over divisions.",
                _rows(kinds),
                f"At the threshold of {calibration.threshold:g} (calibrated probability) {results.fpr.value:.1%} "
                f"({results.fpr.low:.1%} to {results.fpr.high:.1%}) of {results.reals} real videos of "
                f"{results.identities} identities reach it (false positive rate), and {total.tpr.value:.0%} "
                f"({total.tpr.low:.0%} to {total.tpr.high:.0%}) of the forged ones.",
                "Verdicts of `facetell detect`, which also depend on the interval, on the clips of these videos:",
                (
                    ("clips", *made.verdicts["real"]),
                    *((label, *(f"{share:.0%}" for share in of.values())) for label, of in made.verdicts.items()),
                ),
            ),
        ),
        Section(
            "A kind of forgery left out",
            3,
            (
                "Trained without any forgery of this kind, and without the repositories, families and identities of "
                "those.",
                (
                    ("forgery", "videos", "reals", "AUC"),
                    *((kind, str(fakes), str(reals), f"{auc:.3f}") for kind, (auc, fakes, reals) in left_out),
                ),
            ),
        ),
        Section("Reals by repository", 3, (f"{drift.caption}.", _rows(drift))),
        Section(
            "Shortcuts",
            3,
            (
                "A linear probe on sharpness, brightness, contrast, saturation, noise, coding blocks and borders alone "
                f"has an AUC of {evidence.cue_auc:.2f} on the training batches. The order of the frames has no effect: "
                "the model is given single frames.",
            ),
        ),
        Section(
            "Robustness",
            3,
            (
                f"One frame of {len(evidence.limit_recordings)} clips, changed; out of fold. Distortions are those of "
                "DeeperForensics-1.0.",
                (
                    ("the same frames", "AUC", "false positive rate"),
                    *((name, f"{part['auc']:.3f}", f"{part['fpr']:.0%}") for name, part in made.limits.items()),
                ),
            ),
        ),
        Section("Parity", 3, (parity,)),
        Section(
            "Limits",
            2,
            (
                (
                    f"Out of fold, AUC {total.auc.value:.2f} ({total.auc.low:.2f} to {total.auc.high:.2f}) over all "
                    "forgeries: useful for sorting, not for proof.",
                    f"At the threshold it misses {1 - total.tpr.value:.0%} of the forgeries. "
                    f'{made.verdicts["forged"]["genuine"]:.0%} have the verdict "genuine": not detected as forged.',
                    "Appearance only: forgeries that are visible in motion alone are not detected.",
                    f"Faces smaller than {info.min_face_width:g} pixels are not scored.",
                    _disturbed(made.limits),
                    "Differences between people of different age, sex or skin tone were not measured: the data have no "
                    "such labels.",
                    "Calibrated to equal odds of real and forged. Where forgeries are rare, the share of false alarms "
                    "among alarms is larger than the probability suggests.",
                ),
            ),
        ),
        Section(
            "Calibration",
            2,
            (
                f"Platt scaling of the mean out-of-fold logit: temperature {calibration.temperature:.3f}, bias "
                f"{calibration.bias:+.3f}, typical spread of clip logits within a video {calibration.clip_std:.2f}.",
            ),
        ),
    ]


def _rows(table: Table) -> tuple[tuple[str, ...], ...]:
    """The rows of a table with their intervals, the header first."""
    body = (tuple(f"{c.text} [{c.interval}]" if c.interval else c.text for c in row) for row in table.rows)
    return (table.head, *body)


def plain_config(config: ProbeConfig) -> dict[str, Any]:
    """The configuration as JSON holds it."""
    tree: dict[str, Any] = json.loads(json.dumps(asdict(config)))
    return tree


def _means(found: OutOfFold, row: int, count: int) -> NDArray[np.float64]:
    """Mean logit (N,) of the views of each recording; NaN of one without."""
    sums = np.bincount(found.recordings, found.logits[row], minlength=count)
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


def _data(entries: Sequence[Entry]) -> str:
    real, forged = ([entry for entry in entries if entry.label == label] for label in (0, 1))
    people = len({entry.identity or entry.video for entry in real})
    generators, families = (len({getattr(entry, name) for entry in forged}) for name in ("method", "family"))
    return (
        f"{len(real)} real clips of {people} identities, {len(forged)} forged by {generators} generators of "
        f"{families} families"
    )


def _disturbed(limits: Mapping[str, Mapping[str, float]]) -> str:
    """The changes that cost most, in a sentence or two."""
    false = [f"{name} ({part['fpr']:.0%})" for name, part in limits.items() if part["fpr"] > FALSE_ALARMS]
    blind = [f"{name} ({part['auc']:.2f})" for name, part in limits.items() if part["auc"] < BLIND]
    return (
        f"The false positive rate is higher under: {', '.join(false) or 'no change measured'}. "
        f"AUC is low under: {', '.join(blind) or 'no change measured'}."
    )


def _limits(evidence: Evidence, labels: NDArray[np.int64], threshold: float) -> dict[str, dict[str, float]]:
    """AUC, and share of the reals at or above the threshold (a logit), under each change."""
    real = labels[evidence.limit_recordings] == 0
    return {
        name: {"auc": float(auc((~real).astype(int), logits)), "fpr": float((logits[real] >= threshold).mean())}
        for name, logits in evidence.limit_logits.items()
    }
