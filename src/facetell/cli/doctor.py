"""``facetell doctor``: list what is installed, which assets and engines are found, and how to get what is missing."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator
from importlib import import_module, metadata, util

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from facetell import __version__
from facetell.assets import ASSETS, AssetError, locate
from facetell.cli import EXTRAS
from facetell.cli.progress import Bar
from facetell.engine import DEFAULT_MODEL, ENGINES, FAST_MODEL, load_engine
from facetell.types import FacetellError

# Modules that detection needs; if any of it is missing, the exit code is 1.
NEEDED = ("av", "cv2", "jinja2", "numpy", "openvino", "PIL", "pydantic", "rich")
NEEDED_ASSETS = {"face_detector", "face_mesh"}
OK, MISSING, FAULT = "[green]ok[/]", "[dim]-[/]", "[red]!![/]"
Row = tuple[str, str, str, str]


def distribution(module: str) -> str:
    """The name under which a module is installed."""
    names = {"c2pa": "c2pa-python", "cv2": "opencv-python-headless", "PIL": "pillow", "yaml": "pyyaml"}
    return names.get(module, module.replace("_", "-"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb has no arguments."""


def run(args: argparse.Namespace) -> int:
    """Print the table; 0 if detection can run, 1 if something that it needs is missing."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("", "what", "version or sha256", "remark"):
        table.add_column(column, overflow="fold")
    with Bar("checking"):
        rows = [*_software(), *_assets(), *_engines()]
    for state, what, which, remark in rows:
        table.add_row(state, what, which, escape(remark))
    Console().print(table)
    return 1 if any(state == FAULT for state, *_ in rows) else 0


def _software() -> Iterator[Row]:
    yield OK, "facetell", __version__, ""
    yield OK, "python", platform.python_version(), f"{platform.system()} {platform.machine()}"
    modules = dict.fromkeys(NEEDED, "run: pip install ")
    modules |= {name: f"for the extra {of}: pip install '.[{of}]'" for of, names in EXTRAS.items() for name in names}
    for module, remedy in modules.items():
        name, state = distribution(module), FAULT if module in NEEDED else MISSING
        try:
            version = metadata.version(name)
            import_module(module)
        except metadata.PackageNotFoundError:
            yield state, name, "not installed", remedy + name if module in NEEDED else remedy
        except ImportError as error:  # a system library is missing, or another package has replaced its files
            yield state, name, version, f"cannot be loaded ({error}); install it again"
        else:
            yield OK, name, version, ""


def _assets() -> Iterator[Row]:
    for asset in ASSETS.values():
        what = f"asset {asset.name}"
        try:
            locate(asset.name)
            yield OK, what, asset.sha256[:16], f"{asset.distribution} {asset.version}"
        except AssetError as error:
            yield FAULT if asset.name in NEEDED_ASSETS else MISSING, what, "unusable", str(error)


def _engines() -> Iterator[Row]:
    """The engines, with the default model, and the models, with the default engine."""
    for model, name in (*((DEFAULT_MODEL, name) for name in ENGINES), (FAST_MODEL, "openvino")):
        what = f"model {model}, engine {name}"
        if util.find_spec(name) is None:
            yield MISSING, what, "not installed", ""
            continue
        try:
            engine = load_engine(model, name)
            yield OK, what, engine.sha256[:16], f"{engine.version} {engine.precision}"
        except FacetellError as error:
            yield FAULT if name == "openvino" else MISSING, what, "unusable", str(error)
