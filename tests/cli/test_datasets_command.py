"""``facetell datasets`` from end to end."""

import pytest

from facetell.cli import main
from facetell.datasets.manifest import read_manifest
from facetell.datasets.readers import BENCHMARKS
from mimic.make import make_miniature


@pytest.fixture(scope="module")
def dfd(tmp_path_factory):
    root = tmp_path_factory.mktemp("cli") / "dfd"
    make_miniature("dfd", root, 0.5)
    return root


def test_list_then_read_then_check(dfd, tmp_path, capsys):
    out = tmp_path / "manifest.csv"
    assert main(["datasets", "list"]) == 0
    assert {*BENCHMARKS} <= {*capsys.readouterr().out.split()}
    assert main(["datasets", "read", "dfd", str(dfd), "--out", str(out), "--compression", "c40", "c40"]) == 0
    printed = capsys.readouterr()
    assert "no official split" in printed.err and "DeepFakeDetection" in printed.out
    manifest = read_manifest(out)
    assert all(manifest.file(entry).is_file() and entry.compression == "c40" for entry in manifest)
    assert main(["datasets", "check", str(out)]) == 0
    assert "no leak" in capsys.readouterr().out


def test_a_leak_gives_exit_code_2_and_a_manifest_without_leaks(dfd, tmp_path, capsys):
    out, kept = tmp_path / "manifest.csv", tmp_path / "kept.csv"
    assert main(["datasets", "read", "dfd", str(dfd), "--out", str(out), "--all-test"]) == 0
    lines = out.read_text().splitlines()
    real = next(number for number, line in enumerate(lines) if ",0,test,actor06," in line)
    lines[real] = lines[real].replace(",test,", ",train,")
    out.write_text("\n".join([*lines, "absent.mp4,0,test\n"]))
    capsys.readouterr()
    assert main(["datasets", "check", str(out), "--fast"]) == 2
    shown = capsys.readouterr().out
    assert "missing: 1\n  absent.mp4" in shown and "a person visible" in shown and "actor06" in shown
    out.write_text("\n".join([*lines, ""]))
    assert main(["datasets", "check", str(out), "--without-leaks", str(kept)]) == 2
    assert "kept.csv: 11 videos, 1 left out" in capsys.readouterr().out
    assert {entry.split for entry in read_manifest(kept)} == {"test"}
    # Near-duplicates are not known unless the videos are opened.
    assert main(["datasets", "check", str(out), "--fast", "--without-leaks", str(tmp_path / "other.csv")]) == 1
