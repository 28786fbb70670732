"""Train a classifier on features of a frozen network, and score every video by a classifier trained without it.

The features are computed once (:mod:`facetell.train.features`). The classifier is an ensemble of small perceptrons
("members") that differ in their features, training data and initialisation. An ensemble is trained for each fold of a
grouped cross-validation (:mod:`facetell.datasets.folds`) and once on everything. The average of perceptrons is one
wider perceptron, which becomes the classifier of the network.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from facetell.datasets.cues import probe_auc
from facetell.datasets.folds import balanced_weights, grouped_folds, kind_of, leave_kind_out, training_rows
from facetell.datasets.manifest import Entry
from facetell.metrics.ranking import auc
from facetell.models.network import ClipNetwork, FrameClassifier, Perceptron
from facetell.models.zoo import create_model
from facetell.train.config import FitConfig, ProbeConfig
from facetell.train.features import FORGED, PLAIN, REAL, Features, FeatureStore, Vectors
from facetell.train.run import Stop, save
from facetell.types import FacetellError

SWAP_KIND = "face-swap"
PSEUDO_GROUPS = {"sbv": "seams", "swap": "seams", "mouth": "mouths", "resynth": "resynthesised"}
CUE_DRAWS = 4000  # views on which the probe on cues is trained and tested
TOGETHER, PATCHES = 256, 40  # views scored at once, patches drawn of a view
CHANGE = 2.0, 6.0  # mean absolute difference, of 255, from which a patch is forged in part, and wholly
LEAST = 5  # fewest forged clips of a kind that is left out


Batch = tuple[Tensor, Tensor, Tensor | None]  # inputs, targets, weights


class Stopped(Exception):
    """The run was stopped before the next classifier."""


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Scores of V plain views by classifiers trained without their repository, family and identity."""

    logits: NDArray[np.float64]  # (S, V), one row per division into folds
    folds: NDArray[np.int64]  # (S, N), the fold of each of the N recordings
    recordings: NDArray[np.int64]  # (V,), the recording of each view
    times: NDArray[np.float64]  # (V,), seconds in the video


def probe_network(config: ProbeConfig, *, hidden: int = 0, local: int = 0, frozen: bool = False) -> ClipNetwork:
    """The network of a run with its pinned weights; if ``frozen``, for single frames, as features are computed."""
    overrides = {key: value for key, value in config.overrides.items() if not (frozen and key == "every")}
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)  # of what is not pretrained
        return create_model(
            config.model,
            motion="none",
            anomaly="none",
            clip_frames=1 if frozen else config.views.clip_frames,
            size=config.batch.size,
            pretrained=config.pretrained,
            frame_rate=config.batch.frame_rate,
            crop_scale=config.batch.crop_scale,
            hidden=hidden,
            local=local,
            **overrides,
        ).eval()


def columns_of(network: ClipNetwork, names: Sequence[str]) -> NDArray[np.int64]:
    """Columns of the feature vector for names such as "cls9"; all columns without names.

    FacetellError: the network has no such features.
    """
    parts = network.backbone.parts
    unknown = sorted({*names} - {*parts})
    if unknown:
        raise FacetellError(f"there are no features '{unknown[0]}'; there are {', '.join(parts)}")
    ends = dict(zip(parts, np.cumsum([*parts.values()]), strict=True))
    return np.concatenate([np.arange(ends[name] - parts[name], ends[name]) for name in names or parts])


def groups_of(features: Features, entries: Sequence[Entry]) -> NDArray[np.str_]:
    """Group (V,) of each view, one of :data:`facetell.train.config.GROUPS`."""

    def group(source: str, recording: int) -> str:
        entry = entries[recording]
        if source in (PLAIN, FORGED) and entry.label:
            name = "swapped" if entry.kind == SWAP_KIND else "generated"
            return f"plain_{name}" if source == PLAIN else name
        return {PLAIN: "plain_real", REAL: "varied_real"}.get(source) or PSEUDO_GROUPS.get(source, "reenacted")

    return np.array([group(str(s), int(r)) for s, r in zip(features.sources, features.recordings, strict=True)])


