"""The revision on a card is that of the package's own repository, or none."""

import os
import subprocess
from pathlib import Path

import pytest

from facetell import __version__
from facetell.train.about import code_line


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    here = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(["git", *who, *words], cwd=folder, env=here, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def repository(folder: Path, project: str) -> Path:
    """A repository with one commit and a package in src layout."""
    package = folder / "src" / "facetell"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (folder / "pyproject.toml").write_text(f'[project]\nname = "{project}"\n')
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "First")
    return package


def test_a_checkout_names_its_own_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = repository(tmp_path / "own", "facetell")
    repository(tmp_path / "foreign", "other")
    revision = git(tmp_path / "own", "rev-parse", "--short=12", "HEAD")
    monkeypatch.chdir(tmp_path / "foreign")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "foreign" / ".git"))  # as in a hook of the foreign one
    assert code_line(package) == f"facetell {__version__}, revision {revision}"
    (package / "__init__.py").write_text("changed = True\n")
    assert code_line(package) == f"facetell {__version__}, revision {revision}-dirty"


def test_a_repository_around_the_package_is_not_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = tmp_path / "foreign"
    vendored = repository(foreign, "other")  # a copy of the package in another project's src
    monkeypatch.chdir(foreign)
    assert code_line(vendored) == f"facetell {__version__}"
    package = foreign / ".venv/lib/python3/site-packages/facetell"
    package.mkdir(parents=True)
    assert code_line(package) == f"facetell {__version__}"
