"""The model card: every figure of a release with its interval, and its limits, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from facetell.engine import ModelInfo

TEMPLATE = """# Model card: {name}

EfficientNet-Lite0 (ImageNet start) whose inverted residuals carry CSTM's temporal convolution and the Motion
Consistency Block at five depths, trained with the anomaly block, after arXiv 2403.05172 as far as its public
description goes (`docs/models.md` says what is read and what is our reconstruction). Input: {frames} consecutive frames
at about {rate:g} frames per second, {size} x {size}, one stabilised square of {scale:g} face lengths. Licence:
{licence}.

Trained for {steps} steps of {batch} clips on 101 real clips of 68 people, 45 clips of two talking-head generators
(AniTalker, EDTalk), and forgeries made from the real clips. Configuration: `{name}.json`; recipe: `docs/training.md`.
{note}
## Measured

On `val`: people and generators that are not in the training data. Video-level AUC: a video's score is the mean logit of
its clips, one clip a second. Intervals are 95 %, from a bootstrap over identities. `val` also chose and calibrated the
model, so these figures are somewhat kind to it. OpenVINO, float32.

### Real generators

Files as a user would give them, through the whole of `facetell.Detector`. Not scored: {not_scored}.

{generators}

### Pseudo-fakes

Forged from the {val_reals} real videos of `val` (their people were not trained on) by the kinds that training also
used, one clip every two seconds; both classes re-encoded alike.

{pseudo}

### At the threshold ({threshold:g} of the calibrated probability)

| | share | 95 % interval (Wilson) |
|---|---|---|
| real videos called forged | {fpr:.0%} | {fpr_low:.0%} to {fpr_high:.0%} |
| generator videos called forged | {tpr:.0%} | {tpr_low:.0%} to {tpr_high:.0%} |

`facetell detect` says `forged` only where the whole interval of the probability lies above the threshold.

## Limits

- {verdict}
- Figures by generator rest on one to seven videos each: their intervals say how little that tells.
- Two generators were seen in training; they were learned within 200 steps, a sign that part of what was learned of
  them is a shortcut. It does not carry over to every other generator.
- Pseudo-fakes are made by the same code in training and here; they are of unseen people, not of an unseen kind.
- Training faces were 90 to 200 pixels wide at 24 to 30 frames per second. Smaller faces (from 64 pixels), other rates
  and heavy recompression are scored, but were not measured.
- The people in the training data are mostly public figures and actors, filmed well; lighting, age, skin tone and
  cameras of the world at large are not represented in proportion, and no figure by group is known.
- Calibrated to equal odds of real and forged. Where forgeries are rare, the share of false alarms among alarms is
  larger than the probability suggests.

## Calibration

Platt scaling of the mean logit: temperature {temperature:.3f}, bias {bias:+.3f}, typical spread of clip logits within a
video {clip_std:.2f}.
"""


def write_card(info: ModelInfo, figures: dict[str, Any], note: str) -> str:
    """The card's text from a model file's metadata and :func:`facetell.train.release.release`'s figures."""
    overall = figures["generators"][0]
    settings: Any = info.training["config"]
    batch = 2 * (settings["batch"]["pairs"] + settings["batch"]["generated"])
    (fpr_low, fpr_high), (tpr_low, tpr_high) = figures["false_positive_interval"], figures["true_positive_interval"]
    return TEMPLATE.format(
        name=info.name,
        frames=info.clip_frames,
        rate=info.frame_rate,
        size=info.size,
        scale=info.crop_scale,
        licence=info.licence,
        steps=info.training["steps"],
        batch=batch,
        note=f"\n{note}\n" if note else "",
        not_scored=", ".join(f"{n} {status}" for status, n in figures["not_scored"].items()) or "none",
        generators=_table(figures["generators"]),
        val_reals=overall["reals"],
        pseudo=_table(figures["pseudo_fakes"]),
        threshold=info.calibration.threshold,
        fpr=figures["false_positive_rate"],
        fpr_low=fpr_low,
        fpr_high=fpr_high,
        tpr=figures["true_positive_rate"],
        tpr_low=tpr_low,
        tpr_high=tpr_high,
        verdict=_verdict(overall),
        temperature=info.calibration.temperature,
        bias=info.calibration.bias,
        clip_std=info.calibration.clip_std,
    )


def _table(figures: Sequence[dict[str, Any]]) -> str:
    lines = ["| forgeries | videos | AUC | 95 % interval |", "|---|---|---|---|"]
    for f in figures:
        lines.append(f"| {f['name']} | {f['fakes']} | {f['auc']:.3f} | {f['low']:.2f} to {f['high']:.2f} |")
    return "\n".join(lines)


def _verdict(overall: dict[str, Any]) -> str:
    """What the overall figure allows one to say."""
    text = f"AUC {overall['auc']:.2f} ({overall['low']:.2f} to {overall['high']:.2f}) over all unseen generators: "
    if overall["low"] <= 0.5:
        return text + "not shown to be better than chance. Do not rely on it."
    if overall["auc"] < 0.8:
        return text + "better than chance, far from evidence. Most single verdicts on such videos will be inconclusive."
    return text + "useful for sorting, not for proof."
