"""The model card: every figure of a release with its interval, and its limits, as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from facetell.engine import ModelInfo
from facetell.engine.info import Calibration
from facetell.evaluate.corruptions import LOSS, WIDTHS

TEMPLATE = """# Model card: {name}

{network}.
After arXiv 2403.05172 as far as its public description goes (`docs/models.md` says what is read and what is our
reconstruction). Input: {frames} frames in a row at about {rate:g} frames per second, {size} x {size}, one stabilised
square of {scale:g} face lengths. Licence: {licence}.
{note}
## Training

{training}

Configuration: `{name}.json`; how it is done: `docs/training.md`.

## Measured

On `val`, which was never trained on. Video-level AUC: a video's score is the mean logit of its clips, one clip a second
(every two seconds for forgeries made here). Intervals are 95 %, from a bootstrap over identities. `val` also chose and
calibrated the model, so these figures are somewhat kind to it. The exported file, OpenVINO, float32.

### Forgeries that `val` holds

{how} Not scored: {unscored}.{leaked}

{generators}
{shortcuts}{limits}
### Forgeries made from the reals of `val`

By the kinds of forging that training can use, of people it has not seen; both classes re-encoded alike.

{pseudo}

### At the threshold ({threshold:g} of the calibrated probability)

{chosen}

{calls}

`facetell detect` says `forged` where the probability reaches the threshold and its whole interval lies above one half.
A video with several scored faces has a higher threshold, so that its false positive rate is the same. How far a
threshold from few reals is known: `docs/measures.md`.

### Parity

Largest deviation of a logit over real clips: {rounding:.2g} by how the file stores the trained network's weights; from
there on {parity}.

## Limits

- {verdict}
- Figures by method often rest on few videos: their intervals say how little that tells.
- Forgeries made from reals are made by the same code in training and here: unseen people, not an unseen kind.
- Faces smaller than {width:g} pixels are not scored. Frame rates, compression and lighting outside those of the
  training data were not measured here.
- How well people of different age, sex or skin tone are served is not known: the data do not tell.
- Calibrated to equal odds of real and forged. Where forgeries are rare, the share of false alarms among alarms is
  larger than the probability suggests.

## Calibration

Platt scaling of the mean logit: temperature {temperature:.3f}, bias {bias:+.3f}, typical spread of clip logits within a
video {clip_std:.2f}.
"""


@dataclass(frozen=True, slots=True)
class Release:
    """A measured model file.

    Attributes:
        info: the file's metadata, calibration included.
        state: of the checkpoint: ``step``, ``config``, and where it has them ``val`` and ``about``.
        whole_files: whether ``val`` was scored from whole files rather than from prepared clips.
        generators, pseudo: AUC over all, then by method (:func:`facetell.train.release.figures`).
        leaked: videos of ``val`` left out of these, as their people or recordings are in the training data, too.
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


def write_card(made: Release) -> str:
    """The card's text."""
    info = made.info
    first = (made.generators or made.pseudo)[0]
    files = "Files as a user would give them, through the whole of `facetell.Detector`."
    return TEMPLATE.format(
        name=info.name,
        network=_network(info, made.state["config"]),
        frames=info.clip_frames,
        rate=info.frame_rate,
        size=info.size,
        scale=info.crop_scale,
        licence=info.licence,
        note=f"\n{made.note}\n" if made.note else "",
        training=_training(made.state),
        how=files if made.whole_files else "Prepared clips (`facetell prepare`).",
        unscored=made.generators[0]["unscored"] if made.generators else "none",
        leaked=_leaked(made),
        generators=_table(made.generators),
        shortcuts=_treated("Shortcuts", _CUES, made.shortcuts),
        limits=_treated(
            "Where it holds", _LIMITS.format(loss=LOSS, least=min(WIDTHS), width=info.min_face_width), made.limits
        ),
        pseudo=_table(made.pseudo),
        threshold=info.calibration.threshold,
        chosen=_chosen(info.calibration),
        calls=_calls(first),
        rounding=made.rounding,
        parity=", ".join(f"{engine} {v:.2g}" for engine, v in made.parity.items() if v is not None),
        verdict=_verdict(first),
        width=info.min_face_width,
        temperature=info.calibration.temperature,
        bias=info.calibration.bias,
        clip_std=info.calibration.clip_std,
    )


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


