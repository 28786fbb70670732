"""Short runs of the benchmarks of docs/reliability.md, which fail if a promise is broken."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
RUNS = "damage.py --count 64, scan_kill.py --videos 12 --kills 4, scan_kill.py --videos 6 --kills 2 --ray"
RUNS += ", scan.py --rehearse 2000, serve_load.py --uploads 1"


@pytest.mark.slow
@pytest.mark.parametrize("words", RUNS.split(", "))
def test_a_benchmark_runs_to_its_end(words):
    name, *options = words.split()
    if "--ray" in options:
        pytest.importorskip("ray")
    subprocess.run([sys.executable, BENCHMARKS / name, *options], check=True)
