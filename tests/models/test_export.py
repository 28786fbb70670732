"""Model files: what the engines compute from them, and the way back to torch."""

from pathlib import Path

import onnx
import pytest

from facetell.models.export import export_onnx, model_from_onnx
from facetell.models.zoo import create_model
from facetell.types import FacetellError
from fixtures import FAST_FILE
from model_files import arrays_file


@pytest.fixture(scope="module")
def network(enliven):
    return enliven(create_model("lite0", clip_frames=4, size=48, width=0.25, motion_blocks=(2, 6)))


def test_the_file_keeps_the_contract(network, tmp_path):
    path = export_onnx(network, tmp_path / "a.onnx", with_motion=True)
    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    (clip,) = proto.graph.input
    assert clip.name == "clip"
    dims = clip.type.tensor_type.shape.dim
    assert [d.dim_value or d.dim_param for d in dims] == ["N", 4, 3, 48, 48]
    assert [output.name for output in proto.graph.output] == ["logit", "motion"]
    assert not any("anomaly" in array.name for array in proto.graph.initializer)
    assert not any(entry.key.startswith("pkg.") for node in proto.graph.node for entry in node.metadata_props)
    assert str(Path.cwd()).encode() not in path.read_bytes()


def test_what_cannot_be_done_is_said(tmp_path):
    with pytest.raises(FacetellError, match="no motion blocks"):
        export_onnx(create_model("lite0", "none", size=32), tmp_path / "x.onnx", with_motion=True)


def test_a_file_of_several_networks_is_run_but_not_built():
    with pytest.raises(FacetellError, match="cannot be built in torch by this version; use another engine"):
        model_from_onnx(FAST_FILE)


@pytest.mark.parametrize("architecture", ["{", "[1]", '{"name": "lite0", "colour": 3}'])
def test_a_file_that_says_nonsense_of_its_network_is_one_sentence(architecture, network, tmp_path):
    path = arrays_file(network, tmp_path / "odd.onnx", architecture=architecture)
    with pytest.raises(FacetellError, match=r"do not define its network|does not accept these arguments"):
        model_from_onnx(path)