def _training(state: Mapping[str, Any]) -> str:
    """What is known of the run, a line each; old checkpoints know less."""
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
        lines, known = ["no steps of its own: released as it started"], ["data", "code"]
    lines += [f"{key}: {about[key]}" for key in known if key in about]
    return "\n".join(f"- {line}" for line in lines)


def _table(figures: Sequence[Mapping[str, Any]]) -> str:
    if not figures:
        return "None."
    lines = ["| forgeries | videos | AUC | 95 % interval |", "|---|---|---|---|"]
    lines += [f"| {f['name']} | {f['fakes']} | {f['auc']:.3f} | {_between(f, 'auc', '.2f')} |" for f in figures]
    return "\n".join(lines)


def _leaked(made: Release) -> str:
    if not made.leaked:
        return ""
    figure = f" With them: {sentence(made.with_leaked[0])}." if made.with_leaked else ""
    return (
        f" Left out: {made.leaked} videos of `val` whose people or footage are in the training data, too "
        f"(`facetell datasets check` finds them).{figure}"
    )


_CUES = (
    "Coding, rate, size and background should hardly matter; the order of the frames should, where motion is what is "
    "judged."
)
_LIMITS = (
    "Smaller faces, blur, short footage. Faces narrower than {width:g} pixels are not scored: the least width measured "
    "that, as all larger ones, costs at most {loss:g} of the AUC and adds at most {loss:.0%} to the false positive "
    "rate. This width was chosen first, with all faces from {least} pixels up; the scores of `val` and the file use it."
)


def _treated(title: str, text: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The same videos, treated, as a section; "" where that was not looked into."""
    if not rows:
        return ""
    lines = ["| the same videos | AUC | 95 % interval | reals called forged |", "|---|---|---|---|"]
    lines += [
        f"| {row['about']} | {row['auc']:.3f} | {_between(row, 'auc', '.2f')} | {row['false_positive_rate']:.0%} |"
        for row in rows
    ]
    return f"\n### {title}\n\n{text}\n\n" + "\n".join(lines) + "\n"


def sentence(figure: Mapping[str, Any]) -> str:
    """A figure for the terminal.

    >>> sentence({"name": "swap", "fakes": 3, "reals": 9, "auc": 0.8, "auc_low": 0.5, "auc_high": 1.0})
    'swap: AUC 0.800 (0.50 to 1.00), 3 forged videos against 9'
    """
    between = _between(figure, "auc", ".2f")
    videos = f"{figure['fakes']} forged videos against {figure['reals']}"
    return f"{figure['name']}: AUC {figure['auc']:.3f} ({between}), {videos}"


def _calls(first: Mapping[str, Any]) -> str:
    lines = ["| | share | 95 % interval (Wilson) |", "|---|---|---|"]
    for name, words in (
        ("false_positive_rate", "real videos called forged"),
        ("false_positive_rate_unseen", "the same, their own people left out of choosing the threshold"),
        ("true_positive_rate", "forged videos called forged"),
        ("true_positive_rate_unseen", "the same, the people in them left out"),
    ):
        lines.append(f"| {words} | {first[name]:.0%} | {_between(first, name, '.0%')} |")
    return "\n".join(lines)


def _chosen(calibration: Calibration) -> str:
    if not calibration.false_positives:
        return "Set by hand."
    return (
        f"Chosen on the reals of `val` so that {calibration.false_positives:.0%} of further reals are expected above "
        "it, but not below one half. It rests on the few highest of them."
    )


def _between(figure: Mapping[str, Any], name: str, form: str) -> str:
    low, high = figure[f"{name}_low"], figure[f"{name}_high"]
    return "too few people" if low is None or high is None else f"{low:{form}} to {high:{form}}"


def _verdict(first: Mapping[str, Any]) -> str:
    """What the overall figure allows one to say."""
    text = f"AUC {first['auc']:.2f} ({_between(first, 'auc', '.2f')}) over all forgeries of `val`: "
    if first["auc_low"] is None or first["auc_low"] <= 0.5:
        return text + "not shown to be better than chance. Do not rely on it."
    if first["auc"] < 0.8:
        return text + "better than chance, far from evidence. Most single verdicts on such videos will be inconclusive."
    return text + "useful for sorting, not for proof."
