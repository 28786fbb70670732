"""The networks that forging runs can be trained anew, from prepared clips to a file that forging reads."""

from pathlib import Path

import numpy as np
import pytest
import torch

from facetell.forge.networks import CODE_SIDE, SIDE, remake
from facetell.forge.renderer import CHANNELS
from facetell.forge.resynth import LATENT
from facetell.train import renderer, resynth
from facetell.train.pseudo_fake_networks import training_reals, write

MINUTES = 0.001  # at least one step


@pytest.mark.parametrize("name", ["resynth", "renderer"])
def test_a_network_is_trained_and_written(name, data, tmp_path, capsys):
    torch.manual_seed(0)
    reals, rng = training_reals(Path(data.folders[0])), np.random.default_rng(0)
    assert reals and all(r.entry.label == 0 and r.entry.split == "train" for r in reals)
    if name == "resynth":
        pictures, channels = resynth.load_faces(reals, 2, rng), LATENT
        network = resynth.train(pictures, MINUTES)
    else:
        pairs, channels = renderer.load_pairs(reals, 4, rng), CHANNELS
        pictures, network = pairs[:, 0], renderer.train(pairs, MINUTES)
    assert "step     0 loss" in capsys.readouterr().out
    write(network, channels, tmp_path / "network.onnx")
    noise = np.zeros((2, channels, CODE_SIDE, CODE_SIDE), np.float32)
    made = remake(tmp_path / "network.onnx", pictures[:2], noise)
    with torch.inference_mode():
        image = torch.from_numpy(pictures[:2].transpose(0, 3, 1, 2).astype(np.float32) / 255)
        wanted = network(image, torch.from_numpy(noise)).clamp(0, 1).numpy().transpose(0, 2, 3, 1) * 255
    assert made.shape == (2, SIDE, SIDE, 3)
    assert np.abs(made - wanted).max() < 1.01
