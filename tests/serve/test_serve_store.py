"""The data folder and the store of jobs: order, crashes, keys, and what survives the end of the process."""

import sqlite3
import threading

import pytest

from facetell.serve.files import Files, new_id
from facetell.serve.jobs import STOPS, Store
from facetell.serve.models import State
from facetell.serve.process import Checked
from facetell.types import FacetellError

VIDEO = Checked(width=64, height=48, duration=1.0)


def add(store, number, key=None):
    return store.add(f"{number:032x}", key, f"{number}.mp4", 10, "5" * 64, VIDEO)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "jobs.sqlite3")
    yield store
    store.close()


def test_first_in_first_out_and_crashed_jobs_last(store):
    ids = [add(store, number).id for number in range(3)]
    assert store.claim().id == ids[0]
    store.crashed(ids[0])
    assert [store.position(job_id) for job_id in ids] == [3, 1, 2]
    assert [store.claim().id for _ in range(3)] == [ids[1], ids[2], ids[0]] and store.claim() is None
    assert store.position(ids[1]) is None


def test_a_job_of_many_ends_of_the_server_is_tried_once_more_alone(tmp_path):
    path = tmp_path / "jobs.sqlite3"
    store = Store(path)
    job, other = add(store, 1), add(store, 2)

    def kill():
        nonlocal store
        store.close()
        store = Store(path)
        return store.resume()

    for stop in range(1, STOPS + 1):
        assert store.claim().id == job.id
        (resumed,) = kill()
        assert (resumed.stops, resumed.crashes, resumed.state) == (stop, 0, State.QUEUED)
    assert store.claim().id == job.id and store.claim() is None  # alone
    store.release(job.id)  # a stop by a signal does not count
    assert store.claim().id == job.id
    (failed,) = kill()
    assert failed.state is State.FAILED and failed.message.startswith("the server ended 11 times while it was scored")
    assert store.claim().id == other.id
    store.close()


def test_the_key_of_a_deleted_job_can_be_used_again(store):
    job = add(store, 1, "k")
    assert add(store, 2, "k") == job and store.delete(job.id)
    assert add(store, 3, "k").id != job.id


def test_many_threads_claim_each_job_once(store):
    ids = [add(store, number).id for number in range(60)]
    claimed = []

    def claim():
        while job := store.claim():
            claimed.append(job.id)

    threads = [threading.Thread(target=claim) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == ids


def test_a_file_that_is_no_store_or_of_another_version_gets_one_message(tmp_path):
    (tmp_path / "a").write_text("this is no database, and long enough to be sure" * 100)
    with pytest.raises(FacetellError, match=r"cannot open .*restore it from a backup"):
        Store(tmp_path / "a")
    db = sqlite3.connect(tmp_path / "b")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(FacetellError, match="another version of facetell"):
        Store(tmp_path / "b")


# --- the data folder after a start: what is deleted, and what is left alone


@pytest.fixture
def files(tmp_path):
    files = Files(tmp_path / "data")
    yield files
    files.close()


def test_other_names_stay_and_links_are_not_followed(files, tmp_path):
    kept = [files.video("case-42"), tmp_path / "elsewhere" / "video", files.root / "jobs" / "photo.jpg"]
    for path in kept:
        path.parent.mkdir(exist_ok=True)
        path.write_text("evidence")
    job_id = new_id()
    files.video(job_id).parent.symlink_to(tmp_path / "elsewhere")
    files.sweep({job_id: State.DONE})
    assert all(path.exists() for path in kept)


def test_an_interrupted_first_start_leaves_a_data_folder(tmp_path):
    (tmp_path / "jobs.sqlite3").touch()  # what is created first
    Files(tmp_path).close()
    assert (tmp_path / "jobs").is_dir()
