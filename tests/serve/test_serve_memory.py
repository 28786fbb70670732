"""Memory of server and workers over five hundred jobs."""

import psutil
import pytest
from serving import Server, short_video

JOBS, SETTLED = 500, 150


def megabytes(server):
    """Resident memory of the server, and of all its processes together."""
    own = psutil.Process(server.process.pid).memory_info().rss
    return own / 2**20, (own + sum(worker.memory_info().rss for worker in server.workers())) / 2**20


@pytest.mark.slow
def test_memory_does_not_grow(tmp_path):
    videos = [short_video(tmp_path, f"{first}.mp4", first=first) for first in range(5)]
    figures = []
    with Server(tmp_path / "data") as server:
        for number in range(JOBS):
            answer = server.upload(videos[number % len(videos)])
            assert server.ended(answer.json()["id"])["state"] == "done"
            figures.append(megabytes(server))
            if number % 50 == 49:
                print(f"after {number + 1} jobs: server {figures[-1][0]:.0f} MB, all {figures[-1][1]:.0f} MB")
    for kind in (0, 1):
        settled = max(figure[kind] for figure in figures[SETTLED - 50 : SETTLED])
        assert max(figure[kind] for figure in figures[-50:]) < 1.05 * settled + 5
