"""A complete run of a probe: features, cross-validation, release. Each part resumes where it was stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from facetell.evaluate.crossval import kind_table
from facetell.evaluate.formats import markdown_table
from facetell.train.corpus import SPLITS, decode_all, load_recordings
from facetell.train.features import FeatureStore
from facetell.train.probe import Probe, Stopped, probe_network
from facetell.train.probe_config import ProbeConfig
from facetell.train.probe_limits import measure_limits
from facetell.train.probe_release import release
from facetell.train.release import proof_clips
from facetell.train.stop import Stop
from facetell.types import FacetellError


def run_probe(config: ProbeConfig, out: Path, model_path: Path, stop: Stop) -> bool:
    """Train and release.

    Args:
        config: the run.
        out: folder of features and classifiers; existing ones are used.
        model_path: the ONNX file to write, with its figures and its card beside it.
        stop: asked between recordings, and between classifiers.

    Returns:
        Whether the run is done; if not, the same call resumes it.

    Raises:
        FacetellError: clips are missing, or cues of coding and framing discriminate the classes.
    """
    decode_all(config.data, config.workers)
    # Two frames are the least that a view's window has.
    recordings = [recording for split in SPLITS for recording in load_recordings(config.data, split, 2)]
    frozen = probe_network(config, frozen=True)
    store = FeatureStore(out / "features", frozen, config.batch, config.views, config.seed)
    for done, count in store.compute(recordings, config.workers):
        if done % 50 == 0 or done == count:
            print(f"features: {done} of {count} clips", flush=True)
        if stop.asked():
            return False
    probe = Probe(recordings, store.read(recordings), config, frozen, out, stop, print)
    cue_auc = probe.cue_auc()
    print(f"a linear probe on cues of coding and framing: AUC {cue_auc:.3f} (at most {config.max_cue_auc:g})")
    if cue_auc > config.max_cue_auc:
        raise FacetellError(
            f"cues of coding and framing alone discriminate the classes (AUC {cue_auc:.2f}, at most "
            f"{config.max_cue_auc:g}): a network would learn them; set batch.degrade so that both classes overlap more"
        )
    try:
        found = probe.cross_validate()
        evidence = {"left_out": probe.leave_kinds_out(), "cue_auc": cue_auc}
        final = probe.final()
    except Stopped:
        return False
    print("measuring limits", flush=True)
    limits = measure_limits(store, recordings, config.workers)
    changed = limits.recordings, probe.score_limits(limits)
    network = probe_network(config, hidden=probe.ensemble.hidden)
    network.classifier.load_state_dict(final.state_dict())
    proof = proof_clips(recordings, replace(config.batch, clip_frames=config.views.clip_frames))
    print(f"exporting {model_path}")
    results = release(config, recordings, found, evidence, changed, network, proof, model_path)
    print(markdown_table(kind_table(results)))
    return True
