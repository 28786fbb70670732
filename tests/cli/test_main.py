"""The command line itself: help, unknown verbs, missing packages, closed streams, file names that begin with -."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from facetell.cli import EXTRAS, GROUPS, VERBS, doctor, main


@pytest.mark.parametrize(("words", "named"), [([], [*GROUPS, *VERBS]), *(([v], [VERBS[v][1:]]) for v in VERBS)])
def test_help(words, named, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert all(word in out for word in (*named, "--help"))


@pytest.mark.parametrize(
    ("package", "words", "message"),
    [
        ("torch", ["models"], "pip install '.[train]'"),
        ("fastapi", ["serve"], "pip install '.[serve]'"),
        ("onnx", ["detect", "a.mp4", "--engine", "torch"], "the engine 'torch' needs packages that are not installed"),
    ],
)
def test_a_missing_package_is_one_message(package, words, message):
    hidden = f"import sys; sys.modules[{package!r}] = None; from facetell.cli import main; sys.exit(main({words}))"
    done = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True)
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr


def test_a_library_that_cannot_be_loaded_is_one_message_and_the_doctor_finds_it(tmp_path):
    """As where a library of the system is missing, or where two packages have written over each other's files."""
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    done = shell("facetell detect a.mp4", tmp_path, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "(libGL.so.1: cannot open shared object file); `facetell doctor` lists which" in done.stderr
    done = shell("facetell doctor", tmp_path, PYTHONPATH=str(tmp_path), COLUMNS="200")
    line = next(line for line in done.stdout.splitlines() if "opencv" in line)
    assert done.returncode == 1 and line.startswith("!!") and "libGL.so.1" in line


@pytest.mark.parametrize("module", ["facetell.types", "facetell.cli.detect"])
@pytest.mark.parametrize("error", ["KeyboardInterrupt", "ImportError('initialization failed')"])
def test_a_signal_while_modules_are_loaded_is_one_message(module, error):
    """facetell.types is the first that takes long: it loads NumPy. A library may raise an error of its own instead."""
    code = f"""if True:
        import os, signal, sys
        from facetell.cli import main
        class Interrupts:
            def find_spec(self, name, *rest):
                if name == {module!r}:
                    try:
                        os.kill(os.getpid(), signal.SIGTERM)
                    except KeyboardInterrupt:
                        raise {error} from None
        sys.meta_path.insert(0, Interrupts())
        sys.exit(main(["detect", "a.mp4"]))"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (143, "facetell detect: interrupted\n")


def shell(command, folder, **environment):
    variables = {**os.environ, "PYTHONUNBUFFERED": "", **environment}
    words = ["sh", "-c", command.replace("facetell", f"{sys.executable} -m facetell", 1)]
    return subprocess.run(words, cwd=folder, env=variables, capture_output=True, text=True)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_standard_output_is_one_message(unbuffered, tmp_path):
    done = shell("facetell detect a.mp4 --json r.json > /dev/full", tmp_path, PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr) == (1, "facetell detect: cannot write its output: No space left on device\n")
    assert (tmp_path / "r.json").exists()


def test_a_closed_standard_output_keeps_other_outputs(tmp_path):
    done = shell("facetell detect a.mp4 --json r.json >&-", tmp_path)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "there is no" in done.stderr
    assert (tmp_path / "r.json").exists()


@pytest.mark.parametrize(
    ("encoding", "name", "shown"),
    [("ascii", "\u00fc.mp4", r"\xfc.mp4"), ("utf-8:strict", "caf\udce9.mp4", r"caf\udce9.mp4")],
)
def test_a_name_that_the_output_cannot_encode_is_escaped(encoding, name, shown, tmp_path):
    done = shell(f"facetell detect {name}", tmp_path, PYTHONIOENCODING=encoding)
    assert done.returncode == 2 and shown in done.stdout and shown in done.stderr and "Traceback" not in done.stderr


def test_verbose_prints_where_an_error_was_raised(capsys):
    assert main(["detect", "none*.mp4", "-v"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_shell_completes_verbs_options_and_values(tmp_path):
    argcomplete = pytest.importorskip("argcomplete", reason="the extra `completion` is not installed")
    assert subprocess.run(["bash", "-n"], input=argcomplete.shellcode(["facetell"]), text=True).returncode == 0
    how = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "found"), "_ARGCOMPLETE_IFS": " "}
    for begun, expected in (("sc", "scan score"), ("scan --on ", "local ray"), ("sco", "score")):
        line = f"facetell {begun}"
        shell("facetell", tmp_path, **how, COMP_LINE=line, COMP_POINT=str(len(line)))
        assert (tmp_path / "found").read_text().split() == expected.split()


def test_a_file_in_place_of_a_verb_is_scored(tmp_path, capsys):
    (tmp_path / "a.mp4").write_text("no video")
    assert main([str(tmp_path / "a.mp4")]) == 2
    out, err = capsys.readouterr()
    assert "not scored: unreadable" in out and err.startswith("facetell detect: ")


def test_the_doctor_lists_what_the_project_depends_on():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    wanted = [project["dependencies"], *(project["optional-dependencies"][name] for name in EXTRAS)]
    names = [{re.split(r"[>\[]", requirement)[0] for requirement in of} - {"facetell"} for of in wanted]
    assert [set(map(doctor.distribution, of)) for of in (doctor.NEEDED, *EXTRAS.values())] == names
