"""The data folder and the store of jobs: order, crashes, keys, and what survives the end of the process."""

import sqlite3

import pytest
from serving import add

from facetell.serve.models import State
from facetell.serve.store import STOPS, VIDEO, Files, Store
from facetell.types import FacetellError


def test_first_in_first_out_and_crashed_jobs_last(tmp_path):
    store = Store(tmp_path / "jobs.sqlite3")
    ids = [add(store, number).id for number in range(3)]
    assert store.claim().id == ids[0]
    store.crashed(ids[0])
    assert [store.claim().id for _ in range(3)] == [ids[1], ids[2], ids[0]] and store.claim() is None
    store.close()


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
    assert failed.finished is not None and store.claim().id == other.id
    store.close()


def test_a_file_that_is_no_store_or_of_another_version_gets_one_message(tmp_path):
    (tmp_path / "a").write_text("this is no database, and long enough to be sure" * 100)
    with pytest.raises(FacetellError, match=r"cannot open .*restore it from a backup"):
        Store(tmp_path / "a")
    db = sqlite3.connect(tmp_path / "b")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(FacetellError, match="another version of facetell"):
        Store(tmp_path / "b")


def test_after_a_start_other_names_stay_and_links_are_not_followed(tmp_path):
    files = Files(tmp_path / "data")
    kept = [files.folder("case-42") / VIDEO, tmp_path / "elsewhere" / VIDEO, files.jobs / "photo.jpg"]
    for path in kept:
        path.parent.mkdir(exist_ok=True)
        path.write_text("evidence")
    files.folder("0" * 32).symlink_to(tmp_path / "elsewhere")
    files.folder("1" * 32).mkdir()
    files.sweep({"0" * 32: State.DONE})
    assert all(path.exists() for path in kept) and not files.folder("1" * 32).exists()
    files.close()
