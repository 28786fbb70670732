"""``facetell serve`` as an operator meets it: one sentence for each fault, and what the options mean."""

import argparse
import socket
import subprocess
import sys

import pytest

from facetell.cli import main
from facetell.cli.serve import add_arguments, settings_of
from facetell.serve.files import Files

TOKEN = "a-token-of-enough-signs"


@pytest.fixture
def sentence(capsys):
    """What the command says when it refuses to serve."""

    def run(*words):
        assert main(["serve", *map(str, words)]) == 2
        out, err = capsys.readouterr()
        assert out == "" and len(err.splitlines()) == 1 and err.startswith("facetell serve: ")
        return err

    return run


def settings(*words):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return settings_of(parser.parse_args(words))


def test_an_address_that_cannot_be_had(sentence, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"cannot listen on 127.0.0.1, port {port}" in sentence("--port", port, "--data", tmp_path / "d")
    assert "choose another --host" in sentence("--host", "192.0.2.1", "--port", 0, "--data", tmp_path / "d")


def test_a_data_folder_that_cannot_be_used(sentence, tmp_path):
    (tmp_path / "file").write_text("")
    assert "choose another --data" in sentence("--port", 0, "--data", tmp_path / "file" / "d")
    files = Files(tmp_path / "used")
    assert "another server uses" in sentence("--port", 0, "--data", tmp_path / "used")
    files.close()


def test_a_folder_of_other_things_is_left_as_it_is(sentence, tmp_path):
    texts = {tmp_path / name: name for name in ("jobs/case-42/notes.txt", "incoming/photo.jpg", "lock")}
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    words = ["--port", 0, "--data", tmp_path, "--model", tmp_path / "no.onnx"]  # it must not come to this model
    assert "holds files that are not a server's: choose another --data" in sentence(*words)
    assert {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == texts


@pytest.mark.parametrize("name", ["lock", "incoming", "jobs"])
def test_a_link_in_the_data_folder_is_not_followed(sentence, tmp_path, name):
    Files(tmp_path / "d").close()
    place = tmp_path / "d" / name
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    assert "is a link" in sentence("--port", 0, "--data", tmp_path / "d", "--model", tmp_path / "no.onnx")


def test_a_model_that_cannot_be_loaded(sentence, tmp_path):
    assert "there is no model file" in sentence("--port", 0, "--data", tmp_path / "d", "--model", tmp_path / "no.onnx")


def test_a_token_that_is_too_short(sentence, tmp_path):
    assert "at least 16 ASCII characters" in sentence("--token", "short", "--data", tmp_path / "d")


@pytest.mark.parametrize(
    "words",
    [
        ["--port", "70000"],
        ["--port", "x"],
        ["--keep-days", "-1"],
        ["--max-minutes", "0"],
        ["--max-mb", "0"],
        ["--workers", "0"],
    ],
)
def test_values_that_make_no_sense(words, capsys):
    with pytest.raises(SystemExit):
        main(["serve", *words])
    assert "is not a" in capsys.readouterr().err


def test_what_the_options_mean(monkeypatch):
    monkeypatch.delenv("FACETELL_TOKEN", raising=False)
    found = settings("--max-mb", "3", "--max-minutes", "2", "--max-megapixels", "1.5", "--keep-days", "0.5")
    assert (found.limits.upload_bytes, found.limits.duration, found.limits.pixels) == (3 * 2**20, 120, 1_500_000)
    assert found.keep_seconds == 43200 and found.token is None and found.workers == 1
    assert settings("--keep-days", "0").keep_seconds is None
    assert settings("--workers", "999").detector.threads == 1
    monkeypatch.setenv("FACETELL_TOKEN", TOKEN)
    assert settings().token == TOKEN and settings("--token", TOKEN + "!").token == TOKEN + "!"


def test_by_which_names_it_may_be_reached():
    assert settings().hosts == ("127.0.0.1",)
    assert settings("--host", "box.example", "--allow-host", "a").hosts == ("box.example", "a")


def test_without_its_packages_it_says_which_extra_to_install():
    code = "import sys; sys.modules['fastapi'] = None; from facetell.cli import main; sys.exit(main(['serve']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stderr.strip().endswith("`pip install '.[serve]'`")
