import subprocess
import sys

CODE = """
import socket, threading
def refuse(*args, **kwargs):
    print("network", args[:2])
    raise OSError("there is no network")
socket.getaddrinfo = socket.create_connection = refuse
from facetell.assets import locate
from facetell import detect
print(detect(locate("sample_no_face"), "facetell-fast").status)
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join(2)
"""


def test_scoring_a_video_uses_no_network_and_writes_nothing_to_the_home_folder(tmp_path):
    command, environment = [sys.executable, "-c", CODE], {"HOME": str(tmp_path)}
    assert subprocess.check_output(command, env=environment, text=True).split() == ["no_face"]
    assert list(tmp_path.iterdir()) == []
