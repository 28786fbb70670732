"""The drawings of ``facetell motion``: flow and responses of known motion, and the files of the command."""

import cv2
import numpy as np
import pytest
import torch

from facetell.cli import main
from facetell.models.zoo import create_model
from facetell.motion import dense_flow, draw_strip, view_video
from facetell.video.reader import VideoReader
from model_files import arrays_file

SMALL = {"clip_frames": 6, "size": 48, "width": 0.25, "depth": 0.5, "restore_gain": 1.0}


@pytest.fixture(autouse=True)
def _quiet():
    torch.set_num_threads(1)


def texture(shift, size=96):
    noise = np.random.default_rng(0).uniform(0, 255, (size, size, 3)).astype(np.float32)
    smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    moved = cv2.warpAffine(smooth, np.float32([[1, 0, shift[0]], [0, 1, shift[1]]]), (size, size))
    return moved.astype(np.uint8)


def test_flow_of_a_known_shift():
    flow = dense_flow(np.stack([texture((0, 0)), texture((2, -1)), texture((4, -2))]))
    assert flow.shape == (2, 96, 96, 2)
    np.testing.assert_allclose(np.median(flow[:, 16:-16, 16:-16], axis=(0, 1, 2)), (2, -1), atol=0.15)


def test_the_response_to_jitter_is_larger_than_to_smooth_motion():
    """With the delta kernels of a new network, |F^MM| is large where frames shake, and not where they glide."""
    torch.manual_seed(0)
    model = create_model("lite0", "mcb", "none", 8, 96, pretrained=True, restore_gain=1.0).eval()
    glide = [(0.5 * t, 0.0) for t in range(8)]
    shake = [(0.5 * t + 0.8 * (-1) ** t, 0.0) for t in range(8)]
    responses = []
    for shifts in (glide, shake):
        clip = torch.from_numpy(np.stack([texture(shift) for shift in shifts]).transpose(0, 3, 1, 2).copy())
        with torch.no_grad():
            first, second = model.motion_maps(clip[None].float() / 255)
        assert first.shape == second.shape == (1, 8, 12, 12)
        assert second[:, -2:].abs().max() < 1e-5
        responses.append(second[:, 1:5].mean().item())
    assert responses[1] > 1.5 * responses[0]


def test_the_command_draws_one_and_two_videos(man, tmp_path):
    torch.manual_seed(0)
    model = arrays_file(create_model("lite0", **SMALL), tmp_path / "model.onnx")
    for videos in ([man], [man, man]):
        out = tmp_path / str(len(videos))
        words = ["motion", *map(str, videos), "--out", str(out), "--model", str(model), "--seconds", "0.5"]
        assert main(words) == 0
        strip = cv2.imread(str(out / "motion.png"))
        assert strip.shape[0] == 26 + 4 * 240 and strip.std() > 20
        with VideoReader(out / "motion.mp4") as reader:
            assert reader.info.height == 26 + len(videos) * (240 + 26)
            assert sum(1 for _ in reader) >= 4


def test_a_cmm_has_one_order_to_draw(man, tmp_path):
    view = view_video(man, create_model("lite0", "cmm", "none", **SMALL).eval(), seconds=0.4)
    assert len(view.responses) == 1
    draw_strip([view], tmp_path / "strip.png")
    assert cv2.imread(str(tmp_path / "strip.png")).shape[0] == 26 + 3 * 240


def test_errors_are_one_message(tmp_path, man, capsys):
    plain = arrays_file(create_model("lite0", "none", size=32, width=0.25, depth=0.5), tmp_path / "plain.onnx")
    command = ["motion", str(man), "--out", str(tmp_path)]
    assert main([*command, "--model", str(plain)]) == 1
    assert "has no motion blocks; give another --model" in capsys.readouterr().err
    moving = arrays_file(create_model("lite0", **SMALL), tmp_path / "moving.onnx")
    assert main(["motion", str(man), "--out", str(plain), "--model", str(moving)]) == 1
    assert f"cannot write {plain}" in capsys.readouterr().err
    for start in ("nan", "inf", "-5"):
        assert main([*command, "--start", start]) == 1
        assert capsys.readouterr().err == "facetell motion: --start is a number of seconds, 0 or more\n"
    for seconds in ("nan", "0", "-1"):
        with pytest.raises(SystemExit):
            main([*command, "--seconds", seconds])
        assert f"'{seconds}' is not a number above 0" in capsys.readouterr().err