def view_weights(
    groups: NDArray[np.str_],
    recordings: NDArray[np.int64],
    of_entries: NDArray[np.float64],
    shares: Mapping[str, float],
) -> NDArray[np.float64]:
    """Probability (V,) that a view is drawn: each group by its share, views within it by the weight of their recording.

    ``groups`` and ``recordings`` (indices) are those of the views, ``of_entries`` (N,) the weights of the recordings, 0
    for those that are left out; ``shares`` are 0 by default. Both classes have the same total.

    FacetellError: a class has no view.
    """
    weights = np.zeros(len(groups))
    for name, share in shares.items():
        inside = np.isin(groups, (name, f"plain_{name}"))
        own = of_entries[recordings] * inside
        if own.sum() > 0:
            weights += share * own / own.sum()
    real = np.isin(groups, ("plain_real", "varied_real"))
    for name, of_class in (("real", real), ("forged", ~real)):
        if not weights[of_class].any():
            raise FacetellError(f"a member has no {name} views to train on; give weights to more groups")
        weights[of_class] /= 2 * weights[of_class].sum()
    return weights


def fit_member(
    values: Tensor, labels: Tensor, weights: NDArray[np.float64], config: FitConfig, seed: int
) -> Perceptron:
    """Train a member for unscaled features: bfloat16 ``values`` (V, D), ``labels`` (V,), drawn by ``weights`` (V,)."""
    rows = torch.from_numpy(np.flatnonzero(weights))
    chance = torch.from_numpy(weights[rows.numpy()])
    sample = rows[torch.multinomial(chance, 4096, True, generator=torch.Generator().manual_seed(0))]
    mean, std = values[sample].float().mean(dim=0), values[sample].float().std(dim=0) + 1e-6
    generator = np.random.default_rng(seed)

    def batches() -> Iterator[Batch]:
        drawn = torch.multinomial(chance, config.steps * config.batch, True).view(config.steps, config.batch)
        for chosen in rows[drawn]:
            x, y = (values[chosen].float() - mean) / std, labels[chosen]
            if config.mixup:
                share, order = float(generator.beta(config.mixup, config.mixup)), torch.randperm(len(x))
                x, y = share * x + (1 - share) * x[order], share * y + (1 - share) * y[order]
            yield x, y * (1 - config.smoothing) + config.smoothing / 2, None

    return _fit(batches(), mean, std, config, seed)


def fit_local(features: Features, of_entries: NDArray[np.float64], config: FitConfig, seed: int) -> Perceptron:
    """Train the part of a classifier for patches, on pseudo-fakes, the reals that they are made of, and plain reals.

    A patch counts as forged by how much it is changed (:data:`CHANGE`), so that traces of a blend are learned. Views
    are drawn by the weights (N,) of their recordings, 0 for those left out; ``config.batch`` are pseudo-fakes.
    """
    chance, generator = of_entries[features.recordings], np.random.default_rng(seed)
    is_pseudo = ~np.isin(features.sources, (PLAIN, REAL, FORGED))
    of_pseudo, of_plain = (
        (kind * chance) / (kind @ chance) for kind in (is_pseudo, (features.sources == PLAIN) & (features.labels == 0))
    )
    pseudo, plain = (generator.choice(len(p), (config.steps, config.batch), p=p) for p in (of_pseudo, of_plain))
    sample = torch.from_numpy(features.patches[pseudo[0] - 1]).float().flatten(0, 1)
    mean, std = sample.mean(dim=0), sample.std(dim=0) + 1e-6

    def batches() -> Iterator[Batch]:
        for of_step, plain_of_step in zip(pseudo, plain, strict=True):
            # Each pseudo-fake follows its real in the views.
            rows = np.concatenate([of_step, of_step - 1, plain_of_step])[:, None]
            columns = generator.integers(features.patches.shape[1], size=(len(rows), PATCHES))
            x = (torch.from_numpy(features.patches[rows, columns]).float() - mean) / std
            target = torch.from_numpy(np.interp(features.changed[rows, columns], CHANGE, (0, 1)).astype(np.float32))
            forged = target > 0.5
            yield x, target, torch.where(forged, (~forged).sum() / forged.sum().clamp(min=1), 1.0)

    return _fit(batches(), mean, std, config, seed)


