"""``facetell serve``: one message for each error, and what the options mean."""

import argparse
import socket

import pytest

from facetell.cli import main
from facetell.cli.serve import OWN_PATHS, _root_path, add_arguments, settings_of
from facetell.serve import api, batch, pages
from facetell.serve.store import Files


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
    monkeypatch.setenv("FACETELL_WEBHOOK_SECRET", "a-token-of-enough-characters")
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = "--max-mb 3 --max-minutes 2 --max-megapixels 1.5 --min-rate 0.5 --max-queue 2 --min-free-mb 5"
    words += " --host box.example --allow-host a:80 --webhook-host Hook.example:80"
    found, without_end = (settings_of(parser.parse_args([*words.split(), f"--keep-days={days}"])) for days in (0.5, 0))
    assert (found.limits.upload_bytes, found.limits.duration, found.limits.pixels) == (3 * 2**20, 120, 1_500_000)
    assert found.limits.upload_rate == 500 and found.keep_seconds == 43200 and without_end.keep_seconds is None
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
        in_use = f"cannot listen on 127.0.0.1, port {port} (Address already in use): choose another --host or --port"
        assert in_use in message("--port", port)


def test_a_data_folder_in_use_is_refused(message, tmp_path):
    files = Files(tmp_path / "used")
    assert "another server uses" in message("--port", 0, data=tmp_path / "used")
    files.close()


@pytest.mark.parametrize("name", ["lock", "jobs"])
def test_a_link_in_the_data_folder_is_not_followed(message, tmp_path, name):
    Files(tmp_path / "d").close()
    place = tmp_path / "d" / name
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    assert "is a link" in message("--port", 0)
