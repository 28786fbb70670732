"""One model file in three engines has the same scores on real clips; a Python function; errors are one message."""

import importlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from facetell.detector import Detector
from facetell.engine import DEFAULT_MODEL, ENGINES, load_engine, model_path
from facetell.engine.info import InputFormat
from facetell.faces.clips import crop_clip
from facetell.faces.tracker import FaceTracker
from facetell.models.export import export_onnx
from facetell.models.zoo import create_model
from facetell.types import FacetellError, Frame, Status
from fixtures import FAST, FAST_FILE, frames_of

SAVED_MODEL = b"\x08\x01\x12\x02\x0a\x00"  # the first fields of a file of TensorFlow
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)
SOURCE = """
seen = []
def predict(frames, fps, face_boxes):
    seen.append((frames, fps, face_boxes))
    return 2.5
predict.model = {"clip_frames": 4, "frame_rate": 30.0, "size": 96, "crop_scale": 2.0}
def wrong(frames, fps, face_boxes): return 0.0
wrong.model = {"%s": %s}
def fails(frames, fps, face_boxes): raise ValueError("my fault")
def undefined(frames, fps, face_boxes): return float("nan")
number = 3
def layered(frames, fps, face_boxes): return 0.0
layered.model = object()
"""


@pytest.fixture(scope="module")
def clips(face_networks, woman, man):
    info, made = load_engine(FAST).info, []
    for person, start in ((woman, 0), (woman, 100), (man, 0)):
        part, tracker = frames_of(person, start + info.clip_frames)[start:], FaceTracker(*face_networks)
        poses = [tracker.update(Frame(i, time, image))[0].pose for i, (image, time) in enumerate(part)]
        made.append(crop_clip([image for image, _ in part], poses, info.size, info.crop_scale)[0])
    return np.stack([*made, made[0][::-1]])


@pytest.fixture(scope="module")
def reference(clips):
    logits = load_engine(FAST, engine="openvino", precision="f32").score(clips)
    assert logits.dtype == np.float32 and logits.shape == (4,) and np.ptp(logits) > 0.05
    return logits


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_onnx_runtime_has_the_same_scores_on_each_device(clips, reference, device):
    assert np.abs(load_engine(FAST, "onnxruntime", device=device).score(clips) - reference).max() <= 1e-3


def test_bfloat16_changes_little(clips, reference):
    try:
        engine = load_engine(FAST, precision="bf16")
    except FacetellError:
        pytest.skip("this CPU has no bfloat16")
    probability = engine.info.calibration.probability
    pairs = zip(engine.score(clips), reference, strict=True)
    assert max(abs(probability(float(a)) - probability(float(b))) for a, b in pairs) < 0.04


@pytest.mark.parametrize(("name", "isa"), [("ONEDNN_MAX_CPU_ISA", "AVX2"), ("DNNL_MAX_CPU_ISA", "AVX2_VNNI_2")])
def test_the_precision_is_one_that_the_cpu_supports(name, isa, monkeypatch):
    """With the instruction set limited to AVX2, no CPU has bfloat16."""
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.setenv(name, isa)
    assert load_engine(FAST).precision == "f32"
    with pytest.raises(FacetellError, match=rf"does not support bf16 \({name} is {isa}\); use --precision f32"):
        load_engine(FAST, precision="bf16")


def test_a_wrong_name_or_precision_has_one_message(tmp_path):
    names = ("facetel", tmp_path / "none.onnx", "x" * 5000)
    for path, engine, precision, message in (
        *((name, "openvino", None, f"no model file at {name}; .* released model: .*{FAST}") for name in names),
        (FAST, "abacus", None, "there is no engine 'abacus'"),
        (FAST, "onnxruntime", "bf16", "f32 only"),
        ("no_such_module:predict", "openvino", None, "No module named 'no_such_module'"),
    ):
        with pytest.raises(FacetellError, match=message):
            load_engine(path, engine, precision=precision)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("content", [b"", b"this is text\n", SAVED_MODEL, FAST_FILE.read_bytes()[:-1000]])
def test_a_file_that_is_not_onnx_has_one_message_and_no_log(tmp_path, capfd, engine, content):
    path = tmp_path / "model.mp4"  # the name does not matter
    path.write_bytes(content)
    with pytest.raises(FacetellError, match=r"model\.mp4") as caught:
        load_engine(path, engine)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_model_file_with_a_wrong_field_or_of_several_classes_is_refused(tmp_path, engine):
    proto = onnx.load(str(FAST_FILE))
    next(entry for entry in proto.metadata_props if entry.key == "frame_rate").value = "-25.0"
    onnx.save(proto, str(tmp_path / "odd.onnx"))
    with pytest.raises(FacetellError, match=r"odd\.onnx .*'frame_rate' is -25\.0: input should be greater than 0; use"):
        load_engine(tmp_path / "odd.onnx", engine)
    info = load_engine(FAST).info
    model = create_model("lite0", "none", "none", info.clip_frames, 48, num_classes=3, width=0.25, depth=0.3)
    metadata = replace(info, size=48, architecture=model.architecture).to_metadata()
    path = export_onnx(model.eval(), tmp_path / "three.onnx", metadata=metadata)
    with pytest.raises(FacetellError, match="discriminates 3 classes"):
        load_engine(path, engine)


def foreign(path, shape="n,3,32,32", axes="2, 3", last="y = Identity(l)", kind="float", more="", weights="2, 1, 3"):
    """A file without metadata: a linear layer on the mean colour, and what is ``last``."""
    text = f"""<ir_version: 8, opset_import: ["": 13]>
        g ({kind}[{shape}] x{"" if last else ", float[1] z"}) => (float[m, k] y{more})
        <float[3, {(weights.count(",") + 1) // 3}] w = {{{weights}}}> {{ f = Cast<to=1>(x)
        c = ReduceMean<axes=[{axes}], keepdims=0>(f) l = MatMul(c, w) {last or "y = Add(l, z)"} }}"""
    onnx.save(onnx.parser.parse_model(text), path)
    return path


