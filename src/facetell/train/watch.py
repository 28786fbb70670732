"""Watching a run by ``val``: scores of its recordings, from which the figures come that choose between checkpoints."""

from __future__ import annotations

from facetell.evaluate.scores import Scores, from_rows
from facetell.models.network import ClipNetwork
from facetell.train.config import TrainConfig
from facetell.train.corpus import load_recordings
from facetell.train.devices import Devices
from facetell.train.validate import score_pseudo, score_recordings, torch_score


class Watch:
    """Scores the ``recordings`` of ``val``, each device its share of them."""

    def __init__(self, config: TrainConfig, devices: Devices) -> None:
        self._config, self._devices = config, devices
        self.recordings = load_recordings(config.data, "val", 1)

    def scores(self, model: ClipNetwork) -> tuple[Scores, Scores]:
        """Scores of ``val`` as it lies, and of its reals beside the forgeries made from them."""
        devices, config = self._devices, self._config
        score = torch_score(model, devices.device, devices.bf16)
        share = self.recordings[devices.rank :: devices.world]
        rows = list(score_recordings(score, share, config.batch))
        pseudo = []
        if config.val.kinds:
            donors = [r for r in self.recordings if r.entry.label == 0]
            reals = [r for r in share if r.entry.label == 0]
            for kind in ("", *config.val.kinds):
                pseudo += list(score_pseudo(score, reals, config.batch, kind, donors))
        name = {"name": config.model, "architecture": {**model.architecture, "anomaly": config.anomaly}}
        about = {"model": name, "seed": config.seed}
        return from_rows(devices.gather(rows), about), from_rows(devices.gather(pseudo), about)
