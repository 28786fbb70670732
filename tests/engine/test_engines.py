"""One model file in three engines has the same scores on real clips; invalid files have one clear message."""

import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from facetell.detector import Detector
from facetell.engine import DEFAULT_MODEL, ENGINES, load_engine, model_path
from facetell.engine.released import model_word, released_models
from facetell.faces.clips import crop_clip
from facetell.faces.tracker import FaceTracker
from facetell.models.export import export_onnx
from facetell.models.zoo import create_model
from facetell.types import FacetellError
from fixtures import FAST, FAST_FILE


@pytest.fixture(scope="module")
def clips(face_networks, frames, woman, man):
    """(4, T, S, S, 3): clips of both people, and the first with its frames reversed."""
    info, made = load_engine(FAST).info, []
    for person, start in ((woman, 0), (woman, 100), (man, 0)):
        part = frames(person, start + info.clip_frames)[start:]
        tracker = FaceTracker(*face_networks)
        poses = [tracker.update(frame)[0].pose for frame in part]
        made.append(crop_clip([frame.image for frame in part], poses, info.size, info.crop_scale)[0])
    return np.stack([*made, made[0][::-1]])


@pytest.fixture(scope="module")
def reference(clips):
    logits = load_engine(FAST, engine="openvino", precision="f32").score(clips)
    assert logits.dtype == np.float32 and logits.shape == (4,) and np.ptp(logits) > 0.05
    return logits


def test_f32_engines_agree(clips, reference):
    assert np.abs(load_engine(FAST, engine="onnxruntime").score(clips) - reference).max() <= 1e-3


def test_bf16_changes_the_probability_little(clips, reference):
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


def test_engines_give_the_response_of_the_motion_blocks(clips, reference):
    engines = [load_engine(FAST, name, precision="f32") for name in ("openvino", "onnxruntime")]
    maps = [engine.motion(clips[0]) for engine in engines]
    assert all(found.dtype == np.float32 and found.shape[0] == len(clips[0]) - 2 for found in maps)
    assert np.abs(maps[1] - maps[0]).max() <= 1e-2 * maps[0].max()
    still = np.repeat(clips[0][:1], len(clips[0]), axis=0)  # learned kernels respond to it as well, but less
    assert 0 < engines[0].motion(still).mean() < 0.7 * maps[0].mean()
    assert np.abs(engines[0].score(clips) - reference).max() <= 1e-3


def test_a_wrong_name_or_precision_has_one_message(tmp_path):
    for path, engine, precision, message in (
        (tmp_path / "none.onnx", "openvino", None, "there is no model file"),
        (FAST, "abacus", None, "there is no engine 'abacus'"),
        (FAST, "onnxruntime", "bf16", "f32 only"),
    ):
        with pytest.raises(FacetellError, match=message):
            load_engine(path, engine, precision=precision)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello, this is text\n",
        bytes(1000),
        b"\xff" * 1000,
        b"\x08\x01\x12\x02\x0a\x00",  # the first fields of a TensorFlow SavedModel
        FAST_FILE.read_bytes()[:-1000],
    ],
)
def test_a_file_that_is_not_onnx_has_one_message_and_no_log(tmp_path, capfd, engine, content):
    path = tmp_path / "model.mp4"  # the name does not matter
    path.write_bytes(content)
    with pytest.raises(FacetellError, match=r"model\.mp4") as caught:
        load_engine(path, engine)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_model_file_with_a_wrong_field_is_refused_by_its_name(tmp_path, engine):
    model = onnx.load(str(FAST_FILE))
    next(entry for entry in model.metadata_props if entry.key == "frame_rate").value = "-25.0"
    onnx.save(model, str(tmp_path / "odd.onnx"))
    with pytest.raises(FacetellError, match=r"odd\.onnx .*'frame_rate' is -25\.0: input should be greater than 0; use"):
        load_engine(tmp_path / "odd.onnx", engine)


def test_a_model_of_several_classes_is_refused(tmp_path):
    info = load_engine(FAST).info
    model = create_model("lite0", "none", "none", info.clip_frames, info.size, num_classes=3, width=0.25, depth=0.3)
    metadata = replace(info, architecture=model.architecture).to_metadata()
    path = export_onnx(model.eval(), tmp_path / "three.onnx", metadata=metadata)
    for engine in ENGINES:
        with pytest.raises(FacetellError, match="discriminates 3 classes"):
            load_engine(path, engine)


@pytest.mark.parametrize("name", released_models())
def test_a_released_model_file_is_small_and_described(name):
    path, info = model_path(name), load_engine(name).info
    assert path.stem == info.name == name == model_word(path) and path.with_suffix(".json").is_file()
    assert path.stat().st_size < (20_000_000 if name == FAST else 70_000_000)
    assert info.licence == "Apache-2.0" and info.clip_frames >= 4
    assert info.training["config"]["model"] == info.architecture["name"]
    assert info.calibration.temperature > 0 and 0 < info.calibration.threshold < 1
    assert model_path() == model_path(DEFAULT_MODEL)


def test_a_file_with_the_name_of_a_released_model_is_named_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(FAST_FILE, FAST)
    assert model_path(FAST) == FAST_FILE
    assert model_path(f"./{FAST}") == Path(FAST)
    assert model_word(tmp_path / "own.onnx") == "own.onnx"


@pytest.mark.parametrize("model", ["facetel", "no/where.onnx", "x" * 5000])
def test_what_is_neither_a_name_nor_a_file_is_one_message_with_the_names(model):
    with pytest.raises(FacetellError, match=f"no model file at {model}; .* released model: .*{FAST}"):
        Detector(model)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no CPU affinity on this system")
def test_no_thread_is_pinned_to_a_core(clips, face_networks):
    """Several processes would be pinned to the same core."""
    allowed = os.sched_getaffinity(0)
    engine, image = load_engine(FAST), np.zeros((64, 64, 3), np.uint8)
    seen, done, me = set(), threading.Event(), threading.get_native_id()

    def watch():
        while not done.wait(0.001):
            seen.add(frozenset(os.sched_getaffinity(me)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(50):
        engine.score(clips[:1])
        face_networks[0].detect(image)
    done.set()
    watcher.join()
    assert seen == {frozenset(allowed)}
