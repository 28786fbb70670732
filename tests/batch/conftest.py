import pytest

from facetell.batch.scan_work import make_detector
from fixtures import FAST
from scans import Here, make_corpus


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """Sixteen short videos; not to be changed."""
    return make_corpus(tmp_path_factory.mktemp("corpus") / "videos")


@pytest.fixture(scope="session")
def single():
    """A detector as the processes of a scan have it."""
    return make_detector(FAST)


@pytest.fixture
def here(single):
    return Here(single)


@pytest.fixture(scope="session")
def whole(corpus, single, tmp_path_factory):
    """The folder of an uninterrupted scan; not to be changed."""
    out = tmp_path_factory.mktemp("whole") / "out"
    Here(single).scan(corpus, out)
    return out
