"""Train a classifier on features of a frozen network, and score every video by one that has seen nothing like it.

The features are computed once (:mod:`facetell.train.features`). Members, small perceptrons that differ in the features
they see, in what they are trained on and by chance, are trained for each fold of a grouped cross-validation
(:mod:`facetell.datasets.folds`) and once on everything; their logits are averaged. A sum of perceptrons is one wider
perceptron, which the network gets as its classifier.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from facetell.datasets.folds import balanced_weights, grouped_folds, training_rows
from facetell.datasets.manifest import Entry
from facetell.files import temporary_beside
from facetell.models.classifier import Perceptron
from facetell.models.network import ClipNetwork
from facetell.models.zoo import create_model
from facetell.train.corpus import Recording
from facetell.train.features import Features
from facetell.train.probe_config import FitConfig, MemberConfig, ProbeConfig
from facetell.train.reading import build
from facetell.train.views import FORGED, PLAIN, REAL

SWAP_KIND = "face-swap"
PSEUDO_GROUPS = {"sbv": "seams", "swap": "seams", "mouth": "mouths", "resynth": "resynthesised"}
EVERYTHING = -1  # in place of a fold: nothing is left out

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Scores of V plain views by classifiers trained without their repository, family and identity.

    Attributes:
        logits: float64 (S, V), one row a division into folds.
        folds: int (S, N), the fold of each of the N recordings.
        recordings: int (V,), the recording of each view.
        times: float (V,), seconds in the video.
    """

    logits: NDArray[np.float64]
    folds: NDArray[np.int64]
    recordings: NDArray[np.int64]
    times: NDArray[np.float64]


def network_of(config: ProbeConfig, *, hidden: int = 0, frozen: bool = False) -> ClipNetwork:
    """The network of a run with its pinned weights; if ``frozen``, for single frames, as features are computed."""
    overrides = dict(config.overrides)
    if frozen:
        overrides.pop("every", None)
    return create_model(
        config.model,
        motion="none",
        anomaly="none",
        clip_frames=1 if frozen else config.views.clip_frames,
        size=config.batch.size,
        pretrained=True,
        frame_rate=config.batch.frame_rate,
        crop_scale=config.batch.crop_scale,
        hidden=hidden,
        **overrides,
    ).eval()


def columns_of(network: ClipNetwork, names: Sequence[str]) -> NDArray[np.int64]:
    """Columns of the feature vector of the named pools, such as "cls9"; all for none.

    Raises:
        ValueError: the network has no such pool.
    """
    backbone = network.backbone
    width = backbone.deep_channels
    known = [f"{pool}{tap}" for tap in backbone.taps for pool in backbone.pools]  # type: ignore[union-attr]
    unknown = sorted({*names} - {*known})
    if unknown:
        raise ValueError(f"there are no features '{unknown[0]}'; there are {', '.join(known)}")
    return np.concatenate([np.arange(width) + width * known.index(name) for name in names or known])


def groups_of(features: Features, entries: Sequence[Entry]) -> NDArray[np.str_]:
    """Group (V,) of each view, one of :data:`facetell.train.probe_config.GROUPS`."""

    def group(source: str, recording: int) -> str:
        entry = entries[recording]
        if source in (PLAIN, FORGED) and entry.label:
            return "swapped" if entry.kind == SWAP_KIND else "generated"
        return {PLAIN: "plain_real", REAL: "varied_real"}.get(source) or PSEUDO_GROUPS.get(source, "reenacted")

    return np.array([group(str(s), int(r)) for s, r in zip(features.sources, features.recordings, strict=True)])


def view_weights(
    groups: NDArray[np.str_],
    recordings: NDArray[np.int64],
    of_entries: NDArray[np.float64],
    shares: Mapping[str, float],
) -> NDArray[np.float64]:
    """Probability (V,) that a view is drawn: each group by its share, views within it by the weight of their recording.

    Reals and forgeries have the same total, whatever the shares.

    Args:
        groups: (V,) see :func:`groups_of`.
        recordings: (V,) numbers of their recordings.
        of_entries: (N,) weights of the recordings, 0 of those that are left out.
        shares: of each group; groups that are missing here have none.
    """
    weights = np.zeros(len(groups))
    for name, share in shares.items():
        inside = groups == name
        own = of_entries[recordings] * inside
        if own.sum() > 0:
            weights += share * own / own.sum()
    real = np.isin(groups, ("plain_real", "varied_real"))
    for of_class in (real, ~real):
        weights[of_class] /= 2 * weights[of_class].sum()
    return weights


