"""Train three networks on forgeries of the two sample people, and compare their motion modules.

    python examples/train_and_compare.py out/example

Every step is a command that works on real data as well: `facetell forge`, `prepare` and `sweep`. The figures mean
nothing: two people and a network of some seconds.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from facetell.assets import locate
from facetell.cli import main as facetell

PEOPLE = {"woman": "man", "man": "woman"}  # and who is the donor of a swap
GRID = """\
model: lite0
pretrained: ""
overrides: {width: 0.25, depth: 0.5}
steps: 8
batch: {pairs: 1, generated: 1, clip_frames: 4, size: 64}
schedule: {warmup: 1}
val: {every: 8}
machine: {device: cpu, workers: 0, checkpoint_every: 8, log_every: 4}
grid:
  motion: [none, cmm, mcb]
"""


def run(*words: str | Path) -> None:
    """One command of facetell; ends the program where it fails."""
    print("$ facetell", *words, flush=True)
    code = facetell([str(word) for word in words])
    if code:
        raise SystemExit(code)


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for person, donor in PEOPLE.items():
        split = "train" if person == "woman" else "val"
        real, fake = locate(f"sample_{person}"), out / f"{person}-swap.mp4"
        if not fake.exists():
            run("forge", real, "--kind", "swap", "--with", locate(f"sample_{donor}"), "--out", fake)
        rows += [
            {"path": real, "label": 0, "split": split, "identity": person},
            {"path": fake.resolve(), "label": 1, "split": split, "identity": person, "method": "swap"},
        ]
    with (out / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["path", "label", "split", "identity", "method"])
        writer.writeheader()
        writer.writerows(rows)
    run("prepare", out / "manifest.csv", "--out", out / "prepared")
    (out / "grid.yaml").write_text(f"{GRID}data: {{folders: [{out / 'prepared'}]}}\n", encoding="utf-8")
    run("sweep", out / "grid.yaml", "--out", out / "runs")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/example"))
