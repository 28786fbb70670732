import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from facetell.datasets.manifest import Entry, Manifest, write_manifest
from facetell.datasets.prepared import read_prepared
from facetell.detector import Detector, Settings
from facetell.evaluate.scores import read_scores
from facetell.models.network import FrameClassifier, Perceptron
from facetell.models.zoo import create_model
from facetell.train.config import FitConfig, ProbeConfig, build
from facetell.train.features import Features
from facetell.train.probe import Ensemble, columns_of, fit_local, fit_member, groups_of, view_weights
from facetell.train.probe_run import run_probe
from facetell.train.run import Stop
from facetell.types import FacetellError

PSEUDO_FAKES = {"seams": 1, "mouths": 1, "resynthesised": 1, "reenacted": 1}  # which are drawn depends on the data
TINY = {
    "overrides": {"width": 32, "heads": 2, "patch": 16, "depth": 2, "taps": [1, 2], "every": 4},
    "pretrained": False,
    "views": {"clip_frames": 4, "plain": 2, "pairs": 1, "forged": 1},
    "batch": {"clip_frames": 2, "size": 64, "recipe": {"swap": 0}},
    "members": [
        {"name": "one", "features": ["cls2"], "weights": {"plain_real": 1, "generated": 1, "swapped": 1}, "count": 1},
        {"name": "two", "weights": {"plain_real": 1, "varied_real": 1, "swapped": 1, **PSEUDO_FAKES}, "count": 2},
    ],
    "fit": {"hidden": 4, "steps": 5, "batch": 8},
    "local": {"fit": {"hidden": 4, "steps": 5, "batch": 8}},
    "folds": 2,
    "seeds": [0, 1],
    "max_cue_auc": 1.0,
    "workers": 1,
}


@pytest.fixture(scope="module")
def folder(prepared, tmp_path_factory):
    """The prepared clips as if two repositories had published them, each with two people and a forgery."""
    folder = tmp_path_factory.mktemp("probe") / "prepared"
    shutil.copytree(prepared, folder, ignore=shutil.ignore_patterns(".decoded"))
    kinds, entries = {"train": "talking-head", "val": "face-swap"}, []
    for entry in read_prepared(folder):
        forged = {"kind": kinds[entry.split], "family": entry.split} if entry.label else {}
        own = {"repository": entry.split, "identity": f"{entry.split} {entry.identity}", "source": ""}
        entries.append(replace(entry, **own, **forged))
    write_manifest(Manifest(folder, tuple(entries)), folder / "manifest.csv")
    return folder


@pytest.fixture
def config(folder):
    return build(ProbeConfig, TINY | {"data": {"folders": [str(folder)]}}, "tiny")


@pytest.fixture(scope="module")
def network():
    return create_model(
        "clip_vit_b16", "none", "none", 1, 64, width=32, heads=2, depth=2, taps=[1, 2], pools=["cls", "std"]
    )


def test_a_run_is_resumed_and_gives_a_model_that_scores(config, woman, tmp_path):
    model = tmp_path / "probe.onnx"
    with Stop(0) as stop:
        assert not run_probe(config, tmp_path, model, stop)
    with Stop() as stop:
        assert run_probe(config, tmp_path, model, stop)
    made, first = _made(tmp_path), model.read_bytes()
    with Stop() as stop:
        assert run_probe(config, tmp_path, model, stop)
    assert made == _made(tmp_path) and model.read_bytes() == first
    scores = read_scores(model.with_suffix(".oof.parquet"))
    assert len(scores) == 2 * 6 and np.isfinite(scores["logit"]).all()
    card = model.with_suffix(".md").read_text()
    assert "2-fold cross-validation" in card and "- Over the videos of the 2 repositories with real and forged" in card
    verdict = Detector(model, Settings(precision="f32"))(woman)
    assert verdict.status == "scored" and verdict.provenance["settings"]["max_clips"] == 16


def _made(out):
    return {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.suffix in (".npz", ".pt")}


