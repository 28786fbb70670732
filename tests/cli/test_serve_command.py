"""``facetell serve``: one message for each error, and what the options mean."""

import argparse
import socket

import pytest

from facetell.cli import main
from facetell.cli.serve import OWN_PATHS, _root_path, add_arguments, settings_of
from facetell.serve import api, batch, pages
from facetell.serve.store import Files

TOKEN = "a-token-of-enough-characters"


@pytest.fixture
def message(capsys, tmp_path):
    """What the command prints when it refuses to serve."""

    def run(*words, data=tmp_path / "d"):
        # Should it go on, it fails because there is no such model.
        assert main(["serve", "--data", str(data), "--model", str(tmp_path / "no.onnx"), *map(str, words)]) == 1
        out, err = capsys.readouterr()
        assert out == "" and len(err.splitlines()) == 1 and err.startswith("facetell serve: ")
        return err

    return run


def test_what_the_options_mean(monkeypatch):
    monkeypatch.setenv("FACETELL_WEBHOOK_SECRET", TOKEN)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = "--max-mb 3 --max-minutes 2 --max-megapixels 1.5 --min-rate 0.5 --max-queue 2 --min-free-mb 5"
    words += " --host box.example --allow-host a:80 --webhook-host Hook.example:80"
    found, for_ever = (settings_of(parser.parse_args([*words.split(), f"--keep-days={days}"])) for days in (0.5, 0))
    assert (found.limits.upload_bytes, found.limits.duration, found.limits.pixels) == (3 * 2**20, 120, 1_500_000)
    assert found.limits.upload_rate == 500 and found.keep_seconds == 43200 and for_ever.keep_seconds is None
    assert (found.hosts, found.limits.queue, found.limits.free_bytes) == (("box.example", "a"), 2, 5 * 2**20)
    assert found.webhook_hosts == ("hook.example:80",)


def test_a_root_path_does_not_begin_as_an_address_of_the_server():
    routes = [route for each in (api.router, api.monitor, batch.router, pages.router) for route in each.routes]
    assert {route.path.split("/")[1] for route in routes} | {"openapi.json", "static"} == {"", *OWN_PATHS.split("|")}
    assert all(_root_path(path) == path for path in ("/jobsite", "/facetell/v1", "/openapi"))


def test_a_model_or_an_address_that_is_not_available(message):
    assert "there is no model file" in message("--port", 0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"cannot listen on 127.0.0.1, port {port} (Address already in use)" in message("--port", port)
    assert "choose another --host" in message("--host", "192.0.2.1", "--port", 0, "--token", TOKEN)
    assert "cannot listen on 127.0.0.1, port 70000" in message("--port", 70000)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_other_machines_are_served_without_a_token_only_on_request(message, monkeypatch, host):
    monkeypatch.setenv("FACETELL_TOKEN", "")
    assert "set FACETELL_TOKEN" in message("--host", host, "--port", 0)
    for words in (["--token", TOKEN], ["--insecure-no-token"]):  # the address of documentation is of no machine
        assert "cannot listen on 192.0.2.1" in message("--host", "192.0.2.1", "--port", 0, *words)


def test_a_data_folder_that_cannot_be_used(message, tmp_path):
    (tmp_path / "file").write_text("")
    assert "choose another --data" in message("--port", 0, data=tmp_path / "file" / "d")
    files = Files(tmp_path / "used")
    assert "another server uses" in message("--port", 0, data=tmp_path / "used")
    files.close()


def test_a_folder_of_other_files_is_left_alone(message, tmp_path):
    texts = {tmp_path / "x" / name: name for name in ("jobs/case-42/notes.txt", "photos/photo.jpg", "lock")}
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert "holds files of something else: choose another --data" in message("--port", 0, data=tmp_path / "x")
    assert {path: path.read_text() for path in (tmp_path / "x").rglob("*") if path.is_file()} == texts


@pytest.mark.parametrize("name", ["lock", "jobs"])
def test_a_link_in_the_data_folder_is_not_followed(message, tmp_path, name):
    Files(tmp_path / "d").close()
    place = tmp_path / "d" / name
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    assert "is a link" in message("--port", 0)
