"""The model card of a release: its figures with their intervals, and its limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from facetell.engine import ModelInfo
from facetell.engine.card import Block, Section
from facetell.engine.info import Calibration
from facetell.evaluate.corruptions import LOSS, WIDTHS


@dataclass(frozen=True, slots=True)
class Release:
    """A measured model file.

    Attributes:
        info: the file's metadata, calibration included.
        state: of the checkpoint: ``step``, ``config``, and where it has them ``val`` and ``about``.
        whole_files: whether ``val`` was scored from whole files rather than from prepared clips.
        generators, pseudo: AUC over all, then by method (:func:`facetell.train.release.figures`).
        leaked: videos of ``val`` left out of these, as their identities or recordings are also in the training data.
        with_leaked: the figure over all, these included; nothing where there are none.
        shortcuts, limits: AUC and false positive rate by corruption (:mod:`facetell.evaluate.corruptions`);
            nothing where it was not checked.
        rounding: largest deviation of a logit by storing the weights in fewer bits.
        parity: by engine, the largest deviation of a logit from the network as it is stored; None where the engine
            could not run.
        note: of whoever released it.
    """

    info: ModelInfo
    state: Mapping[str, Any]
    whole_files: bool
    generators: Sequence[Mapping[str, Any]]
    pseudo: Sequence[Mapping[str, Any]]
    rounding: float
    parity: Mapping[str, float | None]
    note: str = ""
    leaked: int = 0
    with_leaked: Sequence[Mapping[str, Any]] = ()
    shortcuts: Sequence[Mapping[str, Any]] = ()
    limits: Sequence[Mapping[str, Any]] = ()

    def figures(self) -> dict[str, Any]:
        """All that was measured, for JSON."""
        return {
            "min_face_width": self.info.min_face_width,
            "generators": list(self.generators),
            "pseudo_fakes": list(self.pseudo),
            "leaked": self.leaked,
            "with_leaked": list(self.with_leaked),
            "shortcuts": list(self.shortcuts),
            "limits": list(self.limits),
            "calibration": asdict(self.info.calibration),
            "rounding": self.rounding,
            "parity": dict(self.parity),
        }


def card_of(made: Release) -> list[Section]:
    """The sections of the card."""
    info, calibration = made.info, made.info.calibration
    first = (made.generators or made.pseudo)[0]
    parity = ", ".join(f"{engine} {v:.2g}" for engine, v in made.parity.items() if v is not None)
    how = "Whole files, scored by `facetell.Detector`." if made.whole_files else "Prepared clips (`facetell prepare`)."
    unscored = made.generators[0]["unscored"] if made.generators else "none"
    limits = _LIMITS.format(loss=LOSS, least=min(WIDTHS), width=info.min_face_width)
    return [
        Section(
            f"Model card: {info.name}",
            1,
            (
                f"{_network(info, made.state['config'])}. After arXiv 2403.05172 as far as its public description goes "
                "(`docs/models.md` lists what is described and what is reconstructed). Input: "
                f"{info.clip_frames} frames in a row at about {info.frame_rate:g} frames per second, {info.size} x "
                f"{info.size}, one stabilised crop of {info.crop_scale:g} face lengths. Licence: {info.licence}.",
                *([made.note] if made.note else []),
            ),
        ),
        Section(
            "Training", 2, (_training(made.state), f"Configuration: `{info.name}.json`; method: `docs/training.md`.")
        ),
        Section(
            "Measured",
            2,
            (
                "On `val`, which is not used for training. Video-level AUC: a video's score is the mean logit of its "
                "clips, one clip a second (every two seconds for generated forgeries). Intervals are 95 %, from a "
                "bootstrap over identities. `val` was also used to select and calibrate the model, so these figures "
                "are optimistic. The exported file, OpenVINO, float32.",
            ),
        ),
        Section("Forgeries of `val`", 3, (f"{how} Not scored: {unscored}.{_leaked(made)}", _table(made.generators))),
        *_conditions("Shortcuts", _CUES, made.shortcuts),
        *_conditions("Robustness", limits, made.limits),
        Section(
            "Forgeries generated from the real videos of `val`",
            3,
            (
                "Of the kinds used in training, of identities that are not in the training data; both classes are "
                "re-encoded alike.",
                _table(made.pseudo),
            ),
        ),
        Section(
            f"At the threshold ({calibration.threshold:g} of the calibrated probability)",
            3,
            (
                _chosen(calibration),
                _rates(first),
                "`facetell detect` gives the verdict `forged` where the probability reaches the threshold and its "
                "whole interval is above one half. A video with several scored faces has a higher threshold, so that "
                "its false positive rate is the same. The uncertainty of the threshold: `docs/measures.md`.",
            ),
        ),
        Section(
            "Parity",
            3,
            (
                f"Largest deviation of a logit over real clips: {made.rounding:.2g} by the stored precision of the "
                f"weights; relative to the stored weights {parity}.",
            ),
        ),
        Section(
            "Limits",
            2,
            (
                (
                    _verdict(first),
                    "Figures by method are often from few videos: see their intervals.",
                    "Generated forgeries are of the same kinds as in training: unseen identities, not an unseen kind.",
                    f"Faces smaller than {info.min_face_width:g} pixels are not scored. Frame rates, compression and "
                    "lighting outside those of the training data were not measured.",
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
                f"Platt scaling of the mean logit: temperature {calibration.temperature:.3f}, bias "
                f"{calibration.bias:+.3f}, typical spread of clip logits within a video {calibration.clip_std:.2f}.",
            ),
        ),
    ]


_MOTION = {"mcb": "the Motion Consistency Block", "cmm": "STM's motion module (CMM)", "none": "no motion module"}
_ANOMALY = {
    "full": "with the anomaly block",
    "no_cls2": "with the anomaly block, without L^cls2",
    "no_l1": "with the anomaly block, without L^l1",
    "none": "without an anomaly block",
}


def _network(info: ModelInfo, config: Mapping[str, Any]) -> str:
    from facetell.models.zoo import about

    motion = str(info.architecture.get("motion", ""))
    network = about(str(info.architecture["name"]))
    return f"{network}: {_MOTION.get(motion, motion)}; trained {_ANOMALY[config['anomaly']]}"


def _training(state: Mapping[str, Any]) -> tuple[str, ...]:
    """What the checkpoint records of the run; old checkpoints record less."""
    config, about = state["config"], state.get("about", {})
    batch = config["batch"]
    known = ["data", "time", "device", "code"]
    if state["step"]:
        lines = [
            f"{state['step']} steps of {2 * (batch['pairs'] + batch['generated'])} clips ({batch['pairs']} reals "
            f"beside a forgery of themselves, {batch['generated']} forged clips of the data beside a real); "
            f"seed {config['seed']}"
        ]
        if "val" in state:
            chosen = math.isfinite(state["val"]["chosen_by"])
            why = "chosen by the AUC on `val` alone" if chosen else "the last: there was no forgery to choose by"
            lines.append(f"the averaged weights of step {state['val']['step']:.0f}, {why}")
    else:
        lines, known = ["no training steps: released as initialised"], ["data", "code"]
    lines += [f"{key}: {about[key]}" for key in known if key in about]
    return tuple(lines)


def _table(figures: Sequence[Mapping[str, Any]]) -> Block:
    if not figures:
        return "None."
    rows = ((f["name"], str(f["fakes"]), f"{f['auc']:.3f}", _between(f, "auc", ".2f")) for f in figures)
    return (("forgeries", "videos", "AUC", "95 % interval"), *rows)


def _leaked(made: Release) -> str:
    if not made.leaked:
        return ""
    figure = f" With them: {sentence(made.with_leaked[0])}." if made.with_leaked else ""
    return (
        f" Left out: {made.leaked} videos of `val` whose identities or footage are also in the training "
        f"data (found by `facetell datasets check`).{figure}"
    )


_CUES = (
    "Coding, rate, size and background should have little effect; the order of the frames should have one for a model "
    "of motion."
)
_LIMITS = (
    "Smaller faces, blur, short footage. Faces narrower than {width:g} pixels are not scored: the least width measured "
    "that, as all larger ones, costs at most {loss:g} of the AUC and adds at most {loss:.0%} to the false positive "
    "rate. This width was selected first, with all faces from {least} pixels up; `val` is scored with it."
)


def _conditions(title: str, text: str, rows: Sequence[Mapping[str, Any]]) -> list[Section]:
    """A section on the same videos under other conditions; none where that was not measured."""
    if not rows:
        return []
    lines = (
        (row["about"], f"{row['auc']:.3f}", _between(row, "auc", ".2f"), f"{row['false_positive_rate']:.0%}")
        for row in rows
    )
    return [Section(title, 3, (text, (("the same videos", "AUC", "95 % interval", "false positive rate"), *lines)))]


def sentence(figure: Mapping[str, Any]) -> str:
    """A figure for the terminal.

    >>> sentence({"name": "swap", "fakes": 3, "reals": 9, "auc": 0.8, "auc_low": 0.5, "auc_high": 1.0})
    'swap: AUC 0.800 (0.50 to 1.00), 3 forged videos against 9'
    """
    between = _between(figure, "auc", ".2f")
    videos = f"{figure['fakes']} forged videos against {figure['reals']}"
    return f"{figure['name']}: AUC {figure['auc']:.3f} ({between}), {videos}"


def _rates(first: Mapping[str, Any]) -> Block:
    unseen = "threshold selected with leave-one-identity-out"
    names = (
        ("false_positive_rate", "false positive rate"),
        ("false_positive_rate_unseen", f"false positive rate, {unseen}"),
        ("true_positive_rate", "true positive rate"),
        ("true_positive_rate_unseen", f"true positive rate, {unseen}"),
    )
    rows = ((words, f"{first[name]:.0%}", _between(first, name, ".0%")) for name, words in names)
    return (("", "share", "95 % interval (Wilson)"), *rows)


def _chosen(calibration: Calibration) -> str:
    if not calibration.false_positives:
        return "Set by hand."
    return (
        f"Selected on the real videos of `val` for an expected false positive rate of "
        f"{calibration.false_positives:.0%}, but not below 0.5. It depends on the few highest scores."
    )


def _between(figure: Mapping[str, Any], name: str, form: str) -> str:
    low, high = figure[f"{name}_low"], figure[f"{name}_high"]
    return "too few identities" if low is None or high is None else f"{low:{form}} to {high:{form}}"


def _verdict(first: Mapping[str, Any]) -> str:
    """What the overall figure allows one to say."""
    text = f"AUC {first['auc']:.2f} ({_between(first, 'auc', '.2f')}) over all forgeries of `val`: "
    if first["auc_low"] is None or first["auc_low"] <= 0.5:
        return text + "not shown to be better than chance. Do not rely on it."
    if first["auc"] < 0.8:
        return text + "better than chance, far from evidence. Most single verdicts on such videos will be inconclusive."
    return text + "useful for sorting, not for proof."
