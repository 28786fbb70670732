"""A script that tests start as a process of its own: ``run_tiny.py CONFIG OUT FOLDER``."""

import sys
from pathlib import Path

from facetell.train.config import read_config
from facetell.train.loop import Trainer
from facetell.train.run import Stop

if __name__ == "__main__":
    _, path, out, folder = sys.argv
    config = read_config(Path(path), [f"data.folders=[{folder}]"])
    with Stop() as stop:
        print(f"done={Trainer(config, Path(out)).run(stop)}", stop.reason)
