"""Every reader on the files of its benchmark, and on files that are not as expected."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from facetell.datasets.check import Findings, check_manifest
from facetell.datasets.deepfakebench import write_deepfakebench
from facetell.datasets.layout import ReadOptions
from facetell.datasets.manifest import Entry, Manifest, read_manifest, write_manifest
from facetell.datasets.readers import BENCHMARKS, TEST_LIST, read_benchmark
from facetell.types import FacetellError
from mimic.make import MIMICS, make_miniature

# The names and lists of a few videos (docs/datasets.md); the videos are empty files.
TREES = {
    "celebdf++": """
        Celeb-real/id0_0000.mp4 Celeb-real/id4_0000.mp4 YouTube-real/00170.mp4
        Celeb-synthesis/FaceSwap/SimSwap/id0_id1_0000.mp4 Celeb-synthesis/FaceReenact/LIA/id4_id5_0000.mp4
        Celeb-synthesis/TalkingFace/SadTalker/id1_id0_0000.mp4
    """,
    "dfdc": """
        dfdc_train_part_0/real000000.mp4 dfdc_train_part_0/fake000002.mp4
        dfdc_train_part_1/real000001.mp4 dfdc_train_part_1/fake000011.mp4
        test/videos/real4.mp4 test/videos/fake4.mp4
    """,
    "dfdcp": """
        original_videos/643085/643085_A_000.mp4 method_B/643085_644098_A/643085_644098_A_000.mp4
        original_videos/646124/646124_A_000.mp4 method_A/646124_647137_A/646124_647137_A_000.mp4
    """,
    "wilddeepfake": """
        real_train/0/real/1/000.png fake_train/1/fake/4/000.png
        real_test/4/real/13/000.png fake_test/5/fake/16/000.png
    """,
    "ffiw": """
        source/train/train_00000000.mp4 target/train/train_00000000.mp4
        source/val/val_00000005.mp4 target/val/val_00000005.mp4
    """,
    "deepfakebench": "F/real/000/000.png F/fake/000_003/000.png F/fake/000_003/001.png",
    "pair": "real/000.mp4 real/001.mp4 real/002.mp4 fake/Deepfakes/000.mp4 fake/NeuralTextures/001.mp4",
}
DFDC_PARTS = [
    {f"real00000{n}.mp4": {"label": "REAL"}, fake: {"label": "FAKE", "original": f"real00000{n}.mp4"}}
    for n, fake in enumerate(("fake000002.mp4", "fake000011.mp4"))
]
DFDCP = {
    path: {
        "label": "fake" if path.startswith("method") else "real",
        "set": "train" if "643085" in path else "test",
        "target_id": path.split("/")[1][:6] if path.startswith("method") else None,
        "swapped_id": path.split("_")[2] if path.startswith("method") else None,
    }
    for path in TREES["dfdcp"].split()
}
BENCH = {
    "FF-real": {"train": {}, "test": {"c23": {"000": {"label": "FF-real", "frames": ["F\\real\\000\\000.png"]}}}},
    "FF-DF": {"val": {"000_003": {"label": "FF-DF", "frames": ["F/fake/000_003/000.png"]}}},
}
BENCH["FF-DF"]["test"] = BENCH["FF-DF"]["val"]
LISTS = {
    "deepfakebench": {"FF.json": json.dumps({"FF": BENCH})},
    "celebdf++": {TEST_LIST: "1 Celeb-real/id4_0000.mp4\n0 Celeb-synthesis/FaceReenact/LIA/id4_id5_0000.mp4\n"},
    "dfdc": {
        **{f"dfdc_train_part_{n}/metadata.json": json.dumps(part) for n, part in enumerate(DFDC_PARTS)},
        "test/labels.csv": "filename,label\nreal4.mp4,0\nfake4.mp4,1\n",
    },
    "dfdcp": {"dataset.json": json.dumps(DFDCP)},
}


def make_tree(name, root):
    if name in MIMICS:
        make_miniature(name, root)
    for path, content in {**dict.fromkeys(TREES.get(name, "").split(), ""), **LISTS.get(name, {})}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return root


@pytest.fixture
def read(tmp_path):
    def run(name, **options):
        for needed in (name, "ffpp") if name == "dfo" else (name,):
            if not (tmp_path / needed).exists():
                make_tree(needed, tmp_path / needed)
        if name == "dfo":
            options.setdefault("ffpp", tmp_path / "ffpp")
        return read_benchmark(name, tmp_path / name, ReadOptions(**options))

    return run


@pytest.mark.parametrize("name", [*BENCHMARKS, "dfo/B", "dfo/lists"])
def test_a_benchmark_is_read_completely_and_has_no_leak(name, read, tmp_path):
    name, _, protocol = name.partition("/")
    manifest = read(name, protocol=protocol or "A")
    assert check_manifest(manifest, fast=True) == Findings((), (), ())
    assert {entry.label for entry in manifest} == {0, 1}
    assert all(manifest.file(entry).exists() for entry in manifest)
    assert all(bool(entry.method) == bool(entry.label) for entry in manifest)
    assert len({entry.path for entry in manifest}) == len(manifest)
    assert "test" in {entry.split for entry in manifest}
    known = {entry.path for entry in manifest if entry.label == 0}
    assert all(entry.source in known for entry in manifest if entry.source)
    write_manifest(manifest, tmp_path / "manifest.csv")
    again = read_manifest(tmp_path / "manifest.csv")
    assert [again.file(e).resolve() for e in again] == [manifest.file(e).resolve() for e in manifest]


# One entry of each: name, options and path; label, split, identity, donor, method, compression and source.
ENTRIES = """
ffpp compressions=c40 manipulated_sequences/Face2Face/c40/videos/033_412.mp4
1 train 033 412 Face2Face c40 original_sequences/youtube/c40/videos/033.mp4
faceshifter original_sequences/youtube/c23/videos/033.mp4
0 train 033 - - c23 -
dfd all_test=1 manipulated_sequences/DeepFakeDetection/c23/videos/01_02__talk__CODE0102.mp4
1 test actor01 actor02 DeepFakeDetection c23 original_sequences/actors/c23/videos/01__talk.mp4
dfo protocol=B methods=end_to_end_mix_2_distortions manipulated_videos/end_to_end_mix_2_distortions/033_W005.mp4
1 train 033 W005 end_to_end mix_2 -
celebdf1 Celeb-synthesis/id4_id5_0001.mp4
1 test id4 id5 Celeb-DF - Celeb-real/id4_0001.mp4
celebdf++ methods=LIA Celeb-synthesis/FaceReenact/LIA/id4_id5_0000.mp4
1 test id4 id5 LIA - Celeb-real/id4_0000.mp4
celebdf++ YouTube-real/00170.mp4
0 train youtube00170 - - - -
dfdc dfdc_train_part_1/fake000011.mp4
1 train - - DFDC - dfdc_train_part_1/real000001.mp4
dfdcp method_B/643085_644098_A/643085_644098_A_000.mp4
1 train dfdcp643085 dfdcp644098 method_B - -
wilddeepfake fake_test/5/fake/16
1 test fake_test_5 - wild - -
ffiw target/val/val_00000005.mp4
1 test - - FFIW - source/val/val_00000005.mp4
deepfakebench F/fake/000_003
1 test - - FF-DF - -
pair all_test=1 fake/NeuralTextures/001.mp4
1 test - - NeuralTextures - real/001.mp4
""".strip().splitlines()


@pytest.mark.parametrize("number", range(len(ENTRIES) // 2), ids=ENTRIES[::2])
def test_entries_have_all_that_a_benchmark_publishes(number, read):
    name, *words, path = ENTRIES[2 * number].split()
    options = {key: value for key, _, value in (word.partition("=") for word in words)}
    options |= {key: (options[key],) for key in ("compressions", "methods") if key in options}
    label, split, *texts = ("" if cell == "-" else cell for cell in ENTRIES[2 * number + 1].split())
    dataset = "FF" if name == "deepfakebench" else name
    assert Entry(path, int(label), split, *texts[:3], dataset, *texts[3:]) in read(name, **options).entries


def test_protocol_a_of_dfo_has_test_reals_and_forgeries_of_the_same_targets(read):
    manifest = read("dfo")
    reals = {entry.identity: entry for entry in manifest if not entry.label}
    fakes = [entry for entry in manifest if entry.label]
    assert {entry.split for entry in manifest} == {"test"} and {entry.identity for entry in fakes} == set(reals)
    assert all(entry.source == reals[entry.identity].path for entry in fakes)


def test_an_actor_in_several_splits_is_an_error(tmp_path):
    root = make_tree("dfo", tmp_path)
    for split in ("val", "test"):
        path = root / f"lists/splits/{split}.txt"
        path.write_text("".join(f"{line[:4]}W999.mp4\n" for line in path.read_text().splitlines()))
    with pytest.raises(FacetellError, match="actor W999 in several splits"):
        read_benchmark("dfo", root, ReadOptions(protocol="B"))


def test_celebdf_copies_differ_in_a_name_but_not_in_labels(tmp_path):
    root = make_tree("celebdf2", tmp_path)
    (root / "YouTube-real").rename(root / "Youtube-real")
    plain, carved = (read_benchmark("celebdf2", root, ReadOptions(val=val)) for val in (0, 0.25))
    tests = [entry for entry in plain if entry.split == "test"]
    assert any(entry.path.startswith("Youtube-real/") for entry in tests)
    people = {s: {e.identity for e in carved if e.split == s} for s in ("train", "val")}
    assert people["val"] and not people["val"] & people["train"] and tests == [e for e in carved if e.split == "test"]
    lines = (root / TEST_LIST).read_text().splitlines()
    (root / TEST_LIST).write_text("\n".join(f"{1 - int(line[0])}{line[1:]}" for line in lines))
    with pytest.raises(FacetellError, match="wrong label"):
        read_benchmark("celebdf2", root)


def test_a_pair_of_folders_may_have_splits_and_hidden_folders(tmp_path):
    for name in ("real/a.mp4", "real/__MACOSX/a.mp4", "fake/dfl/b.mp4", "fake/.trash/c.mp4", "fake/dfl/list.m3u8"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("#EXTM3U\n")
    notes = []
    manifest = read_benchmark("pair", tmp_path, ReadOptions(note=notes.append))
    assert [entry.path for entry in manifest] == ["real/a.mp4", "fake/dfl/b.mp4"]
    assert notes[0] == f"in {tmp_path / 'fake'}, left out: 1 playlist"
    for name in ("real/train/a.mp4", "real/test/a.mp4", "fake/swap/train/a.mp4", "fake/swap/test/a.mp4"):
        (tmp_path / "split" / name).parent.mkdir(parents=True)
        (tmp_path / "split" / name).touch()
    manifest = read_benchmark("pair", tmp_path / "split")
    known = {(s, m, int(bool(m))): 1 for s in ("train", "test") for m in ("", "swap")}
    assert Counter((e.split, e.method, e.label) for e in manifest) == known
    assert all(entry.source == f"real/{entry.split}/a.mp4" for entry in manifest if entry.label)
    tests = read_benchmark("pair", tmp_path / "split", ReadOptions(all_test=True))
    assert {entry.split for entry in tests} == {"test"} and len(tests) == 4


@pytest.mark.parametrize(
    ("name", "gone", "named"),
    [
        ("ffpp", "splits/val.json", "splits/val.json"),
        ("dfo", "manipulated_videos/end_to_end", "manipulated_videos/end_to_end"),
        ("celebdf++", "YouTube-real", r"YouTube-real \(or Youtube-real\)"),
        ("dfdcp", "dataset.json", "dataset.json"),
        ("pair", "fake", "the folder fake"),
    ],
)
def test_a_missing_file_is_named_with_the_layout(name, gone, named, read, tmp_path):
    read(name)
    gone = tmp_path / name / gone
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    with pytest.raises(FacetellError, match=named) as caught:
        read(name)
    assert BENCHMARKS[name].tree in str(caught.value)


@pytest.mark.parametrize(
    ("name", "file", "text"),
    [
        ("ffpp", "splits/test.json", "[1, 2]"),
        ("celebdf2", TEST_LIST, "2 Celeb-real/id0_0000.mp4"),
        ("dfdc", "dfdc_train_part_0/metadata.json", '{"a.mp4": {"label": "MAYBE"}}'),
        ("dfdc", "test/labels.csv", "file,truth\na.mp4,1"),
        ("dfdcp", "dataset.json", '{"original_videos/1/a.mp4": {"label": "real"}}'),
        ("deepfakebench", "FF.json", '{"FF": {"FF-real": {"test": {"000": {"label": "FF-real", "frames": []}}}}}'),
    ],
)
def test_a_malformed_list_is_an_error(name, file, text, tmp_path):
    root = make_tree(name, tmp_path)
    (root / file).write_text(text)
    with pytest.raises(FacetellError, match=Path(file).name):
        read_benchmark(name, root)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dfo", {"ffpp": None}, "--ffpp"),
        ("dfo", {"methods": ("end_to_end", "x")}, "'x' is no method of dfo; choose of end_to_end, reenact_postprocess"),
        ("dfdcc", {}, "choose one of ffpp"),
    ],
)
def test_options_that_do_not_apply_are_errors(name, options, message, read):
    with pytest.raises(FacetellError, match=message):
        read(name, **options)


def test_an_exported_list_of_frames_is_read_as_it_was(tmp_path):
    make_tree("deepfakebench", tmp_path)
    (tmp_path / "FF.json").unlink()
    rows = (Entry("F/real/000", 0, "train", dataset="mine"), Entry("F/fake/000_003", 1, "test", "", "", "swap", "mine"))
    manifest = Manifest(tmp_path, (*rows, Entry("not known", None, "test")))
    assert write_deepfakebench(manifest, tmp_path / "mine.json", lambda share: None) == {"real": 0, "swap": 1}
    assert read_benchmark("deepfakebench", tmp_path).entries == rows[::-1]
    table = json.loads((tmp_path / "mine.json").read_text())["mine"]
    assert table["swap"]["test"]["F/fake/000_003"]["frames"] == [f"F/fake/000_003/00{n}.png" for n in (0, 1)]
    assert {*table["real"]} == {"train", "val", "test"}, "its loader reads the split of each label"
