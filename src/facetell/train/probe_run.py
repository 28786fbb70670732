"""A whole run of a probe: features, cross-validation, release. Each part goes on where it was stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from facetell.evaluate.crossval import kind_table
from facetell.evaluate.formats import markdown_table
from facetell.train.corpus import decode_all, load_recordings
from facetell.train.features import FeatureStore
from facetell.train.probe import Probe, Stopped, network_of
from facetell.train.probe_config import ProbeConfig
from facetell.train.probe_limits import measure_limits
from facetell.train.probe_release import Evidence, release
from facetell.train.release import proof_clips
from facetell.train.stop import Stop
from facetell.types import FacetellError

SPLITS = ("train", "val")


def run_probe(config: ProbeConfig, out: Path, model_path: Path, stop: Stop) -> bool:
    """Train and release.

    Args:
        config: the run.
        out: folder of features and classifiers; those that are there are used.
        model_path: the ONNX file to write, with its figures and its card beside it.
        stop: asked between recordings, and between classifiers.

    Returns:
        Whether the run is done; if not, the same call goes on from there.

    Raises:
        FacetellError: clips are missing, or cues of coding and framing tell the classes apart.
    """
    for _ in decode_all(config.data, config.workers):
        pass
    # Two frames are the least that a view's window has.
    recordings = [recording for split in SPLITS for recording in load_recordings(config.data, split, 2)]
    store = FeatureStore(out / "features", network_of(config, frozen=True), config.batch, config.views, config.seed)
    for done, count in store.compute(recordings, config.workers):
        if done % 50 == 0 or done == count:
            print(f"features: {done} of {count} clips", flush=True)
        if stop.asked():
            return False
    network = network_of(config, hidden=1)
    probe = Probe(recordings, store.read(recordings), config, network, out, stop, print)
    cue_auc = probe.cue_auc()
    print(f"a linear probe on cues of coding and framing: AUC {cue_auc:.3f} (at most {config.max_cue_auc:g})")
    if cue_auc > config.max_cue_auc:
        raise FacetellError(
            f"cues of coding and framing alone tell the classes apart (AUC {cue_auc:.2f}, at most "
            f"{config.max_cue_auc:g}): a network would learn them; set batch.degrade so that both classes overlap more"
        )
    try:
        found = probe.cross_validate()
        left_out = probe.leave_kinds_out()
        final = probe.final()
    except Stopped:
        return False
    print("measuring limits", flush=True)
    limits = measure_limits(store, recordings, config.workers)
    evidence = Evidence(left_out, cue_auc, limits.recordings, probe.score_limits(limits))
    network = network_of(config, hidden=probe.hidden)
    network.classifier.load_state_dict(final.state_dict())
    proof = proof_clips(recordings, replace(config.batch, clip_frames=config.views.clip_frames))
    results = release(config, recordings, found, evidence, network, proof, model_path, print)
    print(markdown_table(kind_table(results)))
    return True
