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


def test_pieces_join_again_elsewhere(tmp_path):
    run, there = tmp_path / "run", tmp_path / "there"
    run.mkdir()
    checkpoint.save({"config": {}, "weights": torch.rand(5000)}, run / checkpoint.CHECKPOINT)
    (run / "log.jsonl").write_text("{}\n")
    pieces = checkpoint.bundle(run, piece=9000)
    assert len(pieces) > 3 and all(p.stat().st_size <= 9000 for p in pieces)
    (there / checkpoint.BUNDLE).mkdir(parents=True)
    for piece in pieces:
        (there / checkpoint.BUNDLE / piece.name).write_bytes(piece.read_bytes())
    assert checkpoint.unbundle(there)
    for name in (checkpoint.CHECKPOINT, "log.jsonl"):
        assert (there / name).read_bytes() == (run / name).read_bytes()
    assert not checkpoint.unbundle(there)  # a run that is there is never overwritten


def test_a_piece_that_changed_on_its_way_is_refused(tmp_path):
    checkpoint.save({"config": {}}, tmp_path / checkpoint.CHECKPOINT)
    piece = checkpoint.bundle(tmp_path)[0]
    piece.write_bytes(piece.read_bytes()[:-1])
    (tmp_path / checkpoint.CHECKPOINT).unlink()
    with pytest.raises(FacetellError, match="missing or was changed"):
        checkpoint.unbundle(tmp_path)
    assert not (tmp_path / checkpoint.CHECKPOINT).exists()