def _fit(batches: Iterator[Batch], mean: Tensor, std: Tensor, config: FitConfig, seed: int) -> Perceptron:
    """A perceptron for features as they are, trained on batches that are normalised by ``mean`` and ``std`` (D,)."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        part = Perceptron(len(mean), config.hidden, 1)
        optimizer = torch.optim.AdamW(part.parameters(), lr=config.lr, weight_decay=config.weight_decay)
        rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.lr, total_steps=config.steps, pct_start=0.1)
        for x, target, weights in batches:
            hidden = functional.gelu(part.inner(functional.dropout(x, config.dropout_in)))
            logit = part.outer(functional.dropout(hidden, config.dropout))[..., 0]
            loss = functional.binary_cross_entropy_with_logits(logit, target, weights)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            rate.step()
    with torch.no_grad():
        part.inner.bias.sub_(part.inner.weight @ (mean / std))
        part.inner.weight.div_(std)
    return part.eval()


class Ensemble:
    """The members of a run as one classifier of the features of ``network``."""

    def __init__(self, network: ClipNetwork, config: ProbeConfig) -> None:
        self.members, self._fit, self._local = config.members, config.fit, config.local
        self._columns = [torch.from_numpy(columns_of(network, kind.features)) for kind in self.members]
        self.width, self.channels = network.backbone.feature_channels, network.backbone.deep_channels
        self.hidden = config.fit.hidden * sum(kind.count for kind in self.members)
        self.local = config.local.fit.hidden if config.local else 0

    def new(self) -> FrameClassifier:
        """A classifier that is not trained."""
        return FrameClassifier(self.width, self.hidden, 1, self.channels, self.local).eval()

    def fit(
        self, features: Features, values: Tensor, groups: NDArray[np.str_], of_entries: NDArray[np.float64], seed: int
    ) -> FrameClassifier:
        """Train all members on weighted views; ``values`` are in bfloat16, the rest is as of :func:`view_weights`."""
        labels, recordings = torch.from_numpy(features.labels).float(), features.recordings
        inner_weight, inner_bias, outer_weight, bias = [], [], [], torch.zeros(1)
        total = sum(kind.scale for kind in self.members)
        for number, (kind, columns) in enumerate(zip(self.members, self._columns, strict=True)):
            weights = view_weights(groups, recordings, of_entries, kind.weights)
            own = values if len(columns) == self.width else values[:, columns]
            for copy in range(kind.count):
                member = fit_member(own, labels, weights, self._fit, 1000 * seed + 10 * number + copy)
                share = kind.scale / total / kind.count
                with torch.no_grad():
                    wide = torch.zeros(self._fit.hidden, self.width)
                    wide[:, columns] = member.inner.weight
                    inner_weight.append(wide)
                    inner_bias.append(member.inner.bias.detach())
                    outer_weight.append(share * member.outer.weight)
                    bias = bias + share * member.outer.bias
        whole = self.new()
        with torch.no_grad():
            whole.inner.weight.copy_(torch.cat(inner_weight))
            whole.inner.bias.copy_(torch.cat(inner_bias))
            whole.outer.weight.copy_(torch.cat(outer_weight, dim=1))
            whole.outer.bias.copy_(bias)
        if self._local:
            whole.local = fit_local(features, of_entries, self._local.fit, seed)
            with torch.no_grad():
                whole.local.outer.weight.mul_(self._local.scale)
                whole.local.outer.bias.mul_(self._local.scale).sub_(self._local.shift)
        return whole


class Probe:
    """The classifiers of a run, each stored in the folder ``out``, so that a run can be stopped between them."""

    def __init__(self, store: FeatureStore, network: ClipNetwork, out: Path, stop: Stop) -> None:
        self.entries = [recording.entry for recording in store.recordings]
        features, config = store.read(), store.config
        self._features, self._config, self._out, self._stop = features, config, out, stop
        self.ensemble = Ensemble(network, config)
        self._values = torch.from_numpy(features.values).bfloat16()
        self._groups = groups_of(features, self.entries)
        self._plain = np.flatnonzero(features.sources == PLAIN)
        data = [recording.sha256 for recording in store.recordings]
        made_of = {"config": asdict(config) | {"workers": 0}, "data": data}
        self._key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]

    def classifier(self, name: str = "all", rows: NDArray[np.bool_] | None = None, seed: int = 0) -> FrameClassifier:
        """A classifier trained on the recordings ``rows``, bool (N,), by default on all, stored under ``name``.

        Stopped: the run is to stop.
        """
        path = self._out / f"{self._key}-{name}.pt"
        if path.exists():
            whole = self.ensemble.new()
            whole.load_state_dict(torch.load(path, weights_only=True))
            return whole
        if self._stop.asked():
            raise Stopped
        started, rows = time.monotonic(), np.full(len(self.entries), True) if rows is None else rows
        weights, seed = balanced_weights(self.entries, rows), 100 * self._config.seed + seed
        whole = self.ensemble.fit(self._features, self._values, self._groups, weights, seed)
        save(whole.state_dict(), path)
        print(f"{name}: trained on {int(rows.sum())} clips in {time.monotonic() - started:.0f} s", flush=True)
        return whole

    def _of_fold(self, seed: int, folds: NDArray[np.int64], fold: int) -> FrameClassifier:
        return self.classifier(f"{seed}-{fold}", training_rows(self.entries, folds, fold), 10 * seed + fold)

    def cross_validate(self) -> OutOfFold:
        """Out-of-fold scores of all plain views."""
        config, recordings = self._config, self._features.recordings[self._plain]
        folds = np.stack([grouped_folds(self.entries, config.folds, seed) for seed in config.seeds])
        logits = np.full((len(config.seeds), len(recordings)), np.nan)
        for row, (seed, of) in enumerate(zip(config.seeds, folds, strict=True)):
            for fold in range(config.folds):
                tested = of[recordings] == fold
                logits[row, tested] = self._score_plain(self._of_fold(seed, of, fold), tested)
        return OutOfFold(logits, folds, recordings, self._features.times[self._plain])

    def leave_kinds_out(self) -> dict[str, tuple[float, int, int]]:
        """For each kind of forgery, the AUC of a classifier trained without it, and the forged and real clips tested.

        The real clips are those that are left out with the kind (:func:`facetell.datasets.folds.leave_kind_out`).
        """
        kinds = np.array([kind_of(entry) for entry in self.entries], dtype=object)
        recordings = self._features.recordings[self._plain]
        found = {}
        for kind, count in Counter(kinds.tolist()).most_common():
            if kind == "real" or count < LEAST:
                continue
            rows = leave_kind_out(self.entries, kind)
            tested = (kinds == kind) | (~rows & (kinds == "real"))
            inside = tested[recordings]
            logits = self._score_plain(self.classifier(f"without-{kind}", rows, 7), inside)
            means, labels = recording_means(recordings[inside], logits, len(kinds))[tested], (kinds == kind)[tested]
            if not labels.all():  # else no real clip was published with them
                found[kind] = (float(auc(labels.astype(int), means)), int(labels.sum()), int((~labels).sum()))
        return found

    def score_limits(self, chosen: NDArray[np.int64], limits: Mapping[str, Vectors]) -> dict[str, NDArray[np.float64]]:
        """Out-of-fold logits (M,) under each change (:meth:`FeatureStore.limits`), of the first division into folds."""
        seed = self._config.seeds[0]
        folds = grouped_folds(self.entries, self._config.folds, seed)
        logits = {name: np.full(len(chosen), np.nan) for name in limits}
        for fold in range(self._config.folds):
            classifier = self._of_fold(seed, folds, fold)
            tested = folds[chosen] == fold
            for name, vectors in limits.items():
                logits[name][tested] = _score(classifier, *(array[tested] for array in vectors))
        return logits

    def _score_plain(self, classifier: FrameClassifier, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Logits of the plain views that are chosen among these."""
        rows = self._plain[chosen]
        return _score(classifier, self._features.values[rows], self._features.patches[rows])

    def cue_auc(self) -> float:
        """AUC of a linear probe on cues of coding and framing, on views drawn as for the members; mean of divisions."""
        recordings = self._features.recordings
        of_entries = balanced_weights(self.entries, np.full(len(self.entries), True))
        kinds = [view_weights(self._groups, recordings, of_entries, kind.weights) for kind in self.ensemble.members]
        weights = np.asarray(np.mean(kinds, axis=0))
        rng = np.random.default_rng(self._config.seed)
        rows = rng.choice(len(weights), CUE_DRAWS, p=weights / weights.sum())
        cues, labels, drawn = self._features.cues[rows], self._features.labels[rows], recordings[rows]
        divisions = (grouped_folds(self.entries, self._config.folds, seed)[drawn] for seed in self._config.seeds)
        return float(np.mean([probe_auc(cues, labels, folds) for folds in divisions]))


def recording_means(recordings: NDArray[np.int64], logits: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Mean logit (N,) of the views (V,) of each of ``count`` recordings; NaN for one without views."""
    with np.errstate(invalid="ignore"):
        sums = np.bincount(recordings, logits, minlength=count)
        return np.asarray(sums / np.bincount(recordings, minlength=count))


@torch.inference_mode()
def _score(classifier: FrameClassifier, *vectors: NDArray[np.float16]) -> NDArray[np.float64]:
    parts = (
        torch.split(torch.from_numpy(array), TOGETHER) for array in vectors
    )  # in float32, all patches would be too large
    logits = [classifier(*(part.float() for part in together))[0] for together in zip(*parts, strict=True)]
    return np.asarray(torch.cat(logits)[:, 0].double().numpy())
