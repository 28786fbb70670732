"""``uv.lock`` belongs to this ``pyproject.toml``, has the tested versions, and names no index but PyPI."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "uv.lock").read_text()
PACKAGES = {(each["name"], each["version"]): each for each in tomllib.loads(LOCK)["package"]}


def test_the_lock_has_the_requirements_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    by_extra = {"": project["dependencies"], **project["optional-dependencies"]}
    wanted = [(extra, Requirement(text)) for extra, texts in by_extra.items() for text in texts]
    stated = PACKAGES[project["name"], project["version"]]["metadata"]["requires-dist"]
    assert sorted((extra, r.name, sorted(r.extras), str(r.specifier)) for extra, r in wanted) == sorted(
        (each.get("marker", "")[10:-1], each["name"], sorted(each.get("extras", ())), each.get("specifier", ""))
        for each in stated
    ), "run `uv lock`"


def test_the_lock_has_the_versions_of_constraints_from_pypi():
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)
    names = {name for name, _ in PACKAGES}
    assert {(name, version) for name, version in pins.items() if name in names} <= PACKAGES.keys()
    assert {*re.findall(r"\w+://([^/\"]+)", LOCK)} == {"pypi.org", "files.pythonhosted.org"}
    assert [each["name"] for each in PACKAGES.values() if "registry" not in each["source"]] == ["facetell"]
