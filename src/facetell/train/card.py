"""The model cards of releases, as sections: figures with their intervals, and limits.

``network_card`` is that of a trained network, ``probe_card`` that of a probe. All numbers come from the figures that
are written to the ``.json`` file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from facetell.engine import ModelInfo
from facetell.engine.card import Block, Section
from facetell.evaluate.corruptions import LOSS, WIDTHS
from facetell.evaluate.tables import Table
from facetell.forge.recipe import KINDS
from facetell.models.zoo import MODELS

Figures = Mapping[str, Any]

FALSE_ALARMS, BLIND = 0.1, 0.7  # a false positive rate above, and an AUC below, are listed among the limits
_MOTION = {"mcb": "the Motion Consistency Block", "cmm": "STM's motion module (CMM)", "none": "no motion module"}
_ANOMALY = {
    "full": "with the anomaly block",
    "no_cls2": "with the anomaly block, without L^cls2",
    "no_l1": "with the anomaly block, without L^l1",
    "none": "without an anomaly block",
}


def network_card(info: ModelInfo, found: Figures, clips: int, whole_files: bool, note: str) -> list[Section]:
    """The card of a trained network from its metadata and figures (:func:`facetell.train.release.release`).

    ``clips`` is the number of clips of the parity check; ``whole_files``: ``val`` was scored from whole files rather
    than from prepared clips; ``note`` is a paragraph by the user.
    """
    generators, pseudo = found["generators"], found["pseudo_fakes"]
    first, calibration = (generators or pseudo)[0], info.calibration
    motion = str(info.architecture.get("motion", ""))
    how = "Whole files, scored by `facetell.Detector`." if whole_files else "Prepared clips (`facetell prepare`)."
    return [
        _section(
            f"Model card: {info.name}",
            f"{MODELS[str(info.architecture['name'])].about}: {_MOTION.get(motion, motion)}; trained "
            f"{_ANOMALY[found['config']['anomaly']]}. After arXiv 2403.05172 as far as it is public (see "
            f"`docs/models.md`). Input: {info.clip_frames} frames in a row at about {info.frame_rate:g} frames per "
            f"second, {info.size} x {info.size}, one stabilised crop of {info.crop_scale:g} face lengths. "
            f"Licence: {info.licence}.",
            *([note] if note else []),
            level=1,
        ),
        _section("Training", _training(found), f"Configuration: `{info.name}.json`; see `docs/training.md`.", level=2),
        _section(
            "Measured",
            f"On `val`, by which the model was also selected and calibrated: the figures are optimistic. {how} AUC of "
            "videos by the mean logit of their clips, 95 % intervals from a bootstrap over identities; the exported "
            f"file, OpenVINO, float32. Not scored: {first['unscored'] if generators else 'none'}.{_leaked(found)}",
            *([_methods("forgeries of `val`", generators)] if generators else []),
            *([_methods("pseudo-fakes of its real videos", pseudo)] if pseudo else []),
            f"At the threshold of {calibration.threshold:g} (calibrated probability), selected on the real videos of "
            f"`val` for an expected false positive rate of {calibration.false_positives:.0%}, but not below 0.5:",
            _rates(first),
            level=2,
        ),
        *_conditions("Shortcuts", "The same videos, with one cue removed or changed.", found["shortcuts"]),
        *_conditions(
            "Robustness",
            f"The minimum face width, {info.min_face_width:g} pixels, is the least of at least {min(WIDTHS)} that, as "
            f"all larger ones, costs at most {LOSS:g} of the AUC and of the false positive rate.",
            found["limits"],
        ),
        _parity(found, clips),
        *_closing(
            info,
            "logit",
            _verdict(first),
            "Figures by method are often from few videos: see their intervals.",
            "Pseudo-fakes are of the same kinds as in training: unseen identities, not an unseen kind.",
            f"Faces smaller than {info.min_face_width:g} pixels are not scored. Frame rates, compression and lighting "
            "outside those of the training data were not measured.",
        ),
    ]


def probe_card(info: ModelInfo, found: Figures, clips: int, kinds: Table, drift: Table) -> list[Section]:
    """The card of a probe from its metadata and figures (:func:`facetell.train.probe_run.release`).

    ``clips`` is the number of clips of the parity check; ``kinds`` and ``drift`` are tables of the results by kind of
    forgery, and of the real videos by repository.
    """
    config, calibration, counts, fpr = found["config"], info.calibration, found["counts"], found["false_positive_rate"]
    views, recipe, verdicts, limits = config["views"], config["batch"]["recipe"], found["verdicts"], found["limits"]
    total, tpr = found["kinds"]["all"]["auc"], found["kinds"]["all"]["tpr"]
    alarms = [f"{name} ({part['fpr']:.0%})" for name, part in limits.items() if part["fpr"] > FALSE_ALARMS]
    blind = [f"{name} ({part['auc']:.2f})" for name, part in limits.items() if part["auc"] < BLIND]
    left_out = ((kind, str(fakes), str(reals), f"{auc:.3f}") for kind, (auc, fakes, reals) in found["left_out"].items())
    return [
        _section(
            f"Model card: {info.name}",
            f"The image tower of CLIP (ViT-B/16, arXiv 2103.00020), cut after block {info.architecture['depth']} and "
            f"frozen, and a perceptron of {info.architecture['hidden']} hidden units on its features. Its input is "
            f"single frames: of each clip of {info.clip_frames} frames at about {info.frame_rate:g} frames per second "
            f"the middle one, {info.size} x {info.size} pixels, a crop of {info.crop_scale:g} face lengths. It has no "
            f"access to motion. At most {info.max_clips} clips per face are scored. Licence: {info.licence}; CLIP: "
            "MIT.",
            level=1,
        ),
        _section(
            "Training",
            (
                f"data: {counts['real']} real clips of {counts['identities']} identities, {counts['forged']} forged "
                f"by {counts['generators']} generators of {counts['families']} families",
                f"sources: `{info.name}.sources.csv` (repository, path, licence as stated)",
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
        _parity(found, clips),
        *_closing(
            info,
            "out-of-fold logit",
            f"Out of fold, AUC {total['value']:.2f} ({total['low']:.2f} to {total['high']:.2f}) over all forgeries: "
            "useful for sorting, not for proof.",
            f"At the threshold it misses {1 - tpr['value']:.0%} of the forgeries. "
            f'{verdicts["forged"]["genuine"]:.0%} have the verdict "genuine": not detected as forged.',
            "Appearance only: forgeries that are visible in motion alone are not detected.",
            f"Faces smaller than {info.min_face_width:g} pixels are not scored.",
            f"The false positive rate is higher under: {', '.join(alarms) or 'no change measured'}. AUC is low "
            f"under: {', '.join(blind) or 'no change measured'}.",
        ),
    ]


def _section(title: str, *blocks: Block, level: int = 3) -> Section:
    return Section(title, level, blocks)


def _parity(found: Figures, clips: int) -> Section:
    parts = ", ".join(f"{engine} {value:.2g}" for engine, value in found["parity"].items() if value is not None)
    text = (
        f"Largest deviation of a logit over {clips} clips: {found['rounding']:.2g} by storing the weights in fewer "
        f"bits; from there on {parts}."
    )
    return _section("Parity", text)


def _closing(info: ModelInfo, what: str, *limits: str) -> list[Section]:
    """The limits, those of every model last, and the calibration of the mean of ``what``."""
    common = (
        "Differences between people of different age, sex or skin tone were not measured: the data have no such "
        "labels.",
        "Calibrated to equal odds of real and forged. Where forgeries are rare, the share of false alarms among alarms "
        "is larger than the probability suggests.",
    )
    calibration = info.calibration
    text = (
        f"Platt scaling of the mean {what}: temperature {calibration.temperature:.3f}, bias {calibration.bias:+.3f}, "
        f"typical spread of clip logits within a video {calibration.clip_std:.2f}."
    )
    return [_section("Limits", (*limits, *common), level=2), _section("Calibration", text, level=2)]


def _training(found: Figures) -> tuple[str, ...]:
    """What the checkpoint records of the run."""
    config, about, batch = found["config"], found.get("about", {}), found["config"]["batch"]
    lines = [
        f"{found['step']} steps of {2 * (batch['pairs'] + batch['generated'])} clips ({batch['pairs']} reals with a "
        f"pseudo-fake of themselves, {batch['generated']} forged clips of the data with a real); seed {config['seed']}"
    ]
    if "val" in found:
        selected = math.isfinite(found["val"]["chosen_by"])
        why = "selected by the AUC on `val` alone" if selected else "the last: `val` has no forgeries to select by"
        lines.append(f"the averaged weights of step {found['val']['step']:.0f}, {why}")
    return (*lines, *(f"{key}: {about[key]}" for key in ("data", "time", "device", "code") if key in about))


def _methods(title: str, figures: Sequence[Figures]) -> Block:
    rows = ((f["name"], str(f["fakes"]), f"{f['auc']:.3f}", _between(f, "auc", ".2f")) for f in figures)
    return ((title, "videos", "AUC", "95 % interval"), *rows)


def _leaked(found: Figures) -> str:
    if not found["leaked"]:
        return ""
    figure = f" With them: {summary_line(found['with_leaked'][0])}." if found["with_leaked"] else ""
    return (
        f" Left out: {found['leaked']} videos of `val` whose identities or footage are also in the training data "
        f"(found by `facetell datasets check`).{figure}"
    )


def _conditions(title: str, text: str, rows: Sequence[Figures]) -> list[Section]:
    """A section on the same videos under other conditions; none if that was not measured."""
    lines = (
        (row["about"], f"{row['auc']:.3f}", _between(row, "auc", ".2f"), f"{row['false_positive_rate']:.0%}")
        for row in rows
    )
    table = (("the same videos", "AUC", "95 % interval", "false positive rate"), *lines)
    return [_section(title, text, table)] if rows else []


def _rates(first: Figures) -> Block:
    unseen = "threshold selected with leave-one-identity-out"
    names = {
        "false_positive_rate": "false positive rate",
        "false_positive_rate_unseen": f"false positive rate, {unseen}",
        "true_positive_rate": "true positive rate",
        "true_positive_rate_unseen": f"true positive rate, {unseen}",
    }
    rows = ((words, f"{first[name]:.0%}", _between(first, name, ".0%")) for name, words in names.items())
    return (("", "share", "95 % interval (Wilson)"), *rows)


def _cells(table: Table) -> Block:
    """The rows of a table with their intervals, the header first."""
    body = (tuple(f"{c.text} [{c.interval}]" if c.interval else c.text for c in row) for row in table.rows)
    return (table.head, *body)


def summary_line(figure: Figures) -> str:
    """A figure for the terminal.

    >>> summary_line({"name": "swap", "fakes": 3, "reals": 9, "auc": 0.8, "auc_low": 0.5, "auc_high": 1.0})
    'swap: AUC 0.800 (0.50 to 1.00), 3 forged videos against 9'
    """
    videos = f"{figure['fakes']} forged videos against {figure['reals']}"
    return f"{figure['name']}: AUC {figure['auc']:.3f} ({_between(figure, 'auc', '.2f')}), {videos}"


def _between(figure: Figures, name: str, form: str) -> str:
    low, high = figure[f"{name}_low"], figure[f"{name}_high"]
    return "too few identities" if low is None or high is None else f"{low:{form}} to {high:{form}}"


def _verdict(first: Figures) -> str:
    text = f"AUC {first['auc']:.2f} ({_between(first, 'auc', '.2f')}) over all forgeries of `val`: "
    if first["auc_low"] is None or first["auc_low"] <= 0.5:
        return text + "not shown to be better than chance. Do not rely on it."
    if first["auc"] < 0.8:
        return text + "better than chance, far from evidence. Most single verdicts on such videos will be inconclusive."
    return text + "useful for sorting, not for proof."
