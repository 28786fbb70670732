"""Every reader on its miniature, and on files that are not as expected."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facetell.datasets.celebdf import TEST_LIST
from facetell.datasets.layout import ReadOptions, has_images, subfolders
from facetell.datasets.manifest import Manifest, read_manifest, write_manifest
from facetell.datasets.registry import BENCHMARKS, read_benchmark
from facetell.types import FacetellError

Miniature = Callable[[str], Path]
ROOT_OF = {"deepfakebench": "preprocessing/dataset_json/FaceForensics++.json"}


@pytest.fixture
def read(miniature: Miniature, tmp_path: Path) -> Callable[..., Manifest]:
    def run(name: str, **options: object) -> Manifest:
        if name == "dfo":
            options.setdefault("ffpp", miniature("ffpp"))
        chosen = ReadOptions(split_file=tmp_path / "split.json", **options)  # type: ignore[arg-type]
        return read_benchmark(name, miniature(name) / ROOT_OF.get(name, ""), chosen)

    return run


@pytest.mark.parametrize("name", [name for name in BENCHMARKS if name != "csv"])
def test_a_miniature_is_read_completely(name: str, read: Callable[..., Manifest], tmp_path: Path) -> None:
    manifest = read(name)
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


def test_ffpp_has_the_official_counts_of_its_size(read: Callable[..., Manifest]) -> None:
    manifest = read("ffpp")
    methods = ("", "Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")
    assert manifest.counts() == {
        (split, method, int(bool(method))): 2 for split in ("train", "val", "test") for method in methods
    }


def test_a_fake_of_ffpp_names_target_donor_and_the_real_it_was_made_from(read: Callable[..., Manifest]) -> None:
    manifest = read("ffpp", compressions=("c40",), methods=("Deepfakes",))
    fake = next(entry for entry in manifest if entry.label)
    assert Path(fake.path).stem == f"{fake.identity}_{fake.donor}"
    assert fake.source == f"original_sequences/youtube/c40/videos/{fake.identity}.mp4"
    assert {entry.compression for entry in manifest} == {"c40"}


def test_deepfakedetection_comes_only_when_named(read: Callable[..., Manifest]) -> None:
    named = read("ffpp", methods=("Deepfakes", "DeepFakeDetection"))
    assert {entry.dataset for entry in named} == {"ffpp", "dfd"}
    assert {entry.dataset for entry in read("ffpp")} == {"ffpp"}


def test_protocol_a_of_dfo_sets_test_reals_against_forgeries_of_the_same_targets(read: Callable[..., Manifest]) -> None:
    manifest = read("dfo")
    reals = {entry.identity: entry for entry in manifest if not entry.label}
    fakes = [entry for entry in manifest if entry.label]
    assert {entry.split for entry in manifest} == {"test"}
    assert {entry.identity for entry in fakes} == set(reals)
    assert all(entry.source == reals[entry.identity].path for entry in fakes)
    assert all("/c23/" in entry.path for entry in reals.values())


def test_protocol_b_of_dfo_takes_the_actors_as_reals_and_its_own_lists(read: Callable[..., Manifest]) -> None:
    manifest = read("dfo", protocol="B")
    actors = {entry.identity: entry.split for entry in manifest if not entry.label}
    assert all(identity[0] in "MW" for identity in actors)
    assert all(actors[entry.donor] == entry.split for entry in manifest if entry.label)


def test_actors_that_the_lists_do_not_keep_apart_are_split_by_identity(miniature: Miniature, tmp_path: Path) -> None:
    root = tmp_path / "dfo"
    shutil.copytree(miniature("dfo"), root)
    for split in ("val", "test"):
        path = root / f"lists/splits/{split}.txt"
        path.write_text("".join(f"{line[:4]}W999.mp4\n" for line in path.read_text().splitlines()))
    manifest = read_benchmark("dfo", root, ReadOptions(protocol="B"))
    assert (root / "facetell-split.json").is_file()
    assert {entry.split for entry in manifest if not entry.label} == {"train", "val", "test"}


def test_distorted_folders_of_dfo_have_the_method_and_name_the_distortion(read: Callable[..., Manifest]) -> None:
    folders = ("end_to_end_level_3", "end_to_end_mix_2_distortions", "end_to_end_random_level", "reenact_postprocess")
    manifest = read("dfo", methods=folders)
    assert {(entry.method, entry.compression) for entry in manifest if entry.label} == {
        ("end_to_end", "level_3"),
        ("end_to_end", "mix_2"),
        ("end_to_end", "random_level"),
        ("reenact_postprocess", ""),
    }


def test_celebdf_labels_are_inverted(read: Callable[..., Manifest], miniature: Miniature) -> None:
    lines = (miniature("celebdf2") / TEST_LIST).read_text().split("\n")
    published = {line[2:]: line[0] for line in lines if line}
    tests = {entry.path: entry.label for entry in read("celebdf2") if entry.split == "test"}
    assert tests.keys() == published.keys()
    assert all(str(1 - (label or 0)) == published[path] for path, label in tests.items())
    assert all(label == ("synthesis" in path) for path, label in tests.items())


def test_celebdf_copies_differ_in_a_name_but_not_in_labels(miniature: Miniature, tmp_path: Path) -> None:
    root = tmp_path / "celeb"
    shutil.copytree(miniature("celebdf2"), root)
    (root / "YouTube-real").rename(root / "Youtube-real")
    tests = [entry for entry in read_benchmark("celebdf2", root) if entry.split == "test" and not entry.label]
    assert any(entry.path.startswith("Youtube-real/") for entry in tests)
    lines = (root / TEST_LIST).read_text().splitlines()
    (root / TEST_LIST).write_text("\n".join(f"{1 - int(line[0])}{line[1:]}" for line in lines))
    with pytest.raises(FacetellError, match="wrong label"):
        read_benchmark("celebdf2", root)


def test_val_is_carved_out_of_training_by_identity(read: Callable[..., Manifest]) -> None:
    plain, carved = read("celebdf2"), read("celebdf2", val=0.25)
    people = {s: {e.identity for e in carved if e.split == s} for s in ("train", "val")}
    assert people["val"] and not people["val"] & people["train"]
    assert [e for e in carved if e.split == "test"] == [e for e in plain if e.split == "test"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("ffpp", {"all_test": True}),
        ("ffpp", {"seed": 9}),
        ("celebdf2", {"seed": 4}),
        ("dfo", {"protocol": "A", "seed": 1}),
        ("dfo", {"protocol": "lists", "all_test": True}),
    ],
)
def test_where_splits_are_published_none_is_drawn(
    name: str, change: dict[str, object], read: Callable[..., Manifest]
) -> None:
    option = list(change)[-1].replace("_", "-")
    with pytest.raises(FacetellError, match=f"published splits.*--{option} is for datasets"):
        read(name, **change)


def test_dfdc_pairs_a_fake_with_its_original(read: Callable[..., Manifest], miniature: Miniature) -> None:
    table = json.loads((miniature("dfdc") / "dfdc_train_part_0/metadata.json").read_text())
    fakes = {Path(e.path).name: e for e in read("dfdc") if e.path.startswith("dfdc_train_part_0") and e.label}
    assert {name: Path(entry.source).name for name, entry in fakes.items()} == {
        name: row["original"] for name, row in table.items() if row["label"] == "FAKE"
    }


def test_deepfakebench_takes_a_video_of_several_splits_once(miniature: Miniature, tmp_path: Path) -> None:
    root = tmp_path / "bench"
    shutil.copytree(miniature("deepfakebench"), root)
    path = root / ROOT_OF["deepfakebench"]
    table = json.loads(path.read_text())
    group = table["FaceForensics++"]["FF-real"]
    assert "\\" in next(iter(group["test"]["c23"].values()))["frames"][0]
    group["val"]["c23"] |= group["test"]["c23"]
    path.write_text(json.dumps(table))
    notes: list[str] = []
    manifest = read_benchmark("deepfakebench", path, ReadOptions(note=notes.append))
    assert len({entry.path for entry in manifest}) == len(manifest) == 12
    assert sum(entry.split == "test" and not entry.label for entry in manifest) == 2
    assert notes and notes[0].startswith("2 videos")


def test_hidden_folders_of_a_pair_are_ignored_and_other_files_counted(tmp_path: Path) -> None:
    for name in ("real/a.mp4", "real/__MACOSX/a.mp4", "fake/dfl/b.mp4", "fake/.trash/c.mp4", "fake/dfl/list.m3u8"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("#EXTM3U\n")
    notes: list[str] = []
    manifest = read_benchmark("pair", tmp_path, ReadOptions(note=notes.append))
    assert [entry.path for entry in manifest] == ["real/a.mp4", "fake/dfl/b.mp4"]
    assert notes[0] == f"in {tmp_path / 'fake'}, left out: 1 playlist"


def test_a_pair_of_folders_may_bring_its_splits(miniature: Miniature, tmp_path: Path) -> None:
    root = tmp_path / "mine"
    videos = sorted((miniature("pair") / "real").iterdir())
    for split, video in zip(("train", "val", "test"), videos, strict=False):
        for kind in ("real", "fake/swap"):
            (root / kind / split).mkdir(parents=True)
            shutil.copy(video, root / kind / split / video.name)
    manifest = read_benchmark("pair", root)
    assert manifest.counts() == {(s, m, int(bool(m))): 1 for s in ("train", "val", "test") for m in ("", "swap")}
    assert all(entry.source.startswith(f"real/{entry.split}/") for entry in manifest if entry.label)
    with pytest.raises(FacetellError, match="are those of splits: --all-test is for"):
        read_benchmark("pair", root, ReadOptions(all_test=True))


def test_a_csv_with_a_video_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text("path,label,split\na.mp4,1,train\na.mp4,1,test\n")
    with pytest.raises(FacetellError, match="twice"):
        read_benchmark("csv", path)


BREAKS = {
    "ffpp": ("splits/val.json", "splits/val.json"),
    "faceshifter": ("manipulated_sequences/FaceShifter", "FaceShifter/c23/videos"),
    "dfd": ("original_sequences/actors/c23", "actors/c23/videos"),
    "dfo": ("manipulated_videos/end_to_end", "manipulated_videos/end_to_end"),
    "celebdf1": ("Celeb-synthesis", "Celeb-synthesis"),
    "celebdf2": (TEST_LIST, TEST_LIST),
    "celebdf++": ("YouTube-real", r"YouTube-real \(or Youtube-real\)"),
    "dfdcp": ("dataset.json", "dataset.json"),
    "wilddeepfake": ("fake_test", "fake_test"),
    "ffiw": ("target/val", "target/val"),
    "deepfakebench": ("datasets", "in no folder above it"),
    "pair": ("fake", "the folder fake"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_missing_file_is_named_with_the_layout(name: str, miniature: Miniature, tmp_path: Path) -> None:
    root = tmp_path / "broken"
    shutil.copytree(miniature(name), root)
    gone, named = BREAKS[name]
    shutil.rmtree(root / gone) if (root / gone).is_dir() else (root / gone).unlink()
    options = ReadOptions(split_file=tmp_path / "split.json", ffpp=miniature("ffpp") if name == "dfo" else None)
    with pytest.raises(FacetellError, match=named) as caught:
        read_benchmark(name, root / ROOT_OF.get(name, ""), options)
    assert BENCHMARKS[name].layout.tree in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in BENCHMARKS if name != "csv"])
def test_an_empty_or_absent_root_is_an_error(name: str, tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "absent"):
        with pytest.raises(FacetellError):
            read_benchmark(name, root, ReadOptions(ffpp=tmp_path))


@pytest.mark.parametrize(
    ("name", "file", "text"),
    [
        ("ffpp", "splits/test.json", "[1, 2]"),
        ("ffpp", "splits/test.json", "not json"),
        ("celebdf2", TEST_LIST, "2 Celeb-real/id0_0000.mp4"),
        ("celebdf2", TEST_LIST, "1 Celeb-real/absent.mp4"),
        ("dfdc", "dfdc_train_part_0/metadata.json", '{"a.mp4": {"label": "MAYBE"}}'),
        ("dfdc", "test/labels.csv", "file,truth\na.mp4,1"),
        ("dfdc", "test/labels.csv", f"filename,label\n{'a' * 200_000}.mp4,1"),
        ("dfdcp", "dataset.json", '{"original_videos/1/a.mp4": {"label": "real"}}'),
        ("deepfakebench", ROOT_OF["deepfakebench"], '{"a": {"b": ["c"]}}'),
        ("deepfakebench", ROOT_OF["deepfakebench"], '{"a": {"b": {"test": {"c": {}}}}}'),
    ],
)
def test_a_malformed_list_is_an_error(name: str, file: str, text: str, miniature: Miniature, tmp_path: Path) -> None:
    root = tmp_path / "broken"
    shutil.copytree(miniature(name), root)
    (root / file).write_text(text)
    with pytest.raises(FacetellError, match=Path(file).name.replace("+", r"\+")):
        read_benchmark(name, root / ROOT_OF.get(name, ""))


@pytest.mark.parametrize(
    ("name", "options", "named"),
    [
        ("ffpp", {"compressions": ("c99",)}, "c99"),
        ("ffpp", {"methods": ("Deepfake",)}, "'Deepfake' is no method"),
        ("ff++", {}, "choose one of ffpp"),
        ("dfo", {}, "--ffpp"),
    ],
)
def test_unknown_choices_are_errors(name: str, options: dict[str, Any], named: str, miniature: Miniature) -> None:
    with pytest.raises(FacetellError, match=named):
        read_benchmark(name, miniature("dfo" if name == "dfo" else "ffpp"), ReadOptions(**options))


@pytest.mark.parametrize(
    ("name", "known", "count"), [("dfo", "end_to_end", 11), ("celebdf++", "SimSwap", 22), ("deepfakebench", "FF-DF", 1)]
)
def test_methods_are_selected_and_an_unknown_one_is_an_error(
    name: str, known: str, count: int, read: Callable[..., Manifest]
) -> None:
    assert {entry.method for entry in read(name, methods=(known,))} == {"", known}
    with pytest.raises(FacetellError, match=r"'Deepfake' is no method of .*; choose of ") as caught:
        read(name, methods=(known, "Deepfake"))
    assert len(str(caught.value).partition("choose of ")[2].split(", ")) == count and known in str(caught.value)


def test_hidden_files_are_ignored(tmp_path: Path) -> None:
    for name in ("._1.png", ".cache/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert not has_images(tmp_path) and not subfolders(tmp_path) and not has_images(tmp_path / "absent")
    (tmp_path / "1.png").touch()
    (tmp_path / "seen").mkdir()
    assert has_images(tmp_path) and subfolders(tmp_path) == [tmp_path / "seen"]
