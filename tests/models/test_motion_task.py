"""A task that no single frame can solve: does a moving dot turn round? Motion blocks learn it, frames alone cannot.

It also shows the networks as recognisers of other things than forgeries: classes and heads are free.
"""

from __future__ import annotations

import torch
from torch import Tensor

from facetell.models.losses import combined_loss
from facetell.models.zoo import create_model

T, SIZE = 6, 32


def turning_dots(count: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """Clips (N, T, 3, S, S) of a soft dot that goes straight on (0), or turns round half way (1).

    Both visit the same places, in another order (0 1 2 3 4 5 or 0 2 4 5 3 1): whoever averages over frames, whatever
    they see in each, cannot tell them apart.
    """
    labels = torch.arange(count) % 2
    angle = torch.rand(count, generator=chance) * 2 * torch.pi
    speed = 2 + torch.rand(count, generator=chance)
    places = torch.arange(T) - (T - 1) / 2
    along = torch.where(labels.bool()[:, None], places[[0, 2, 4, 5, 3, 1]], places) * speed[:, None]
    center = SIZE / 2 + 6 * (torch.rand(count, 2, generator=chance) - 0.5)
    x = center[:, :1] + along * angle.cos()[:, None]
    y = center[:, 1:] + along * angle.sin()[:, None]
    grid = torch.arange(SIZE)
    dots = torch.exp(-((grid - x[..., None, None]) ** 2 + (grid[:, None] - y[..., None, None]) ** 2) / 4)
    return dots[:, :, None].expand(-1, -1, 3, -1, -1).contiguous(), labels


def accuracy_after_training(motion: str, steps: int = 120) -> float:
    torch.manual_seed(0)
    chance = torch.Generator().manual_seed(0)
    model = create_model(
        "stm_resnet18", motion, "none", T, SIZE, num_classes=2, width=16, layers=(1, 1), temporal="none", dropout=0.0
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.01)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 4e-3 * (1 - step / steps)
        clips, labels = turning_dots(24, chance)
        loss, _ = combined_loss(model(clips), labels, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    clips, labels = turning_dots(200, chance)
    with torch.no_grad():
        return (model.eval()(clips).logit.argmax(dim=1) == labels).float().mean().item()


def test_motion_blocks_see_what_frames_cannot() -> None:
    plain, second_order = accuracy_after_training("none"), accuracy_after_training("mcb")
    assert plain < 0.65
    assert second_order > 0.9
