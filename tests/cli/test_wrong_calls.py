"""Wrong calls of every command: one message, exit code 1, and no file is written or changed."""

import shlex
import shutil

import pytest

from evaluate.scored import toy, write
from facetell.assets import locate
from facetell.cli import main
from fixtures import BROKEN, TINY, content

ON_A_GPU = ("detect man.mp4", "scan videos --out out", "score videos --out new.parquet")
PARTS = ("0/2", "3/2", "1", "a/b", "1/2/3")
TOKENS = ("short", "with spaces in it, long", "with-an-é-in-the-token", "line\nbreak-in-token")
ROOTS = ("facetell", "/a b", "/../x", "//x", '/"', "/v1", "/jobs/x", "/openapi.json")
NO_NUMBERS = ("port x", "keep-days -1", "max-mb 0", "workers 0")
ALLOWING = ("--insecure-no-token", "--token a-token-of-enough-characters")
ADDRESS = "serve --data man.mp4 --host"
HOOKS = ("https://a.example", "a.example/path", "me@a.example", "a b", "a:70000", "")
CALLS = [
    ("wrong detect -none.mp4", "'wrong' is neither a verb nor a file; see `facetell --help`"),
    ("evalute", "'evalute' is neither a verb nor a file: did you mean 'evaluate'?"),
    ("detect man.mp4 -none.mp4", "'-none.mp4' is not an argument of this verb; see"),
    ("detect man.mp4 -lead.mp4", "write the name of the file as ./-lead.mp4"),
    ("detect man.mp4 --reprot=r.html", "did you mean '--report'?"),
    ("detect nowhere*.mp4", "nowhere*.mp4"),
    ("detect empty", "no video"),
    ("detect man.mp4 --fps-scored 0", "0"),
    ("detect man.mp4 --engine torch --precision bf16", "f32 only"),
    *((f"{verb} --device cuda", "onnxruntime-gpu in place of onnxruntime") for verb in ON_A_GPU),
    ("detect frames --device cuda --engine openvino", "only the engine onnxruntime runs on cuda, and only model files"),
    ("score videos --out new.parquet --device cuda --size 9", "leave out --device"),
    ("scan videos --out out --on ray --device cuda", "scan parts (--shard) without Ray"),
    ("detect man.mp4 --json empty", "it is a folder"),
    (f"detect man.mp4 --json empty/{256 * 'a'}", "File name too long"),
    ("detect frames --json frames/r.json", "its folder is one of the videos"),
    ("detect man.mp4 --model other --json other", "it is named for something else"),
    ("detect man.mp4 --out man.mp4", "cannot write"),
    ("detect man.mp4 --report /dev/null", "it is a device"),
    ("detect link.mp4 --report man.mp4", "would end in .html"),
    ("detect man.mp4 --report - --json -", "only one of"),
    ("detect man.mp4 man.mp4.svg --out .", "man.mp4.svg: it is named for something else"),
    ("scan nowhere --out out", "there is no nowhere"),
    ("scan man.mp4 --out out", "is one video; score it with `facetell detect`"),
    *((f"scan videos --out out --shard={part}", f"'{part}' names no part") for part in PARTS),
    ("scan videos --out out --address host:1", "add --on ray"),
    ("score nowhere.csv --out new.parquet", "there is no manifest at nowhere.csv"),
    ("score videos --out new.parquet --model text.mp4", "cannot load"),
    ("score videos --out new.parquet --size 224", "describes its input itself; leave out --size, --frames"),
    ("score videos --out new.parquet --model empty --size 224", "there is no model file at empty"),
    ("score videos --out new.parquet --mean 123 116 103", "'123' is not a number from 0 to 1"),
    ("score videos --out new.parquet --distort XY", "'XY' is not a distortion"),
    ("score videos --out new.parquet --no-clean", "there is nothing to score"),
    ("evaluate nowhere.parquet --protocol cross", "there is no score file at nowhere.parquet"),
    ("evaluate s.parquet --protocol cross --split val", "has no video of the split val (it has test)"),
    ("datasets read dfd empty --out m.csv --protocol B", "dfd does not take --protocol; it takes --compression"),
    ("datasets read dfd empty --out m.csv --seed -1", "argument --seed: "),
    (f"datasets check {'n' * 300}", "cannot be opened: File name too long"),
    ("datasets export videos --deepfakebench m.json", "man.mp4 is not a folder of images named by numbers"),
    ("evaluate other.csv", "other.csv is not a score file (it has no row)"),
    ("train none.yaml", "there is no configuration at none.yaml"),
    (f"train {TINY} optim.lrr=1", "there is no 'optim.lrr'"),
    (f"train {TINY}", "there is nothing to train on; set data.folders"),
    ("train none.pt steps=3", "a checkpoint cannot be changed"),
    ("export none.pt --to a.onnx", "there is no checkpoint at none.pt"),
    ("export text.mp4 --to a.onnx", "text.mp4 is not a checkpoint of a training run; give one"),
    ("watch 97", "camera 97 cannot be opened (no such file or directory); see that /dev/video97 is there"),
    ("watch rtsp://me:secret@127.0.0.1:9/x", "rtsp://127.0.0.1:9/x cannot be opened (connection refused)"),
    ("watch none.mp4 --model missing.onnx", "there is no file none.mp4"),  # before the model is loaded
    ("watch 0 --fast", "--fast is for files"),
    ("watch ftp://h/x", "'ftp://' is no supported kind of stream; use one of"),
    ("watch rtsp://me:secret@[bad/x", "what follows 'rtsp://' is no address; write it as in rtsp://10.0.0.7/door"),
    ("watch man.mp4 --out other", "other is not what `facetell watch` wrote; choose another file"),
    ("watch man.mp4 --fast --out /dev/full", "/dev/full cannot be written (No space left on device); free some space"),
    *((f"serve --data man.mp4 --token {shlex.quote(token)}", "at least 16 ASCII characters") for token in TOKENS),
    ("serve --data man.mp4 --webhook-host hooks.example", "FACETELL_WEBHOOK_SECRET needs at least 16 ASCII characters"),
    *((f"serve --data man.mp4 --webhook-host '{host}'", "is not HOST or HOST:PORT") for host in HOOKS),
    ("serve --data man.mp4 --allow-host https://a.example", "is not HOST or HOST:PORT: leave out 'https://'"),
    *((f"serve --data man.mp4 --{option}", "is not a") for option in NO_NUMBERS),
    *((f"serve --data man.mp4 --root-path {shlex.quote(path)}", "is not a path such as /facetell") for path in ROOTS),
    *((f"{ADDRESS} {host} --port 0", "set FACETELL_TOKEN") for host in ("0.0.0.0", "::", "192.0.2.1")),
    *((f"{ADDRESS} 192.0.2.1 --port 0 {words}", "192.0.2.1, port 0 (Cannot assign") for words in ALLOWING),
    (f"{ADDRESS} 127.0.0.1 --port 70000", "cannot listen on 127.0.0.1, port 70000 ("),
    *((f"serve --data {name} --port 0", "choose another --data") for name in ("man.mp4", "man.mp4/d")),
    ("serve --data case --port 0", "holds files of something else: choose another --data"),
    ("motion man.mp4 --out other", "cannot write"),
    ("motion no_face.mp4 --out m", "shows no face for 8 consecutive frames"),
    ("distort man.mp4 --out a.mp4", "choose the distortions: either --kind with one or more kinds, or --all"),
    ("forge missing.mp4 --out a.mp4", "there is no file missing.mp4"),
    ("forge man.mp4 --seed -1 --out a.mp4", "--seed"),
]


