"""``uv.lock`` belongs to ``pyproject.toml``, has the versions of ``constraints.txt``, and names no index but PyPI."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


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
