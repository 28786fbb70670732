"""The data folder after a start: what is deleted, and what is left alone."""

import pytest

from facetell.serve.files import Files, new_id
from facetell.serve.models import State


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
