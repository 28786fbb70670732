"""The data folder at a start: what is swept out, and what is not ours to touch."""

import pytest

from facetell.serve.files import Files, new_id
from facetell.serve.jobs import State


@pytest.fixture
def files(tmp_path):
    files = Files(tmp_path / "data")
    yield files
    files.close()


def test_what_belongs_to_no_job_and_videos_that_are_scored_are_deleted(files):
    waiting, done, gone, cut_off = (new_id() for _ in range(4))
    for job_id in (waiting, done, gone):
        files.folder(job_id).mkdir()
        files.video(job_id).write_text("video")
    files.result(done).write_text("{}")
    files.incoming(cut_off).write_text("half")
    files.sweep({waiting: State.QUEUED, done: State.DONE})
    assert files.video(waiting).exists() and files.result(done).exists()
    assert not files.video(done).exists() and not files.folder(gone).exists() and not files.incoming(cut_off).exists()


def test_names_that_are_not_ours_stay(files):
    kept = [files.folder("case-42") / "notes.txt", files.incoming("case-42") / "x", files.incoming(new_id()) / "x"]
    for path in kept:
        path.parent.mkdir()
        path.write_text("evidence")
    files.incoming("photo.jpg").write_text("evidence")
    files.sweep({})
    assert all(path.exists() for path in (*kept, files.incoming("photo.jpg")))


def test_links_are_not_followed_out_of_the_folder(files, tmp_path):
    job_id, video = new_id(), tmp_path / "elsewhere" / "video"
    video.parent.mkdir()
    video.write_text("evidence")
    files.folder(job_id).symlink_to(video.parent)
    files.sweep({job_id: State.DONE})
    assert video.exists()


def test_an_interrupted_first_start_leaves_a_folder_that_is_ours(tmp_path):
    (tmp_path / "jobs.sqlite3").touch()  # the first thing that is made
    Files(tmp_path).close()
    assert (tmp_path / "jobs").is_dir()


def test_the_lock_keeps_what_is_in_it(files):
    files.close()
    (files.root / "lock").write_text("x")
    Files(files.root).close()
    assert (files.root / "lock").read_text() == "x"
