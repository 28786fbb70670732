"""Model files: what the engines compute from them, and the way back to torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import torch
from torch import Tensor

from facetell.models.export import continue_from, export_onnx, load_onnx_state, model_from_onnx, read_motion_network
from facetell.models.graph import SHORT_FROM
from facetell.models.network import ClipNetwork
from facetell.models.zoo import create_model
from facetell.types import FacetellError
from fixtures import FAST_FILE
from model_files import arrays_file

Clips = Callable[..., Tensor]


@pytest.fixture(scope="module")
def network(enliven: Callable[[ClipNetwork], ClipNetwork]) -> ClipNetwork:
    return enliven(create_model("lite0", clip_frames=4, size=48, width=0.25, motion_blocks=(2, 6)))


@pytest.fixture(scope="module")
def files(network: ClipNetwork, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "fp32": export_onnx(network, folder / "a.onnx", with_motion=True),
        "fp16": export_onnx(network, folder / "b.onnx", precision="fp16", metadata={"hello": '"you"'}),
        "w8": export_onnx(network, folder / "c.onnx", precision="w8", metadata={"hello": '"you"'}),
    }


@pytest.mark.parametrize("precision", ["fp16", "w8"])
def test_fewer_bits_are_storage_alone(
    precision: str, network: ClipNetwork, files: dict[str, Path], some_clips: Clips
) -> None:
    metadata, state = load_onnx_state(files[precision])
    assert metadata == {"hello": '"you"'}
    own = network.state_dict()
    stored = {name: values for name, values in state.items() if name in own}
    left_out = {name for name in own.keys() - stored.keys() if not name.startswith("anomaly.")}
    assert all(name.endswith("num_batches_tracked") for name in left_out)
    coarse = 0
    for name, values in stored.items():
        assert values.dtype == torch.float32
        error = (values - own[name]).abs()
        largest = own[name].abs().flatten(1).amax(dim=1) if own[name].ndim > 1 else own[name].abs()
        if precision == "w8" and own[name].shape[2:] == (1, 1) and own[name].numel() >= SHORT_FROM:
            # Half of one of 127 steps, of the channel's own scale.
            assert (error.flatten(1).amax(dim=1) <= largest / 254 + 1e-7).all()
            coarse += 1
        else:
            torch.testing.assert_close(values, own[name], rtol=1e-3, atol=1e-4)
    assert (coarse > 0) == (precision == "w8")
    batch = some_clips(2, 4, 48)
    rounded = create_model(**network.architecture, anomaly="none")
    rounded.load_state_dict({k: v for k, v in state.items() if k in rounded.state_dict()}, strict=False)
    with torch.no_grad():
        want = rounded.eval()(batch).logit
    logit = onnxruntime.InferenceSession(files[precision]).run(["logit"], {"clip": batch.numpy()})[0]
    np.testing.assert_allclose(logit, want, atol=1e-4)
    compiled = openvino.Core().compile_model(files[precision], "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    np.testing.assert_allclose(compiled({"clip": batch.numpy()})["logit"], want, atol=1e-4)


def test_the_file_keeps_the_contract(files: dict[str, Path]) -> None:
    proto = onnx.load(files["fp32"])
    onnx.checker.check_model(proto, full_check=True)
    (clip,) = proto.graph.input
    assert clip.name == "clip"
    dims = clip.type.tensor_type.shape.dim
    assert [d.dim_value or d.dim_param for d in dims] == ["N", 4, 3, 48, 48]
    assert [output.name for output in proto.graph.output] == ["logit", "motion"]
    assert not any("anomaly" in array.name for array in proto.graph.initializer)
    assert not any(entry.key.startswith("pkg.") for node in proto.graph.node for entry in node.metadata_props)
    assert str(Path.cwd()).encode() not in files["fp32"].read_bytes()


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    with pytest.raises(FacetellError, match="no motion blocks"):
        export_onnx(create_model("lite0", "none", size=32), tmp_path / "x.onnx", with_motion=True)
    with pytest.raises(FacetellError, match="no model file"):
        load_onnx_state(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(FacetellError, match="not an ONNX file"):
        load_onnx_state(tmp_path / "text.onnx")


def test_a_file_s_weights_can_be_trained_on(network: ClipNetwork, files: dict[str, Path], some_clips: Clips) -> None:
    started = create_model("lite0", anomaly="full", clip_frames=4, size=48, width=0.25, motion_blocks=(2, 6)).eval()
    continue_from(started, files["fp32"])
    batch = some_clips(2, 4, 48)
    assert torch.equal(started(batch).logit, network(batch).logit)
    with pytest.raises(FacetellError, match="holds another network; set model, motion and overrides as in that file"):
        continue_from(create_model("lite0", clip_frames=4, size=48, width=0.25, motion_blocks=(2, 4)), files["fp32"])


def test_a_file_of_the_same_arrays_may_be_another_network(tmp_path: Path) -> None:
    shape = {"anomaly": "none", "clip_frames": 4, "size": 48, "width": 0.25, "motion_blocks": (2, 6)}
    mine, other = (create_model("lite0", temporal=kind, **shape) for kind in ("none", "tsm"))
    assert {n: v.shape for n, v in mine.state_dict().items()} == {n: v.shape for n, v in other.state_dict().items()}
    arrays_file(other, tmp_path / "its.onnx")
    with pytest.raises(FacetellError, match="holds another network; set model, motion and overrides as in that file"):
        continue_from(mine, tmp_path / "its.onnx")


def test_the_motion_network_of_the_released_file_is_built_alone(tmp_path: Path) -> None:
    model = read_motion_network(FAST_FILE)
    assert (model.config.clip_frames, model.config.frame_rate, model.config.size) == (4, 12.5, 112)
    _, state = load_onnx_state(FAST_FILE)
    name = "backbone.blocks.2.mix.motion.kernel2.weight"
    assert torch.equal(model.state_dict()[name], state[name.replace("backbone.", "backbone.streams.1.")])
    with torch.no_grad():
        first, second = model.motion_maps(torch.rand(1, 4, 3, 112, 112))
    assert first.shape == second.shape and second[:, -2:].abs().max() < 1e-5 < second[:, 0].max()
    with pytest.raises(FacetellError, match="cannot be built in torch by this version; use another engine"):
        model_from_onnx(FAST_FILE)


def test_an_unknown_name_of_a_module_is_refused() -> None:
    with pytest.raises(FacetellError, match="there is no temporal 'ctsm'; choose one of"):
        create_model("lite0", temporal="ctsm")


@pytest.mark.parametrize("architecture", ["{", "[1]", '{"name": "lite0", "colour": 3}'])
def test_a_file_that_says_nonsense_of_its_network_is_one_sentence(
    architecture: str, network: ClipNetwork, tmp_path: Path
) -> None:
    path = arrays_file(network, tmp_path / "odd.onnx", architecture=architecture)
    for read in (lambda: continue_from(network, path), lambda: model_from_onnx(path)):
        with pytest.raises(FacetellError, match=r"do not define its network|does not accept these arguments"):
            read()