def test_the_whole_is_the_average_of_its_members(network, config):
    rng = np.random.default_rng(0)
    labels, weights = np.arange(60) % 2, np.ones(60)
    features = _features(rng.normal(size=(60, 128)), labels)
    values = torch.from_numpy(features.values).bfloat16()
    groups = np.where(labels, "generated", "plain_real")
    members = [
        {"features": ["std1"], "weights": {"plain_real": 1, "generated": 1}, "count": 1, "scale": 3.0},
        {"weights": {"plain_real": 1, "generated": 1}, "count": 1},
    ]
    config = build(ProbeConfig, TINY | {"members": members, "local": None}, "tiny")
    whole = Ensemble(network, config).fit(features, values, groups, weights, 5)
    chance = view_weights(groups, features.recordings, weights, {"plain_real": 1, "generated": 1})
    columns = columns_of(network, ["std1"])
    assert columns.tolist() == [*range(32, 64)]
    wanted = 0
    for number, (own, share) in enumerate(((values[:, columns], 0.75), (values, 0.25))):
        member = fit_member(own, torch.from_numpy(labels).float(), chance, config.fit, 5000 + 10 * number)
        wanted = wanted + share * member(own.float())
    with torch.no_grad():
        assert torch.allclose(whole(values.float(), torch.empty(0))[0], wanted, atol=1e-4)


def _features(values, labels, **more):
    count = len(labels)
    given = {"sources": np.full(count, "plain"), "patches": np.zeros((count, 0, 0)), "changed": np.zeros((count, 0))}
    given |= {"recordings": np.arange(count), "times": np.zeros(count), "cues": np.zeros((count, 1))} | more
    return Features(values=values.astype(np.float16), labels=labels, **given)


def test_the_part_for_patches_finds_a_changed_patch_and_raises_the_logit_of_its_frame():
    rng = np.random.default_rng(0)
    patches, changed = rng.normal(size=(80, 16, 8)), np.zeros((80, 16))
    patches[1:60:2, :6, 2] += 4  # six patches of each pseudo-fake
    changed[1:60:2, :6] = 8
    sources = np.where(np.arange(80) < 60, np.where(np.arange(80) % 2, "sbv", "real"), "plain")
    features = _features(np.zeros((80, 4)), np.zeros(80), patches=patches, changed=changed, sources=sources)
    local = fit_local(features, np.ones(80), FitConfig(hidden=8, steps=200, batch=16, lr=1e-2), 0)
    x = torch.from_numpy(patches).float()
    with torch.no_grad():
        logits = local(x)[..., 0]
        assert roc_auc_score(changed[1:60:2].ravel() > 0, logits[1:60:2].ravel()) > 0.98
        whole = FrameClassifier(4, 2, 1, 8, 8)
        whole.local = local
        vectors = torch.rand(80, 4)
        alone, highest = Perceptron.forward(whole, vectors)[:, 0], logits.sort(dim=1).values[:, -5:].mean(dim=1)
        joined, of_patches = whole(vectors, x)
        torch.testing.assert_close(joined[:, 0], torch.logaddexp(alone, highest))
        torch.testing.assert_close(of_patches[..., 0], logits)


def test_views_are_drawn_by_group_and_both_classes_weigh_the_same():
    groups = np.array(["plain_real", "plain_real", "varied_real", "generated", "seams", "mouths", "plain_generated"])
    recordings = np.array([0, 1, 0, 2, 0, 0, 2])
    shares = {"plain_real": 3, "varied_real": 1, "seams": 2}
    weights = view_weights(groups, recordings, np.array([3.0, 1.0, 2.0]), shares)
    assert weights[:3].sum() == weights[3:].sum() == 0.5
    assert weights[:2].sum() == 3 * weights[2]
    assert weights[0] == 3 * weights[1]
    assert weights[[3, 5, 6]].tolist() == [0, 0, 0]
    for name, wanted in {"generated": [0.25, 0.25], "plain_generated": [0, 0.5]}.items():
        weights = view_weights(groups, recordings, np.ones(3), {"plain_real": 1, name: 1})
        assert weights[[3, 6]].tolist() == wanted


def test_each_view_has_its_group():
    entries = [Entry("real.mp4", 0, "train"), Entry("swap.mp4", 1, "train", kind="face-swap")]
    of_real = {"plain": "plain_real", "real": "varied_real", "sbv": "seams", "mouth": "mouths"}
    of_real |= {"resynth": "resynthesised", "reenact": "reenacted"}
    sources, recordings = np.array([*of_real, "plain", "forged"]), np.array([0] * 6 + [1] * 2)
    features = _features(np.zeros((8, 1)), recordings, sources=sources, recordings=recordings)
    assert groups_of(features, entries).tolist() == [*of_real.values(), "plain_swapped", "swapped"]


def test_a_group_or_feature_that_is_unknown_is_refused(network, config):
    with pytest.raises(FacetellError, match="no group 'unknown'"):
        build(ProbeConfig, {"members": [{"weights": {"unknown": 1}}]}, "tiny")
    wrong = build(ProbeConfig, {"members": [{"features": ["cls9"]}]}, "tiny")
    with pytest.raises(FacetellError, match="no features 'cls9'"):
        Ensemble(network, wrong)
