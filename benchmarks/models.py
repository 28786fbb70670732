"""Latency of every network at its default clip, on every engine, with the cost of its motion modules side by side.

    python benchmarks/models.py [--models lite0,stm_resnet50] [--rounds 7] [--threads 1]
    python benchmarks/models.py --files before.onnx after.onnx

All variants of a network are measured in turns, so that a busy machine slows them alike, and by CPU time, which does
not count waiting for others; the figure is the lower quartile. Weights of the zoo's are random: they do not change the
time.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import torch

from facetell.models.export import export_onnx, model_from_onnx
from facetell.models.network import ClipNetwork
from facetell.models.zoo import MODELS, create_model
from facetell.types import FloatArray

ENGINES = ("torch", "onnxruntime", "openvino f32", "openvino bf16")
MOTIONS = ("none", "cmm", "mcb")

Run = Callable[[], object]


def runners(model: ClipNetwork, path: Path, clip: FloatArray, threads: int) -> dict[str, Run]:
    """One function an engine that scores the clip once."""
    ready = model.to(memory_format=torch.channels_last)
    tensor = torch.from_numpy(clip)

    def eager() -> object:
        with torch.inference_mode():
            return ready(tensor, with_anomaly=False).logit

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    found: dict[str, Run] = {"torch": eager, "onnxruntime": lambda: session.run(["logit"], {"clip": clip})}
    core = openvino.Core()
    for precision in ("f32", "bf16"):
        if precision.upper() not in (*core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"), "F32"):
            continue
        network = core.read_model(path)
        network.reshape({"clip": list(clip.shape)})
        config = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        request = core.compile_model(network, "CPU", config).create_infer_request()
        found[f"openvino {precision}"] = lambda request=request: request.infer({"clip": clip})
    return found


def lively(model: ClipNetwork) -> ClipNetwork:
    """No scale at zero: what is multiplied by nothing could be left out by an engine."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    return model.eval()


def measure(models: Iterable[tuple[str, ClipNetwork, Path]], rounds: int, threads: int) -> dict[tuple[str, str], float]:
    """CPU-ms a clip by (engine, key) of networks and their files."""
    runs: dict[tuple[str, str], Run] = {}
    for key, model, path in models:
        config = model.config
        clip = np.random.default_rng(0).random((1, config.clip_frames, 3, config.size, config.size), np.float32)
        for engine, run in runners(model, path, clip, threads).items():
            run()
            runs[engine, key] = run
    spent: dict[tuple[str, str], list[float]] = {key: [] for key in runs}
    for _ in range(rounds):
        for key, run in runs.items():
            started = time.process_time()
            run()
            spent[key].append(1e3 * (time.process_time() - started))
    return {key: float(np.quantile(values, 0.25)) for key, values in spent.items()}


def variants(name: str, folder: Path) -> Iterator[tuple[str, ClipNetwork, Path]]:
    """A network with each of its motion modules, and the file of each."""
    for motion in MODELS[name].motions:
        model = lively(create_model(name, motion, "none"))
        yield motion, model, export_onnx(model, folder / f"{motion}.onnx")


def report_files(files: list[Path], figures: dict[tuple[str, str], float]) -> None:
    for engine in ENGINES:
        if (engine, str(files[0])) not in figures:
            continue
        first = figures[engine, str(files[0])]
        for path in files:
            value = figures[engine, str(path)]
            print(f"{engine:<15}{value:8.1f} {value / first:8.2f}  {path}", flush=True)


def report(name: str, figures: dict[tuple[str, str], float]) -> None:
    own = MODELS[name].motions[0]
    for engine in ENGINES:
        if (engine, own) not in figures:
            continue
        base = figures.get((engine, "none"))
        cells = []
        for motion in MOTIONS:
            value = figures.get((engine, motion))
            if value is None:
                cells.append(f"{'':>16}")
            else:
                more = f"{value / base - 1:+.1%}" if base and motion != "none" else ""
                cells.append(f"{value:8.0f} {more:>7}")
        ratio = figures["torch", own] / figures[engine, own]
        print(f"{name:<20}{engine:<15}{''.join(cells)}{ratio:10.1f}x", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(MODELS), help="names, separated by commas")
    parser.add_argument("--files", type=Path, nargs="+", help="model files in place of networks of the zoo")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"{platform.machine()}, {os.cpu_count()} cores, {args.threads} thread(s); load {os.getloadavg()[0]:.1f}")
    print(f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, openvino {openvino.__version__}")
    if args.files:
        print("CPU-ms a clip, and in parts of the first file's")
        models = [(str(path), model_from_onnx(path)[1], path) for path in args.files]
        report_files(args.files, measure(models, args.rounds, args.threads))
        return
    print("CPU-ms a clip, and what motion adds over none; last: times as fast as torch eager (float32)")
    print(f"{'network':<20}{'engine':<15}{'none':>8}{'cmm':>16}{'mcb':>16}{'':>8}{'vs torch':>11}")
    for name in args.models.split(","):
        with tempfile.TemporaryDirectory() as folder:
            report(name, measure(variants(name, Path(folder)), args.rounds, args.threads))


if __name__ == "__main__":
    main()
