"""Folders of benchmarks with the names and lists of a few videos (METHOD.md, section 2); the videos are empty files."""

import json

from facetell.datasets.readers import TEST_LIST
from mimic.make import MIMICS, make_miniature

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
LISTS = {
    "celebdf++": {TEST_LIST: "1 Celeb-real/id4_0000.mp4\n0 Celeb-synthesis/FaceReenact/LIA/id4_id5_0000.mp4\n"},
    "dfdc": {
        **{f"dfdc_train_part_{n}/metadata.json": json.dumps(part) for n, part in enumerate(DFDC_PARTS)},
        "test/labels.csv": "filename,label\nreal4.mp4,0\nfake4.mp4,1\n",
    },
    "dfdcp": {"dataset.json": json.dumps(DFDCP)},
}


def make_tree(name, root):
    """Write the files of a benchmark; returns ``root``."""
    if name in MIMICS:
        make_miniature(name, root, videos=6, seconds=0)
    for path, content in {**dict.fromkeys(TREES.get(name, "").split(), ""), **LISTS.get(name, {})}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return root
