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
from facetell.evaluate.crossval import Results, by_kind, drift_of_reals, drift_table, kind_table, spread
from facetell.evaluate.formats import markdown_table
from facetell.evaluate.sample import calibrate
from facetell.evaluate.scores import Scores, from_rows, write_scores
from facetell.files import file_sha256, write_text
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

CARD = """# Model card: {name}

The image tower of CLIP (ViT-B/16, arXiv 2103.00020), cut after block {depth} and frozen, and a perceptron of {hidden}
hidden units on its features. It looks at single frames: of each clip of {frames} frames at about {rate:g} frames per
second the middle one, {size} x {size} pixels, a crop of {scale:g} face lengths. It does not see motion. At most {clips}
clips per face are scored. Licence: {licence}; CLIP: MIT.

## Training

- data: {data}
- sources: `{name}.sources.csv` (repository, path, licence as stated)
- pseudo-fakes: {pairs} views of each real, each beside a pseudo-fake of the same frame ({recipe})
- views: {plain} plain of each clip, {forged} varied of each forged one
- seed {seed}; data fingerprint {fingerprint}
- code: {code}

Command: `facetell train configs/{name}.yaml`. Configuration and all figures: `{name}.json`.

## Measured

By {folds}-fold cross-validation, grouped: no video is scored by a classifier that was trained on its repository, its
family of generators or a person in it. The released classifier is trained on all folds. A video's score is the mean
logit of up to {plain} frames. Intervals are 95 %, from a bootstrap over identities. The figures are those of one of
{seeds} divisions into folds; the last columns give mean and standard deviation over folds, and over divisions.

{kinds}

At the threshold of {threshold:g} (calibrated probability) {fpr:.1%} ({fpr_low:.1%} to {fpr_high:.1%}) of {reals} real
videos of {identities} people are called forged, and {tpr:.0%} ({tpr_low:.0%} to {tpr_high:.0%}) of the forged ones.

Verdicts of `facetell detect`, which also look at the interval, on the clips of these videos:

{verdicts}

### A kind of forgery left out

Trained without any forgery of this kind, and without the repositories, families and people of those.

{left_out}

### Reals by repository

{drift_caption}.

{drift}

### Shortcuts

A linear probe on sharpness, brightness, contrast, saturation, noise, coding blocks and borders alone has an AUC of
{cues:.2f} on the training batches. The order of the frames does not matter: the model sees single frames.

### Where it holds

One frame of {looked} clips, changed; out of fold. Distortions are those of DeeperForensics-1.0.

{limits}

### Parity

Largest deviation of a logit over {proof} clips: {rounding:.2g} by storing the weights in 8 bits; from there on
{parity}.

## Limits

- Out of fold, AUC {auc:.2f} ({auc_low:.2f} to {auc_high:.2f}) over all forgeries: useful for sorting, not for proof.
- At the threshold it misses {missed:.0%} of the forgeries. Of {forged_genuine:.0%} it says "genuine", which means that
  nothing was found.
- Appearance only: what is visible in motion alone is not seen.
- Faces smaller than {width:g} pixels are not scored.
- {disturbed}
- How well people of different age, sex or skin tone are served is not known: the data do not say.
- Calibrated to equal odds of real and forged. Where forgeries are rare, the share of false alarms among alarms is
  larger than the probability suggests.

## Calibration

Platt scaling of the mean out-of-fold logit: temperature {temperature:.3f}, bias {bias:+.3f}, typical spread of clip
logits within a video {clip_std:.2f}.
"""


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
    figures = {
        "model": model,
        "config": plain_config(config),
        "data": fingerprint(recordings),
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
    write_text(model_path.with_suffix(".json"), json.dumps(figures, indent=1, default=float) + "\n")
    everything = results.kinds["all"]
    text = CARD.format(
        name=info.name,
        depth=info.architecture["depth"],
        hidden=info.architecture["hidden"],
        frames=info.clip_frames,
        rate=info.frame_rate,
        size=info.size,
        scale=info.crop_scale,
        clips=info.max_clips,
        licence=info.licence,
        data=_data(entries),
        pairs=config.views.pairs,
        forged=config.views.forged,
        recipe=", ".join(kind for kind in KINDS if getattr(config.batch.recipe, kind)),
        seed=config.seed,
        fingerprint=fingerprint(recordings)["contents"][:12],
        code=code_line(),
        folds=config.folds,
        plain=config.views.plain,
        first=1,
        seeds=len(config.seeds),
        kinds=markdown_table(kind_table(results, spreads)),
        threshold=calibration.threshold,
        fpr=results.fpr.value,
        fpr_low=results.fpr.low,
        fpr_high=results.fpr.high,
        reals=results.reals,
        identities=results.identities,
        tpr=everything.tpr.value,
        tpr_low=everything.tpr.low,
        tpr_high=everything.tpr.high,
        verdicts=_verdict_table(verdicts),
        left_out=_left_out(evidence.left_out),
        drift_caption=drift_table(drift).caption,
        drift=markdown_table(drift_table(drift)),
        cues=evidence.cue_auc,
        looked=len(evidence.limit_recordings),
        limits=_limit_table(limits),
        disturbed=_disturbed(limits),
        proof=len(proof),
        rounding=rounding,
        parity=", ".join(f"{name} {value:.2g}" for name, value in parity.items() if value is not None),
        auc=everything.auc.value,
        auc_low=everything.auc.low,
        auc_high=everything.auc.high,
        missed=1 - everything.tpr.value,
        forged_genuine=verdicts["forged"]["genuine"],
        width=info.min_face_width,
        temperature=calibration.temperature,
        bias=calibration.bias,
        clip_std=calibration.clip_std,
    )
    write_text(model_path.with_suffix(".md"), text)
    return results


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


def _verdict_table(shares: Mapping[str, Mapping[str, float]]) -> str:
    names = [*shares["real"]]
    lines = [f"| clips | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    lines += [f"| {label} | {' | '.join(f'{of[name]:.0%}' for name in names)} |" for label, of in shares.items()]
    return "\n".join(lines)


def _data(entries: Sequence[Entry]) -> str:
    real, forged = ([entry for entry in entries if entry.label == label] for label in (0, 1))
    people = len({entry.identity or entry.video for entry in real})
    generators, families = (len({getattr(entry, name) for entry in forged}) for name in ("method", "family"))
    return (
        f"{len(real)} real clips of {people} people, {len(forged)} forged by {generators} generators of "
        f"{families} families"
    )


def _disturbed(limits: Mapping[str, Mapping[str, float]]) -> str:
    """The changes that cost most, in a sentence or two."""
    false = [f"{name} ({part['fpr']:.0%})" for name, part in limits.items() if part["fpr"] > FALSE_ALARMS]
    blind = [f"{name} ({part['auc']:.2f})" for name, part in limits.items() if part["auc"] < BLIND]
    return (
        f"The false positive rate is higher under: {', '.join(false) or 'no change measured'}. "
        f"Hardly any forgery is recognised under (AUC): {', '.join(blind) or 'no change measured'}."
    )


def _left_out(found: Mapping[str, tuple[float, int, int]]) -> str:
    lines = ["| forgery | videos | reals | AUC |", "|---|---:|---:|---:|"]
    return "\n".join(
        [*lines, *(f"| {kind} | {fakes} | {reals} | {auc:.3f} |" for kind, (auc, fakes, reals) in found.items())]
    )


def _limits(evidence: Evidence, labels: NDArray[np.int64], threshold: float) -> dict[str, dict[str, float]]:
    """AUC, and share of the reals at or above the threshold (a logit), under each change."""
    real = labels[evidence.limit_recordings] == 0
    return {
        name: {"auc": float(auc((~real).astype(int), logits)), "fpr": float((logits[real] >= threshold).mean())}
        for name, logits in evidence.limit_logits.items()
    }


def _limit_table(limits: Mapping[str, Mapping[str, float]]) -> str:
    lines = ["| the same frames | AUC | false positive rate |", "|---|---:|---:|"]
    return "\n".join(
        [*lines, *(f"| {name} | {part['auc']:.3f} | {part['fpr']:.0%} |" for name, part in limits.items())]
    )
