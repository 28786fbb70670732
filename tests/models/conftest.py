import pytest
import torch
from torch import nn


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def some_clips():
    """Clips (N, T, 3, S, S) in [0, 1] that differ: coarse patterns under noise, each clip of its own brightness."""

    def make(clips, frames, size, seed=0):
        chance = torch.Generator().manual_seed(seed)
        coarse = torch.rand(clips * frames, 3, 4, 4, generator=chance)
        fine = torch.rand(clips * frames, 3, size, size, generator=chance)
        pattern = nn.functional.interpolate(coarse, size=size, mode="bilinear")
        bright = torch.linspace(0.3, 1, clips).view(-1, 1, 1, 1, 1)
        return bright * (0.7 * pattern + 0.3 * fine).unflatten(0, (clips, frames))

    return make


@pytest.fixture(scope="session")
def enliven(some_clips):
    """Bring a fresh network to a state as after training: no scale at zero, norms that know their inputs."""

    def wake(model):
        torch.manual_seed(1)
        norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        for norm in norms:
            nn.init.uniform_(norm.weight, 0.6, 1.4)
            nn.init.normal_(norm.bias, std=0.2)
            norm.momentum = 1.0  # the statistics of the last batch
        nn.init.normal_(model.classifier.weight, std=0.1)
        with torch.no_grad():
            model.train()(some_clips(4, model.config.clip_frames, model.config.size, seed=1))
        for norm in norms:
            norm.running_var.clamp_(min=0.3)  # else a value that hardly varies is blown up, and rounding with it
        return model.eval()

    return wake
