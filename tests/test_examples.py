"""The scripts of examples/ run, and show what they say."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name, *words):
    done = subprocess.run([sys.executable, EXAMPLES / name, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_only_mcb_separates_motion_of_second_order():
    spec = importlib.util.spec_from_file_location("motion_classes", EXAMPLES / "motion_classes.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    assert example.accuracy("cmm", steps=120) < 0.45
    assert example.accuracy("mcb", steps=120) > 0.6


def test_a_folder_is_scored_and_plotted(tmp_path, man):
    shutil.copy(man, tmp_path / "man.mp4")
    assert "man.mp4: " in run("score_folder.py", tmp_path, "--out", tmp_path / "scores.png")
    assert (tmp_path / "scores.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_motion_modules_are_trained_and_compared(tmp_path):
    assert "| mcb |" in run("train_and_compare.py", tmp_path)