BOTH = "-1, 1, 0, 1, 0, 3"  # of two classes; their difference is that of one
NAMED = {"shape": "n,t,3,h,w", "axes": "1, 3, 4", "more": ", float[n, 1] logit", "last": "logit = Neg(l) y = Neg(l)"}


@pytest.mark.parametrize(
    ("frames", "form"),
    [
        (1, {}),
        (4, {"shape": "n,3,h,w", "kind": "float16", "weights": BOTH}),
        (8, {"shape": "1,8,3,32,32", "axes": "1, 3, 4", "weights": BOTH, "last": "y = Softmax(l)"}),
        (8, {"shape": "n,3,8,32,32", "axes": "2, 3, 4", "last": "s = Sigmoid(l) y = Squeeze(s)"}),
        (1, NAMED),
    ],
)
def test_a_network_of_another_program_gets_the_input_that_it_takes(tmp_path, frames, form):
    engine = load_engine(foreign(tmp_path / "net.onnx", **form), given=InputFormat(32, frames, 30.0, MEAN, STD))
    clips = np.random.default_rng(0).integers(0, 256, (2, engine.info.clip_frames, 32, 32, 3), np.uint8)
    assert clips.shape[1] == {1: 8}.get(frames, frames) and (engine.info.name, engine.precision) == ("net", "f32")
    given = clips[:, 4:5] if frames == 1 else clips
    expected = ((given / 255 - MEAN) / STD).mean(axis=(1, 2, 3)) @ [2, 1, 3] * (-1 if "more" in form else 1)
    np.testing.assert_allclose(engine.score(clips), expected, atol=0.02 if "kind" in form else 1e-4)


def test_a_network_and_a_description_that_do_not_fit_are_one_message(tmp_path):
    path, given, part = tmp_path / "net.onnx", InputFormat(32, 1, 30.0, MEAN, STD), InputFormat(32, 1, 30.0)
    for form, reason in (
        ({"shape": "n,32,32,3", "axes": "1, 2"}, r"is f32 \[\?,32,32,3\], which does not fit --size 32 --frames 1"),
        ({"shape": "n,3", "axes": "0"}, "does not fit --size 32"),
        ({"kind": "int32"}, "is i32 "),
        ({"last": ""}, "has 2 inputs"),
        ({"more": ", float[n, 3] c"}, "has 2 outputs, none of them called logit"),
        ({"weights": "1, 2, 3, 4, 5, 6, 7, 8, 9"}, "gives 3 values for one input"),
        ({"last": "n = Neg(l) y = Sqrt(n)", "weights": "9, 9, 9"}, "gives nan for a grey face"),
    ):
        with pytest.raises(FacetellError, match=f"net.onnx.* {reason}"):
            load_engine(foreign(path, **form), given=given)
    for model, engine, stated, reason in (
        *((path, name, None, r"--size 224 .*missing: --size, --frames, --rate, --mean, --std\)") for name in ENGINES),
        (foreign(path), "openvino", part, r"missing: --mean, --std\)"),
        (path, "torch", part, "the engine torch runs model files of facetell only"),
        ("os:getcwd", "openvino", part, "describes its input itself; leave out --size"),
    ):
        with pytest.raises(FacetellError, match=reason):
            load_engine(model, engine, given=stated)


def test_a_file_with_the_name_of_a_released_model_is_named_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(FAST_FILE, FAST)
    assert model_path(FAST) == FAST_FILE and model_path() == model_path(DEFAULT_MODEL)
    assert model_path(f"./{FAST}") == Path(FAST)


@pytest.fixture
def module(tmp_path, monkeypatch):
    def write(key="size", value="96"):
        name = f"module_{tmp_path.name}".replace("-", "_")
        (tmp_path / f"{name}.py").write_text(SOURCE % (key, value))
        monkeypatch.syspath_prepend(tmp_path)
        return name

    return write


def test_a_function_scores_the_clips_of_a_video(module, man):
    name = module()
    verdict = Detector(f"{name}:predict")(man)
    assert verdict.status is Status.SCORED
    assert all(clip.logit == 2.5 for track in verdict.tracks for clip in track.clips)
    frames, fps, boxes = importlib.import_module(name).seen[0]
    assert frames.dtype == np.uint8 and frames.shape == (4, 96, 96, 3) and fps == 30
    np.testing.assert_array_equal(boxes, [[24, 24, 72, 72]] * 4)  # a crop of two face lengths


@pytest.mark.parametrize(
    ("function", "key", "value", "reason"),
    [
        ("nothing", "size", "0", "has no attribute 'nothing'"),
        ("wrong", "size", "0", "'size' is 0: input should be greater than"),
        ("wrong", "sizes", "8", "there is no 'sizes'"),
        ("number", "size", "8", "is not a function"),
        ("layered", "size", "8", "`model` not a dictionary"),
    ],
)
def test_a_function_that_cannot_be_used_is_one_message(module, function, key, value, reason):
    with pytest.raises(FacetellError, match=reason):
        load_engine(f"{module(key, value)}:{function}")


def test_faults_of_a_function_are_not_those_of_the_video(module, man):
    for function, reason in (("fails", "fails failed (ValueError: my fault)"), ("undefined", "gives nan for a clip")):
        verdict = Detector(f"{module()}:{function}")(man)
        assert verdict.status is Status.UNREADABLE and reason in verdict.message and "damaged" not in verdict.message
