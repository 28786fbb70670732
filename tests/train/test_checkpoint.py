import pytest
import torch

from facetell.train import checkpoint
from facetell.types import FacetellError


def test_a_checkpoint_is_the_old_one_or_the_new_one(tmp_path, monkeypatch):
    path = tmp_path / checkpoint.CHECKPOINT
    checkpoint.save({"config": {}, "step": 1}, path)

    def full(state, stream):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(FacetellError, match="No space left"):
        checkpoint.save({"config": {}, "step": 2}, path)
    assert checkpoint.load(path)["step"] == 1
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_what_is_no_checkpoint_is_told_in_a_sentence(content, tmp_path):
    path = tmp_path / "a.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FacetellError, match="checkpoint") as caught:
        checkpoint.load(path)
    assert "\n" not in str(caught.value)
