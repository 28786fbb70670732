"""Each loss term alone, against sums written out by hand."""

import math

import pytest
import torch

from facetell.models.network import ClipOutput, anomaly_l1, combined_loss


def test_l1_is_the_mean_over_reals_and_elements():
    anomaly = torch.randn(4, 2, 3, 5, 5)
    labels = torch.tensor([0.0, 1.0, 0.0, 1.0])
    by_hand = sum(abs(v) for v in anomaly[0].flatten().tolist()) + sum(abs(v) for v in anomaly[2].flatten().tolist())
    assert anomaly_l1(anomaly, labels).item() == pytest.approx(by_hand / (2 * 150), rel=1e-5)


def test_l1_does_not_see_the_fakes_and_is_zero_without_reals():
    anomaly = torch.randn(2, 1, 3, 4, 4, requires_grad=True)
    anomaly_l1(anomaly, torch.tensor([0.0, 1.0])).backward()
    assert anomaly.grad is not None
    assert anomaly.grad[0].abs().min() > 0
    assert anomaly.grad[1].abs().max() == 0
    assert anomaly_l1(anomaly, torch.ones(2)).item() == 0


def test_the_sum_takes_what_the_output_has():
    logit, labels = torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.0])
    targets = torch.tensor([1.0, 0.25])
    by_hand = [math.log1p(math.exp(-2.0)), 0.25 * math.log1p(math.exp(1.0)) + 0.75 * math.log1p(math.exp(-1.0))]
    output = ClipOutput(logit, torch.tensor([1.0, 2.0]), torch.ones(2, 1, 1, 2, 2))
    loss, parts = combined_loss(output, targets, labels, aux_weight=0.5, anomaly_weight=3.0)
    assert loss.item() == pytest.approx(parts["cls1"] + 0.5 * parts["cls2"] + 3.0 * parts["l1"], rel=1e-6)
    assert parts["cls1"] == pytest.approx(sum(by_hand) / 2, rel=1e-6) and parts["l1"] == 1
    loss, parts = combined_loss(output._replace(aux_logit=None, anomaly_map=None), targets, labels)
    assert parts == {"cls1": pytest.approx(loss.item())}
