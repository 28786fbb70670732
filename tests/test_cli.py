"""The command line as such: help, unknown verbs, and what a missing extra leads to."""

from __future__ import annotations

import subprocess
import sys

import pytest

from facetell.cli import EXTRAS, VERBS, main


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    told = capsys.readouterr().out
    assert all(verb in told for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_tells_its_arguments(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([verb, "--help"])
    assert stopped.value.code == 0
    assert "--help" in capsys.readouterr().out


def test_a_missing_extra_is_one_sentence() -> None:
    hidden = "import sys; sys.modules['torch'] = None; from facetell.cli import main; sys.exit(main(['models']))"
    done = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install 'facetell[train]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert EXTRAS["torch"] == "train"
