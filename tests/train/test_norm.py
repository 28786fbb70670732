import subprocess
import sys
from pathlib import Path

SCRIPT = """
import copy, sys
import torch
import torch.distributed as dist
from torch import nn
from facetell.train.norm import SyncedBatchNorm, synchronise_norms

rank, world, place = int(sys.argv[1]), 2, sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{place}", rank=rank, world_size=world)
torch.manual_seed(0)
x = torch.rand(8, 3, 6, 6, dtype=torch.float64)
layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 3), nn.BatchNorm2d(2)
plain = nn.Sequential(*layers)
plain.double()
synced = copy.deepcopy(plain)
synchronise_norms(synced, on_gpu=False)
synced.double()
assert sum(isinstance(m, SyncedBatchNorm) for m in synced) == 2
assert list(synced.state_dict()) == list(plain.state_dict())
plain(x).pow(3).mean().backward()
synced(x[rank::world]).pow(3).mean().backward()
for a, b in zip(plain.parameters(), synced.parameters()):
    total = b.grad.clone()
    dist.all_reduce(total)
    assert torch.allclose(a.grad, total / world, atol=1e-12), (a.grad, total / world)
for name, value in plain.state_dict().items():
    assert torch.allclose(value, synced.state_dict()[name].to(value.dtype), atol=1e-12), name
dist.destroy_process_group()
print("equal")
"""


def test_batch_norm_over_two_processes_is_batch_norm_of_the_whole_batch(tmp_path: Path) -> None:
    script = tmp_path / "both.py"
    script.write_text(SCRIPT)
    commands = [[sys.executable, str(script), str(rank), str(tmp_path / "meet")] for rank in (0, 1)]
    both = [subprocess.Popen(c, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for c in commands]
    for process in both:
        printed, _ = process.communicate(timeout=100)
        assert "equal" in printed, printed
