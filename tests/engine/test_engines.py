"""The same model file in three engines gives the same scores on real clips."""

import os
import threading
from dataclasses import replace

import numpy as np
import pytest

from facetell.engine import load_engine, model_path
from facetell.engine.released import released_models
from facetell.faces.clips import crop_clip
from facetell.faces.tracker import FaceTracker
from facetell.models.export import export_onnx
from facetell.models.zoo import create_model
from facetell.types import FacetellError
from fixtures import FAST, FAST_FILE


@pytest.fixture(scope="module")
def clips(face_networks, frames, woman, man):
    """Real clips: (6, T, S, S, 3) of both people, and the first with its frames out of order."""
    info = load_engine(FAST).info
    made = []
    for person, starts in ((woman, (0, 200, 400)), (man, (0, 40))):
        footage = frames(person)
        for start in starts:
            part = footage[start : start + info.clip_frames]
            tracker = FaceTracker(*face_networks)
            poses = [tracker.update(frame)[0].pose for frame in part]
            made.append(crop_clip([frame.image for frame in part], poses, info.size, info.crop_scale)[0])
    made.append(made[0][::-1])
    return np.stack(made)


@pytest.fixture(scope="module")
def reference(clips):
    return load_engine(FAST, engine="openvino", precision="f32").score(clips)


def test_the_clips_are_told_apart(reference):
    assert reference.dtype == np.float32 and reference.shape == (6,)
    assert np.ptp(reference) > 0.05


@pytest.mark.parametrize("engine", ["onnxruntime", "torch"])
def test_f32_engines_agree(clips, reference, engine):
    logits = load_engine(FAST, engine=engine).score(clips)
    assert np.abs(logits - reference).max() <= 1e-3


def test_bf16_drifts_little(clips, reference, capsys):
    try:
        engine = load_engine(FAST, precision="bf16")
    except FacetellError:
        pytest.skip("this CPU has no bfloat16")
    logits = engine.score(clips)
    probability = engine.info.calibration.probability
    drift = np.abs(logits - reference)
    shift = [abs(probability(float(a)) - probability(float(b))) for a, b in zip(logits, reference, strict=True)]
    with capsys.disabled():
        print(f"\nbf16 drift: logit mean {drift.mean():.3f}, largest {drift.max():.3f}; probability {max(shift):.4f}")
    # What a user sees is the calibrated probability: four points of it at most, a fifth of a usual interval.
    # The witness of seams counts 2.5 times, and so does what 16 bits do to it.
    assert max(shift) < 0.04


@pytest.mark.parametrize(("name", "isa"), [("ONEDNN_MAX_CPU_ISA", "AVX2"), ("DNNL_MAX_CPU_ISA", "AVX2_VNNI_2")])
def test_the_precision_is_one_that_the_cpu_supports(name, isa, monkeypatch):
    """With the instruction set limited to AVX2, every CPU is one without bfloat16."""
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.setenv(name, isa)
    assert load_engine(FAST).precision == "f32"
    with pytest.raises(FacetellError, match=rf"does not support bf16 \({name} is {isa}\); use --precision f32"):
        load_engine(FAST, precision="bf16")


def test_engines_tell_where_the_motion_blocks_respond(clips, reference):
    engines = [load_engine(FAST, name, precision="f32") for name in ("openvino", "onnxruntime", "torch")]
    maps = [engine.motion(clips[0]) for engine in engines]
    assert all(found.dtype == np.float32 and found.shape[0] == len(clips[0]) - 2 for found in maps)
    assert maps[0].max() > 0
    for found in maps[1:]:
        assert np.abs(found - maps[0]).max() <= 1e-2 * maps[0].max()
    # Learned kernels answer to what stands still, too, and more to what moves.
    still = np.repeat(clips[0][:1], len(clips[0]), axis=0)
    assert engines[0].motion(still).mean() < 0.7 * maps[0].mean()
    # The other output changes no score.
    assert np.abs(engines[0].score(clips) - reference).max() <= 1e-3


def test_a_model_file_without_the_output_says_so(clips, tmp_path):
    info = load_engine(FAST).info
    network = create_model("lite0", clip_frames=info.clip_frames, size=info.size, width=0.25, depth=0.5)
    path = export_onnx(network, tmp_path / "plain.onnx", metadata=info.to_metadata())
    assert load_engine(path).motion(clips[0]) is None
    assert load_engine(path, "onnxruntime").motion(clips[0]) is None


def test_a_score_does_not_depend_on_its_batch(clips):
    for engine in ("openvino", "onnxruntime"):
        loaded = load_engine(FAST, engine=engine)
        together = loaded.score(clips)
        alone = np.concatenate([loaded.score(clip[None]) for clip in clips])
        assert np.abs(together - alone).max() < 1e-4


