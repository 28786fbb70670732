import json
from dataclasses import asdict, replace
from itertools import product

import pytest

from facetell.train.config import ProbeConfig, TrainConfig, read_config
from facetell.train.sweep import read_grid
from facetell.types import FacetellError
from fixtures import TINY

BASE, PROBE = f"extends: {TINY}", "probe: {folds: 3}"


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_a_configuration_reads_back_as_it_was_written(tmp_path):
    config = read_config(TINY.parent / "ffpp_c23.yaml", ["optim.lr=3e-2", "batch.recipe.sbv=1", "data.without=[a, b]"])
    assert (config.optim.lr, config.batch.recipe.sbv, config.data.without) == (0.03, 1.0, ("a", "b"))
    assert read_config(write(tmp_path / "again.yaml", json.dumps(asdict(config)))) == config


def test_a_file_states_only_what_differs_from_the_one_it_extends(tmp_path):
    (tmp_path / "below").mkdir()
    write(tmp_path / "base.yaml", "steps: 7\noptim: {lr: 1.0, momentum: 0.5}\n")
    file = write(tmp_path / "below" / "a.yaml", "extends: ../base.yaml\noptim: {lr: 2}\n")
    config, default = read_config(file, ["batch.degrade.codec=0.7", "batch.degrade.blur=0.3"]), TrainConfig()
    assert config.optim == replace(default.optim, lr=2.0, momentum=0.5)
    degrade = replace(default.batch.degrade, codec=0.7, blur=0.3)
    assert config == replace(default, steps=7, optim=config.optim, batch=replace(default.batch, degrade=degrade))


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        (BASE, ["optim.lrr=3"], "there is no 'optim.lrr'; the keys are those of"),
        (BASE, ["optim.lr=fast"], "'optim.lr' is 'fast': input should be a valid number"),
        (BASE, ["steps=0"], "'steps' is 0: input should be greater than or equal to 1"),
        (BASE, ["anomaly=half"], "'anomaly' is 'half': input should be 'none', 'no_cls2', 'no_l1' or 'full'"),
        (BASE, ["batch.degrade.scale=[1]"], "'batch.degrade.scale.1' is missing"),
        (BASE, ["batch.frame_rate=.nan"], "'batch.frame_rate' is nan: input should be a finite number"),
        (BASE, ["batch.recipe.swap=-1"], "the weight of swap in a recipe is a number of at least 0, not -1"),
        (BASE, ["steps"], "'steps' is not key=value"),
        (BASE, ["steps=["], "is not YAML"),
        ("steps: [", [], "is not YAML"),
        ("a word", [], "holds no keys"),
        ("extends: a.yaml", [], "extends itself"),
        ("extends: none.yaml", [], "there is no configuration at"),
        (PROBE, ["optim.lr=1"], "'probe' is a table and the only one"),
        (PROBE, ["probe=3"], "'probe' is a table and the only one"),
    ],
)
def test_what_is_wrong_is_one_message(text, words, message, tmp_path):
    with pytest.raises(FacetellError) as caught:
        read_config(write(tmp_path / "a.yaml", text), words)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("path", sorted(TINY.parent.rglob("*.yaml")), ids=lambda p: p.stem)
def test_every_configuration_of_the_project_is_sound(path):
    if "\ngrid:" in path.read_text(encoding="utf-8"):
        rows = [(p.config.motion, p.config.anomaly) for p in read_grid(path) if p.config.seed == 1]
        assert rows == list(product(("none", "cmm", "mcb"), ("none", "no_cls2", "no_l1", "full")))
        return
    config = read_config(path)
    assert isinstance(config, ProbeConfig) or config.batch.pairs + config.batch.generated > 0


def test_a_sweep_without_a_grid_is_refused(tmp_path):
    with pytest.raises(FacetellError, match="has no grid"):
        read_grid(write(tmp_path / "a.yaml", "steps: 3\n"))
