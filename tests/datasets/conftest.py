"""Miniatures of benchmarks, each made once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mimic.make import make_miniature

Miniature = Callable[[str], Path]


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Miniature:
    """The root of the miniature of a benchmark: six people, half a second each. Not to be changed: copy it first."""
    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("miniatures") / name
            make_miniature(name, made[name], videos=6, seconds=0.5)
        return made[name]

    return get
