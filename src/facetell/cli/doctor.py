"""``facetell doctor``: what is installed, which assets and engines are found, and what to do about what is missing."""

from __future__ import annotations

import argparse
import platform
from importlib import import_module, metadata, util

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from facetell import __version__
from facetell.assets import ASSETS, AssetError, locate
from facetell.engine import DEFAULT_MODEL, ENGINES, FAST_MODEL, load_engine
from facetell.types import FacetellError

NEEDED = ("av", "numpy", "opencv-python-headless", "openvino", "rich", "matplotlib", "jinja2")
MODULES = {"opencv-python-headless": "cv2"}  # where it is not named as its distribution is
OPTIONAL = {
    "pyarrow": "scanning and benchmarks: pip install '.[bench]'",
    "torch": "training and the torch engine: pip install '.[train]'",
    "onnxruntime": "the onnxruntime engine: pip install '.[onnxruntime]'",
    "fastapi": "the page and the HTTP API: pip install '.[serve]'",
}
# Only detection's own needs make the doctor fail; the rest serves demonstration, tests and training.
ESSENTIAL_ASSETS = {"face_detector", "face_mesh"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb takes none."""


def run(args: argparse.Namespace) -> int:
    """Print the findings; 0 if detection can run, 2 if something it needs is missing."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("", "what", "version or sha256", "remark"):
        table.add_column(column, overflow="fold")
    rows = [*_software(), *_assets(), *_engines(), *_models()]
    for state, what, which, remark in rows:
        table.add_row({"ok": "[green]ok[/]", "-": "[dim]-[/]"}.get(state, "[red]!![/]"), what, which, escape(remark))
    Console().print(table)
    return 2 if any(state == "!!" for state, *_ in rows) else 0


Row = tuple[str, str, str, str]


def _software() -> list[Row]:
    rows: list[Row] = [
        ("ok", "facetell", __version__, ""),
        ("ok", "python", platform.python_version(), f"{platform.system()} {platform.machine()}"),
    ]
    for name in (*NEEDED, *OPTIONAL):
        lacking = "-" if name in OPTIONAL else "!!"
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            rows.append((lacking, name, "not installed", OPTIONAL.get(name, f"run: pip install {name}")))
            continue
        try:
            import_module(MODULES.get(name, name))
        except ImportError as error:  # of a library of the system, or of another package's files in its place
            rows.append((lacking, name, version, f"cannot be loaded ({error}); install it anew"))
        else:
            rows.append(("ok", name, version, ""))
    return rows


def _assets() -> list[Row]:
    rows: list[Row] = []
    for asset in ASSETS.values():
        what = f"asset {asset.name}"
        try:
            locate(asset.name)
            rows.append(("ok", what, asset.sha256[:16], f"{asset.distribution} {asset.version}"))
        except AssetError as error:
            rows.append(("!!" if asset.name in ESSENTIAL_ASSETS else "-", what, "unfit", str(error)))
    return rows


def _engines() -> list[Row]:
    rows: list[Row] = []
    for name in ENGINES:
        if util.find_spec(name) is None:
            rows.append(("-", f"engine {name}", "not installed", ""))
            continue
        try:
            engine = load_engine(FAST_MODEL, name)
        except FacetellError as error:
            rows.append(("!!" if name == "openvino" else "-", f"engine {name}", "unfit", str(error)))
            continue
        rows.append(("ok", f"engine {name}", f"{engine.version} {engine.precision}", f"runs {engine.info.name}"))
    return rows


def _models() -> list[Row]:
    rows: list[Row] = []
    for name in dict.fromkeys((DEFAULT_MODEL, FAST_MODEL)):
        use = "released" + ", the default" * (name == DEFAULT_MODEL)
        use += ", used by motion" * (name == FAST_MODEL)
        try:
            rows.append(("ok", f"model {name}", load_engine(name).sha256[:16], use))
        except FacetellError as error:
            rows.append(("!!", f"model {name}", "unfit", str(error)))
    return rows
