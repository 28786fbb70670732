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
from facetell.engine import DEFAULT_MODEL, ENGINES, FAST_MODEL, load_engine
from facetell.types import FacetellError

# What detection needs; if any of it is missing, the exit code is 1.
NEEDED = ("av", "jinja2", "numpy", "opencv-python-headless", "openvino", "pillow", "pydantic", "rich")
NEEDED_ASSETS = {"face_detector", "face_mesh"}
# Where the name of the module is not that of the distribution.
MODULES = {"opencv-python-headless": "cv2", "pillow": "PIL", "pyyaml": "yaml"}
OPTIONAL = {
    {of: name for name, of in MODULES.items()}.get(
        module, module.replace("_", "-")
    ): f"for the extra {extra}: pip install '.[{extra}]'"
    for extra, modules in EXTRAS.items()
    for module in modules
}
OK, MISSING, FAULT = "[green]ok[/]", "[dim]-[/]", "[red]!![/]"
Row = tuple[str, str, str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb has no arguments."""


def run(args: argparse.Namespace) -> int:
    """Print the table; 0 if detection can run, 1 if something that it needs is missing."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("", "what", "version or sha256", "remark"):
        table.add_column(column, overflow="fold")
    rows = [*_software(), *_assets(), *_engines(), *_models()]
    for state, what, which, remark in rows:
        table.add_row(state, what, which, escape(remark))
    Console().print(table)
    return 1 if any(state == FAULT for state, *_ in rows) else 0


def _software() -> Iterator[Row]:
    yield OK, "facetell", __version__, ""
    yield OK, "python", platform.python_version(), f"{platform.system()} {platform.machine()}"
    for name in (*NEEDED, *OPTIONAL):
        state = MISSING if name in OPTIONAL else FAULT
        try:
            version = metadata.version(name)
            import_module(MODULES.get(name, name.replace("-", "_")))
        except metadata.PackageNotFoundError:
            yield state, name, "not installed", OPTIONAL.get(name, f"run: pip install {name}")
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
    for name in ENGINES:
        what = f"engine {name}"
        if util.find_spec(name) is None:
            yield MISSING, what, "not installed", ""
            continue
        try:
            engine = load_engine(DEFAULT_MODEL, name)
            yield OK, what, f"{engine.version} {engine.precision}", f"runs {engine.info.name}"
        except FacetellError as error:
            yield FAULT if name == "openvino" else MISSING, what, "unusable", str(error)


def _models() -> Iterator[Row]:
    for name, use in ((DEFAULT_MODEL, "released, the default"), (FAST_MODEL, "released")):
        try:
            yield OK, f"model {name}", load_engine(name).sha256[:16], use
        except FacetellError as error:
            yield FAULT, f"model {name}", "unusable", str(error)
