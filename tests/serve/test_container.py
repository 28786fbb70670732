"""The commands of the Dockerfile, run without Docker."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STEPS = re.findall(r"^([A-Z]+) (.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def exec_form(name):
    return json.loads(next(text.removeprefix("CMD ") for step, text in STEPS if step == name))


def test_the_server_starts_and_is_healthy(tmp_path):
    command = [*exec_form("ENTRYPOINT"), *exec_form("CMD"), "--port", "0"]
    command = [sys.executable, "-m", *(str(tmp_path) if word == "/data" else word for word in command)]
    with subprocess.Popen(command, env={**os.environ, "FACETELL_TOKEN": "t" * 32}, stdout=subprocess.PIPE) as server:
        try:
            port = re.match(rb"facetell serves http://\S+:(\d+),", server.stdout.readline())[1].decode()
            check = [sys.executable, *(word.replace(":8000/", f":{port}/") for word in exec_form("HEALTHCHECK")[1:])]
            assert subprocess.run(check, capture_output=True, check=False).returncode == 0
        finally:
            server.terminate()
        assert server.wait() == 0
    assert subprocess.run(check, capture_output=True, check=False).returncode != 0  # nothing listens any more
