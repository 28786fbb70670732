"""Who examines a video tells nobody."""

import subprocess
import sys

WATCHED = """
import socket, sys, threading, time
def looked_up(*words, **more):
    print("looked up", words[:2])
    raise OSError("there is no network")
socket.getaddrinfo = socket.create_connection = looked_up
from facetell.assets import locate
from facetell import detect
print(detect(locate("sample_no_face"), "facetell-fast").status)
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join(2)
"""


def test_scoring_a_video_asks_no_network_and_leaves_nothing_at_home(tmp_path):
    found = subprocess.run(
        [sys.executable, "-c", WATCHED], env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["no_face"]
    assert list(tmp_path.iterdir()) == []
