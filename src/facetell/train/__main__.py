"""``python -m facetell.train prepare|run|release``: the script that made the released model; see docs/training.md."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from facetell.types import FacetellError


def main() -> int:
    """Run one step of the recipe; a known fault is one sentence and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m facetell.train", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    prepare = steps.add_parser("prepare", help="decode every clip of DATA/manifest.csv and place its landmarks, once")
    prepare.add_argument("data", type=Path)
    prepare.add_argument("corpus", type=Path)
    run = steps.add_parser("run", help="train; a run found in OUT is taken up where it stopped")
    run.add_argument("corpus", type=Path)
    run.add_argument("out", type=Path)
    run.add_argument("--max-minutes", type=float, default=float("inf"))
    run.add_argument("--steps", type=int, default=None, help="length of the schedule")
    release = steps.add_parser("release", help="export, score val, calibrate; write weights/ and the card")
    release.add_argument("run", type=Path)
    release.add_argument("data", type=Path)
    release.add_argument("corpus", type=Path)
    release.add_argument("--to", type=Path, default=None, help="the model file (default: the released one)")
    release.add_argument("--note", default="", help="a sentence for the card on what is particular to this run")
    args = parser.parse_args()
    try:
        if args.step == "prepare":
            return _prepare(args.data, args.corpus)
        if args.step == "run":
            return _run(args.corpus, args.out, args.steps, args.max_minutes)
        return _release(args.run, args.data, args.corpus, args.to, args.note)
    except FacetellError as error:
        print(f"facetell.train {args.step}: {error}", file=sys.stderr)
        return 2


def _prepare(data: Path, corpus: Path) -> int:
    from facetell.train.corpus import prepare

    faults = 0
    for row, fault in prepare(data, corpus, rate=25.0):
        if fault:
            faults += 1
            print(f"{row.file}: {fault}", file=sys.stderr)
    return 2 if faults else 0


def _run(corpus: Path, out: Path, steps: int | None, minutes: float) -> int:
    from dataclasses import replace

    from facetell.train.loop import TrainConfig, Trainer

    config = TrainConfig()
    if steps is not None:
        config = replace(config, steps=steps)
    Trainer(config, corpus, out).run(time.time() + 60 * minutes)
    return 0


def _release(run: Path, data: Path, corpus: Path, to: Path | None, note: str) -> int:
    from facetell.engine.engines import DEFAULT_MODEL
    from facetell.train.release import release

    for figure in release(run / "checkpoint.pt", data, corpus, to or DEFAULT_MODEL, note)["generators"]:
        print(f"{figure['name']}: AUC {figure['auc']:.3f} ({figure['low']:.2f} to {figure['high']:.2f})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