def fit_member(
    values: Tensor, labels: Tensor, weights: NDArray[np.float64], config: FitConfig, seed: int
) -> tuple[Perceptron, Tensor, Tensor]:
    """Train one member.

    Args:
        values: bfloat16 (V, D).
        labels: float32 (V,).
        weights: (V,) probabilities.
        config: see :class:`FitConfig`.
        seed: of its start, its batches and its dropout.

    Returns:
        The perceptron, and mean and standard deviation (D,) of the features that it takes as normalised by.
    """
    rows = torch.from_numpy(np.flatnonzero(weights))
    chance = torch.from_numpy(weights[rows.numpy()])
    sample = rows[torch.multinomial(chance, 4096, True, generator=torch.Generator().manual_seed(0))]
    mean, std = values[sample].float().mean(dim=0), values[sample].float().std(dim=0) + 1e-6
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        generator = np.random.default_rng(seed)
        member = Perceptron(values.shape[1], config.hidden, 1)
        optimizer = torch.optim.AdamW(member.parameters(), lr=config.lr, weight_decay=config.weight_decay)
        rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.lr, total_steps=config.steps, pct_start=0.1)
        for _ in range(config.steps):
            chosen = rows[torch.multinomial(chance, config.batch, True)]
            x, y = (values[chosen].float() - mean) / std, labels[chosen]
            if config.mixup:
                share, order = float(generator.beta(config.mixup, config.mixup)), torch.randperm(len(x))
                x, y = share * x + (1 - share) * x[order], share * y + (1 - share) * y[order]
            hidden = functional.gelu(member.inner(functional.dropout(x, config.dropout_in)))
            logit = member.outer(functional.dropout(hidden, config.dropout))[:, 0]
            target = y * (1 - config.smoothing) + config.smoothing / 2
            loss = functional.binary_cross_entropy_with_logits(logit, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rate.step()
    return member.eval(), mean, std


class Committee:
    """The members of a run as one classifier.

    Args:
        network: whose features they see.
        config: the run.
    """

    def __init__(self, network: ClipNetwork, config: ProbeConfig) -> None:
        self._config = config
        self._kinds = [build(MemberConfig, dict(table), "members", "") for table in config.members]
        self._columns = [torch.from_numpy(columns_of(network, kind.features)) for kind in self._kinds]
        self._width = network.backbone.feature_channels

    @property
    def hidden(self) -> int:
        """Units of the hidden layer of the whole."""
        return self._config.fit.hidden * sum(kind.count for kind in self._kinds)

    def fit(
        self,
        values: Tensor,
        labels: Tensor,
        groups: NDArray[np.str_],
        recordings: NDArray[np.int64],
        of_entries: NDArray[np.float64],
        seed: int,
    ) -> Perceptron:
        """Train all members on the views with a weight; arguments as of :func:`view_weights`."""
        inner_weight, inner_bias, outer_weight, bias = [], [], [], torch.zeros(1)
        total = sum(kind.scale for kind in self._kinds)
        for number, (kind, columns) in enumerate(zip(self._kinds, self._columns, strict=True)):
            weights = view_weights(groups, recordings, of_entries, kind.weights)
            own = values if len(columns) == self._width else values[:, columns]
            for copy in range(kind.count):
                member, mean, std = fit_member(own, labels, weights, self._config.fit, 1000 * seed + 10 * number + copy)
                share = kind.scale / total / kind.count
                with torch.no_grad():
                    wide = torch.zeros(self._config.fit.hidden, self._width)
                    wide[:, columns] = member.inner.weight / std
                    inner_weight.append(wide)
                    inner_bias.append(member.inner.bias - member.inner.weight @ (mean / std))
                    outer_weight.append(share * member.outer.weight)
                    bias = bias + share * member.outer.bias
        whole = Perceptron(self._width, self.hidden, 1)
        with torch.no_grad():
            whole.inner.weight.copy_(torch.cat(inner_weight))
            whole.inner.bias.copy_(torch.cat(inner_bias))
            whole.outer.weight.copy_(torch.cat(outer_weight, dim=1))
            whole.outer.bias.copy_(bias)
        return whole.eval()


def cross_validate(
    recordings: Sequence[Recording], features: Features, config: ProbeConfig, network: ClipNetwork, out: Path, say: Say
) -> tuple[OutOfFold, Perceptron]:
    """Out-of-fold scores of all plain views, and the classifier trained on everything.

    Every trained classifier is kept in ``out``: a run that was stopped goes on with the next.
    """
    entries = [recording.entry for recording in recordings]
    committee = Committee(network, config)
    values, labels = torch.from_numpy(features.values).bfloat16(), torch.from_numpy(features.labels).float()
    groups = groups_of(features, entries)
    plain = np.flatnonzero(features.sources == PLAIN)
    views = torch.from_numpy(features.values[plain]).float()
    made_of = json.dumps(asdict(config) | {"data": [r.sha256 for r in recordings], "workers": 0}, sort_keys=True)
    key = hashlib.sha256(made_of.encode()).hexdigest()[:16]

    def classifier(seed: int, fold: int, rows: NDArray[np.bool_]) -> Perceptron:
        path = out / f"{key}-{seed}-{fold}.pt"
        whole = Perceptron(network.backbone.feature_channels, committee.hidden, 1).eval()
        if path.exists():
            whole.load_state_dict(torch.load(path, weights_only=True))
            return whole
        of_entries = balanced_weights(entries, rows)
        whole = committee.fit(
            values, labels, groups, features.recordings, of_entries, 100 * config.seed + 10 * seed + fold
        )
        temporary = temporary_beside(path)
        torch.save(whole.state_dict(), temporary)
        temporary.replace(path)
        return whole

    folds = np.stack([grouped_folds(entries, config.folds, seed) for seed in config.seeds])
    logits = np.full((len(config.seeds), len(plain)), np.nan)
    for row, (seed, of) in enumerate(zip(config.seeds, folds, strict=True)):
        for fold in range(config.folds):
            head = classifier(seed, fold, training_rows(entries, of, fold))
            tested = of[features.recordings[plain]] == fold
            with torch.inference_mode():
                logits[row, tested] = head(views[torch.from_numpy(tested)])[:, 0].numpy()
            say(f"seed {seed}, fold {fold}: trained and scored")
    final = classifier(0, EVERYTHING, np.full(len(entries), True))
    return OutOfFold(logits, folds, features.recordings[plain], features.times[plain]), final
