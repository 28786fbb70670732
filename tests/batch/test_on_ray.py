"""A Ray cluster on this machine gives the same bytes as processes, and a lost worker costs nothing."""

import shutil
import threading

import psutil
import pytest

from facetell.batch.run import LOST
from facetell.batch.scan import scan
from facetell.batch.scan_source import open_source
from scans import CONTENTS, kill_reader, lines, results, verdicts

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")


@pytest.fixture(scope="module")
def cluster():
    from facetell.batch.on_ray import ray_engine

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=80 << 20)
    yield ray_engine(2)
    ray.shutdown()


def kill_readers(path, times, killed, done):
    """End the workers that have a file open, so many of them."""
    while len(killed) < times and not done.wait(0.05):
        workers = (process for process in psutil.process_iter(["name"]) if "MapWorker" in (process.info["name"] or ""))
        killed += [path] * kill_reader(workers, path)


def scan_while_killing(videos, out, single, cluster, path, times):
    killed, done = [], threading.Event()
    killer = threading.Thread(target=kill_readers, args=(path, times, killed, done))
    killer.start()
    try:
        scan(open_source(str(videos)), out, single, engine=cluster)
    finally:
        done.set()
        killer.join()
    assert len(killed) == times


def test_a_cluster_gives_the_same_files_if_a_worker_is_lost(corpus, whole, woman, single, here, tmp_path, cluster):
    """One run, in which the worker that reads the longest video is killed; then one that finds all done."""
    videos, out = shutil.copytree(corpus, tmp_path / "videos"), tmp_path / "ray"
    shutil.copy(woman, videos / "b" / "woman.mp4")
    scan_while_killing(videos, out, single, cluster, videos / "b" / "woman.mp4", 1)
    assert len(verdicts(out)) == CONTENTS + 1 == len({*verdicts(out)})
    shutil.copytree(out / "work", tmp_path / "local" / "work")
    here.scan(videos, tmp_path / "local")
    assert here.scored == [] and results(tmp_path / "local") == results(out)
    (videos / "b" / "woman.mp4").unlink()
    scan(open_source(str(videos)), out, single, engine=cluster)
    assert results(out) == results(whole)


@pytest.mark.slow
def test_a_video_that_ends_every_worker_costs_no_other_video(corpus, whole, woman, single, tmp_path, cluster):
    videos, out = shutil.copytree(corpus, tmp_path / "videos"), tmp_path / "ray"
    deadly = videos / "b" / "deadly.mp4"
    shutil.copy(woman, deadly)
    scan_while_killing(videos, out, single, cluster, deadly, 3)
    found = {line["path"]: line for line in lines(out / "results.jsonl")}
    assert LOST in found.pop("b/deadly.mp4")["message"]
    assert [*found.values()] == lines(whole / "results.jsonl")