@pytest.fixture
def folder(tmp_path, man, monkeypatch):
    """The current folder: a video, a link to it, folders, and files that are no video."""
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "frames", "videos", "case/jobs/42"):
        (tmp_path / name).mkdir(parents=True)
    for path in (tmp_path / "man.mp4", tmp_path / "videos" / "man.mp4"):
        shutil.copy(man, path)
    (tmp_path / "videos" / "manifest.csv").write_text("path,label,split\nman.mp4,0,test\n")
    (tmp_path / "link.mp4").symlink_to("man.mp4")
    (tmp_path / "no_face.mp4").symlink_to(locate("sample_no_face"))
    (tmp_path / "-lead.mp4").symlink_to("man.mp4")
    (tmp_path / "frames" / "1.png").touch()
    for name in ("other", "case/lock", "case/jobs/42/notes.txt"):  # a server's data folder has a lock and jobs
        (tmp_path / name).write_text("Dear")
    (tmp_path / "other.csv").write_text("path,label,score\n")
    (tmp_path / "man.mp4.svg").write_text("evidence")
    BROKEN["text"](tmp_path)
    write(tmp_path / "s.parquet", toy())
    return tmp_path


@pytest.mark.parametrize(("command", "message"), CALLS, ids=[command[:40] for command, _ in CALLS])
def test_a_wrong_call_is_one_message(command, message, folder, capsys, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("FACETELL_TOKEN", "")
    before = content(folder)
    assert main(shlex.split(command)) == 1
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1
    assert err.startswith("facetell") and message in err and "me:secret" not in err
    assert content(folder) == before