def test_wrong_files_and_names_are_one_sentence(tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    for path, engine, sentence in (
        (tmp_path / "none.onnx", "openvino", "there is no model file"),
        (broken, "openvino", "is not a whole ONNX file"),
        (broken, "onnxruntime", "is not a whole ONNX file"),
        (broken, "torch", "is not a whole ONNX file"),
        (FAST, "abacus", "there is no engine 'abacus'"),
    ):
        with pytest.raises(FacetellError) as caught:
            load_engine(path, engine)
        assert sentence in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(FacetellError, match="f32 only"):
        load_engine(FAST, engine="onnxruntime", precision="bf16")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello, this is text\n",
        bytes(1000),
        b"\xff" * 1000,
        b"\x08\x01\x12\x02\x0a\x00",  # the outermost fields of a TensorFlow SavedModel
        FAST_FILE.read_bytes()[:-1000],
    ],
)
def test_what_is_no_whole_onnx_file_is_shown_to_no_engine(tmp_path, capfd, content):
    path = tmp_path / "model.mp4"
    path.write_bytes(content)
    with pytest.raises(FacetellError, match=r"model\.mp4: it is not a whole ONNX file; give"):
        load_engine(path)
    assert capfd.readouterr() == ("", "")


def test_the_name_of_a_model_file_does_not_matter(tmp_path):
    path = tmp_path / "model"
    path.symlink_to(FAST_FILE)
    assert load_engine(path).info == load_engine(FAST).info


def test_the_reason_of_an_engine_is_not_a_place_in_its_source(tmp_path):
    import onnx

    model = onnx.load(str(FAST_FILE))
    model.graph.node[3].op_type = "Foo"
    path = tmp_path / "odd.onnx"
    onnx.save(model, str(path))
    with pytest.raises(FacetellError, match=r"odd\.onnx: No conversion rule found for operations: Foo"):
        load_engine(path)


def test_an_onnx_file_of_something_else_is_refused(tmp_path):
    import onnx
    from onnx import TensorProto, helper

    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N"]) for n in ("clip", "logit")]
    graph = helper.make_graph([helper.make_node("Relu", ["clip"], ["logit"])], "g", ports[:1], ports[1:])
    path = tmp_path / "other.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), str(path))
    for engine in ("openvino", "onnxruntime"):
        with pytest.raises(FacetellError, match="not a facetell model file"):
            load_engine(path, engine)


def test_a_model_of_several_classes_is_refused(tmp_path):
    info = load_engine(FAST).info
    model = create_model("lite0", "none", "none", info.clip_frames, info.size, num_classes=3, width=0.25, depth=0.3)
    path = export_onnx(
        model.eval(), tmp_path / "three.onnx", metadata=replace(info, architecture=model.architecture).to_metadata()
    )
    for engine in ("openvino", "onnxruntime", "torch"):
        with pytest.raises(FacetellError, match="tells 3 classes apart"):
            load_engine(path, engine)


@pytest.mark.parametrize("name", released_models())
def test_a_released_model_file_is_lean_and_says_what_it_is(name):
    assert model_path(name).stat().st_size < (20_000_000 if name == FAST else 70_000_000)
    info = load_engine(name).info
    assert info.name == name
    assert info.licence == "Apache-2.0" and info.clip_frames >= 4
    assert info.training["config"]["model"] == info.architecture["name"]
    assert info.calibration.temperature > 0 and 0 < info.calibration.threshold < 1


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not tell where threads may run")
def test_no_thread_is_tied_to_a_core(clips, face_networks):
    # Processes that do the same would be tied to the same core, and wait for each other while others idle.
    allowed = os.sched_getaffinity(0)
    engine, image = load_engine(FAST), np.zeros((64, 64, 3), np.uint8)
    seen, done, me = set(), threading.Event(), threading.get_native_id()

    def look() -> None:
        while not done.wait(0.001):
            seen.add(frozenset(os.sched_getaffinity(me)))

    watcher = threading.Thread(target=look)
    watcher.start()
    for _ in range(50):
        engine.score(clips[:1])
        face_networks[0].detect(image)
    done.set()
    watcher.join()
    assert seen == {frozenset(allowed)}


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime", "torch"])
def test_a_model_file_with_a_wrong_field_is_refused_by_its_name(tmp_path, engine):
    import onnx

    model = onnx.load(str(FAST_FILE))
    next(entry for entry in model.metadata_props if entry.key == "frame_rate").value = "-25.0"
    path = tmp_path / "odd.onnx"
    onnx.save(model, str(path))
    with pytest.raises(FacetellError, match=r"odd\.onnx .*'frame_rate' is -25\.0: input should be greater than 0; use"):
        load_engine(path, engine)
