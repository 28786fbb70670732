"""What is beside the package: the site is built, the lock belongs to the project, examples and benchmarks run."""

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
BENCHMARKS = "damage.py --count 64, scan_kill.py --videos 12 --kills 4, scan_kill.py --videos 6 --kills 2 --ray"
BENCHMARKS += ", scan.py --rehearse 2000, serve_load.py --uploads 1"


def run(*words):
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_site_is_built_without_warnings(tmp_path):
    run("-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", ROOT / "docs", tmp_path)
    assert "--report" in (tmp_path / "commands.html").read_text()
    assert "facetell.detect" in (tmp_path / "python.html").read_text()


def test_the_lock_has_the_requirements_of_the_project_in_the_tested_versions_from_pypi():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "uv.lock").read_text()
    locked = {(each["name"], each["version"]): each for each in tomllib.loads(text)["package"]}
    by_extra = {"": project["dependencies"], **project["optional-dependencies"]}
    wanted = [(extra, Requirement(line)) for extra, lines in by_extra.items() for line in lines]
    stated = locked[project["name"], project["version"]]["metadata"]["requires-dist"]
    assert sorted((extra, r.name, sorted(r.extras), str(r.specifier)) for extra, r in wanted) == sorted(
        (r.get("marker", "")[10:-1], r["name"], sorted(r.get("extras", ())), r.get("specifier", "")) for r in stated
    ), "run `uv lock`"
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)
    names = {name for name, _ in locked}
    assert len(names) > 100 and {(name, version) for name, version in pins.items() if name in names} <= locked.keys()
    assert {*re.findall(r"\w+://([^/\"]+)", text)} == {"pypi.org", "files.pythonhosted.org"}


def test_only_mcb_separates_motion_of_second_order():
    spec = importlib.util.spec_from_file_location("motion_classes", ROOT / "examples" / "motion_classes.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    assert example.accuracy("cmm", steps=120) < 0.45
    assert example.accuracy("mcb", steps=120) > 0.6


def test_a_folder_is_scored_and_plotted(tmp_path, man):
    shutil.copy(man, tmp_path / "man.mp4")
    assert "man.mp4: " in run(ROOT / "examples" / "score_folder.py", tmp_path, "--out", tmp_path / "scores.png")
    assert (tmp_path / "scores.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_motion_modules_are_trained_and_compared(tmp_path):
    assert "| mcb |" in run(ROOT / "examples" / "train_and_compare.py", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("words", BENCHMARKS.split(", "))
def test_a_benchmark_of_the_documentation_finds_no_fault(words):
    name, *options = words.split()
    if "--ray" in options:
        pytest.importorskip("ray")
    run(ROOT / "benchmarks" / name, *options)
