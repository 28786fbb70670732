"""The model cards of releases, as sections; all numbers come from the figures written to the ``.json`` file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facetell.engine import ModelInfo
from facetell.engine.card import Block, Section
from facetell.evaluate.crossval import Results, kind_table
from facetell.evaluate.tables import Table
from facetell.forge.recipe import KINDS
from facetell.models.zoo import MODELS

Figures = Mapping[str, Any]

TRUNKS = {
    "clip_vit_b16": ("The image tower of CLIP (ViT-B/16, arXiv 2103.00020), cut after block {depth}", "MIT (CLIP)"),
    "lite0": ("EfficientNet-Lite0, trained on ImageNet", "Apache-2.0 (EfficientNet-Lite0)"),
}  # of probes: description, and licence of the weights
FALSE_ALARMS, BLIND = 0.1, 0.7  # a false positive rate above, and an AUC below, are listed among the limits


def network_card(info: ModelInfo, found: Figures, clips: int, results: Results) -> list[Section]:
    """The card of a network; ``clips`` is the number of clips of the parity check, ``results`` are on ``val``."""
    table = kind_table(results)
    is_better = results.kinds["all"].auc.low > 0.5
    doubts = () if is_better else ("Not shown to be better than chance. Do not rely on it.",)
    return [
        _section(
            f"Model card: {info.name}",
            f"{MODELS[str(info.architecture['name'])].about}; motion module: {info.architecture['motion']}, anomaly "
            f"block in training: {found['config']['anomaly']} (see `docs/models.md`). Input: {info.clip_frames} frames "
            f"in a row at about {info.frame_rate:g} frames per second, {info.size} x {info.size} pixels, a crop of "
            f"{info.crop_scale:g} face lengths. Licence: {info.licence}.",
            level=1,
        ),
        _section("Training", (f"{found['step']} steps", *map(": ".join, found["about"].items())), level=2),
        _section(
            "Measured",
            "On prepared clips of `val`, by which the model was also selected and calibrated: the figures are "
            "optimistic. AUC of videos by the mean logit of their clips, 95 % intervals from a bootstrap over "
            f"identities; rates at the threshold of {info.calibration.threshold:g} (calibrated probability).",
            _cells(table),
            f"{table.caption}.",
            level=2,
        ),
        *_closing(
            info,
            found,
            clips,
            "logit",
            *doubts,
            "Frame rates, compression and lighting outside those of the training data were not measured.",
        ),
    ]


def probe_card(info: ModelInfo, found: Figures, clips: int, kinds: Table, drift: Table) -> list[Section]:
    """The card of a probe from its metadata and figures (:func:`facetell.train.probe_run.run_probe`).

    ``clips``: of the parity check. ``kinds`` and ``drift``: tables by kind of forgery, and of reals by repository.
    """
    config, calibration, counts, fpr = found["config"], info.calibration, found["counts"], found["false_positive_rate"]
    views, recipe, verdicts, limits = config["views"], config["batch"]["recipe"], found["verdicts"], found["limits"]
    total, tpr = found["kinds"]["all"]["auc"], found["kinds"]["all"]["tpr"]
    sources = (
        f"Over the videos of the {part['repositories']} repositories with real and forged ones AUC is "
        f"{part['all']['value']:.2f}; within one of them, on average, {part['within']['value']:.2f} "
        f"({part['within']['low']:.2f} to {part['within']['high']:.2f})."
        for part in filter(None, [found["sources_with_both"]])
    )
    alarms = [f"{name} ({part['fpr']:.0%})" for name, part in limits.items() if part["fpr"] > FALSE_ALARMS]
    name = str(info.architecture["name"])
    trunk, licence = TRUNKS.get(name, (MODELS[name].about, "those of their source"))
    trunk = trunk.format(**info.architecture)
    blind = [f"{name} ({part['auc']:.2f})" for name, part in limits.items() if part["auc"] < BLIND]
    left_out = ((kind, str(fakes), str(reals), f"{auc:.3f}") for kind, (auc, fakes, reals) in found["left_out"].items())
    return [
        _section(
            f"Model card: {info.name}",
            f"{trunk}, frozen, and a perceptron of {info.architecture['hidden']} hidden units on its features"
            f"{', and one on its last patches, of which the highest count' if config['local'] else ''}. Its input is "
            f"single frames: of each clip of {info.clip_frames} frames at about {info.frame_rate:g} frames "
            f"per second the middle one, {info.size} x {info.size} pixels, a crop of {info.crop_scale:g} face lengths. "
            f"It has no access to motion. At most {info.max_clips} clips per face are scored. Licence: {info.licence}; "
            f"frozen weights: {licence}.",
            level=1,
        ),
        _section(
            "Training",
            (
                f"data: {counts['real']} real clips of {counts['identities']} identities, {counts['forged']} forged "
                f"by {counts['generators']} generators of {counts['families']} families",
                "sources: `facetell.sources.csv` (repository, path, licence as stated)",
                f"pseudo-fakes: {views['pairs']} views of each real, each beside a pseudo-fake of the same frame "
                f"({', '.join(kind for kind in KINDS if recipe[kind])})",
                f"views: {views['plain']} plain of each clip, {views['forged']} varied of each forged one",
                f"seed {config['seed']}; data fingerprint {found['data']['contents'][:12]}",
                f"code: {found['code']}",
            ),
            f"Command: `facetell train configs/{info.name}.yaml`. Configuration and all figures: `{info.name}.json`.",
            level=2,
        ),
        _section(
            "Measured",
            f"By {config['folds']}-fold cross-validation, grouped: no video is scored by a classifier that was trained "
            "on its repository, its family of generators or an identity in it. The released classifier is trained on "
            f"all folds. A video's score is the mean logit of up to {views['plain']} frames. Intervals are 95 %, from "
            f"a bootstrap over identities. The figures are those of one of {len(config['seeds'])} divisions into "
            "folds; the last columns give mean and standard deviation over folds, and over divisions.",
            _cells(kinds),
            f"At the threshold of {calibration.threshold:g} (calibrated probability) {fpr['value']:.1%} "
            f"({fpr['low']:.1%} to {fpr['high']:.1%}) of {counts['real_videos']} real videos of "
            f"{counts['identities']} identities reach it (false positive rate), and {tpr['value']:.0%} "
            f"({tpr['low']:.0%} to {tpr['high']:.0%}) of the forged ones.",
            "Verdicts of `facetell detect`, which also depend on the interval, on the clips of these videos:",
            (
                ("clips", *verdicts["real"]),
                *((label, *(f"{share:.0%}" for share in of.values())) for label, of in verdicts.items()),
            ),
            level=2,
        ),
        _section(
            "A kind of forgery left out",
            "Trained without any forgery of this kind, and without the repositories, families and identities of those.",
            (("forgery", "videos", "reals", "AUC"), *left_out),
        ),
        _section("Reals by repository", f"{drift.caption}.", _cells(drift)),
        _section(
            "Shortcuts",
            "A linear probe on sharpness, brightness, contrast, saturation, noise, coding blocks and borders alone has "
            f"an AUC of {found['cue_auc']:.2f} on the training batches. The order of the frames has no effect: the "
            "model is given single frames.",
        ),
        _section(
            "Robustness",
            f"One frame of {counts['changed']} clips, changed; out of fold. Distortions are those of "
            "DeeperForensics-1.0.",
            (
                ("the same frames", "AUC", "false positive rate"),
                *((name, f"{part['auc']:.3f}", f"{part['fpr']:.0%}") for name, part in limits.items()),
            ),
        ),
        *_closing(
            info,
            found,
            clips,
            "out-of-fold logit",
            f"Out of fold, AUC {total['value']:.2f} ({total['low']:.2f} to {total['high']:.2f}) over all forgeries: "
            "useful for sorting, not for proof.",
            *sources,
            f"At the threshold it misses {1 - tpr['value']:.0%} of the forgeries. "
            f'{verdicts["forged"]["genuine"]:.0%} have the verdict "genuine": not detected as forged.',
            "Appearance only: forgeries that are visible in motion alone are not detected.",
            f"The false positive rate is higher under: {', '.join(alarms) or 'no change measured'}. AUC is low "
            f"under: {', '.join(blind) or 'no change measured'}.",
        ),
    ]


def _section(title: str, *blocks: Block, level: int = 3) -> Section:
    return Section(title, level, blocks)


def _closing(info: ModelInfo, found: Figures, clips: int, what: str, *limits: str) -> list[Section]:
    """Parity over so many ``clips``; the limits, those of every model last; the calibration of the mean of ``what``."""
    values = ((engine, value) for engine, value in found["parity"].items() if not isinstance(value, str))
    parity = (
        f"Largest deviation of a logit over {clips} clips: {found['rounding']:.2g} by storing the weights in fewer "
        f"bits; from there on {', '.join(f'{engine} {value:.2g}' for engine, value in values)}."
    )
    common = (
        f"Faces smaller than {info.min_face_width:g} pixels are not scored.",
        "Differences between people of different age, sex or skin tone were not measured: the data have no such "
        "labels.",
        "Calibrated to equal odds of real and forged. Where forgeries are rare, the share of false alarms among alarms "
        "is larger than the probability suggests.",
    )
    calibration = (
        f"Platt scaling of the mean {what}: temperature {info.calibration.temperature:.3f}, bias "
        f"{info.calibration.bias:+.3f}, typical spread of clip logits within a video {info.calibration.clip_std:.2f}."
    )
    return [
        _section("Parity", parity),
        _section("Limits", (*limits, *common), level=2),
        _section("Calibration", calibration, level=2),
    ]


def _cells(table: Table) -> Block:
    """The rows of a table with their intervals, the header first."""
    body = (tuple(f"{c.text} [{c.interval}]" if c.interval else c.text for c in row) for row in table.rows)
    return (table.head, *body)
