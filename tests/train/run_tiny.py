"""A script that tests start as a process of its own: ``run_tiny.py OUT FOLDER [key=value ...]``."""

from __future__ import annotations

import sys
from pathlib import Path

from facetell.train.config import TrainConfig, build, merge, override
from facetell.train.loop import train
from facetell.train.run import Stop

sys.path.insert(0, str(Path(__file__).parent))

from tiny_training import TINY

if __name__ == "__main__":
    out, folder, *changes = sys.argv[1:]
    tree = override(merge(TINY, {"data": {"folders": [folder]}}), changes)
    with Stop() as stop:
        print(train(build(TrainConfig, tree, "tiny"), Path(out), stop))
