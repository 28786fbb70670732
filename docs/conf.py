"""Sphinx configuration of the documentation site: `make docs` writes it to out/site.

These pages are generated here: the start page (README.md), the commands (their help texts), the Python interface (the
docstrings), the cards of the released models and the changes (CHANGELOG.md).
"""

import argparse
import importlib
import re
from pathlib import Path

from sphinx.application import Sphinx

from facetell.cli import VERBS, add_common

ROOT = Path(__file__).parents[1]
project = "facetell"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_show_copyright = False
myst_heading_anchors = 4
autodoc_typehints = "description"
autodoc_member_order = "bysource"
suppress_warnings = ["myst.header"]  # the start page begins with the README's first heading

CONTENTS = {
    "Investigate": "detecting report scanning watching serving reliability",
    "Evaluate": "datasets preparing scoring evaluation measures distortions",
    "Train": "training models forging experiments",
    "Reference": "commands python architecture card-facetell card-facetell-fast changes",
}
PYTHON = {
    "facetell": "detect Detector Settings",
    "facetell.types": "VideoVerdict TrackVerdict ClipScore RegionScore Crop Status Verdict FacetellError",
}
WEIGHTS = ROOT / "src" / "facetell" / "weights"


def start_page() -> str:
    """The README, and the table of contents."""
    trees = [
        f"```{{toctree}}\n:hidden:\n:caption: {part}\n\n"
        + "\n".join(name for name in names.split() if name in GENERATED or (ROOT / "docs" / f"{name}.md").exists())
        + "\n```\n"
        for part, names in CONTENTS.items()
    ]
    return "\n".join([(ROOT / "README.md").read_text(encoding="utf-8").replace("docs/images/", "images/"), *trees])


def commands() -> str:
    """The help texts of all verbs."""
    parts = ["# Commands\n"]
    for verb, summary in VERBS.items():
        parser = argparse.ArgumentParser(
            f"facetell {verb}",
            description=summary,
            formatter_class=lambda prog: argparse.HelpFormatter(prog, width=100),
        )
        importlib.import_module(f"facetell.cli.{verb}").add_arguments(parser)
        actions = parser._subparsers._group_actions[0].choices.values() if parser._subparsers else ()
        add_common(parser)
        parts.append(f"## {verb}\n")
        for each in actions:
            each.formatter_class = parser.formatter_class
        parts += [f"```text\n{each.format_help()}```\n" for each in (parser, *actions)]
    return "\n".join(parts)


def python() -> str:
    """Directives for the public classes and functions."""
    parts = ["# Python\n"]
    for module, names in PYTHON.items():
        for name in names.split():
            kind = "autofunction" if name == "detect" else "autoclass"
            members = "" if name == "detect" else ":members:\n:special-members: __call__\n"
            parts.append(f"```{{eval-rst}}\n.. {kind}:: {module}.{name}\n" + _indented(members) + "```\n")
    return "\n".join(parts)


def _indented(text: str) -> str:
    return "".join(f"   {line}\n" for line in text.splitlines())


GENERATED = {
    "index": start_page,
    "commands": commands,
    "python": python,
    "changes": lambda: (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
    "card-facetell": lambda: (WEIGHTS / "facetell.md").read_text(encoding="utf-8"),
    "card-facetell-fast": lambda: (WEIGHTS / "facetell-fast.md").read_text(encoding="utf-8"),
}


def read_source(app: Sphinx, name: str, source: list[str]) -> None:
    """Links of the repository as links of the site; those to files that are not part of it become plain text."""
    text = re.sub(r"\]\(docs/", "](", source[0])
    text = text.replace("](../README.md", "](index.md").replace("](CHANGELOG.md", "](changes.md")
    text = text.replace("](src/facetell/weights/", "](card-")
    source[0] = re.sub(r"\[([^\]]+)\]\((?:\.\./)?(?:src/[^)]*|examples/|[A-Z]+(?:\.md)?)\)", r"\1", text)


def setup(app: Sphinx) -> None:
    """Write the generated pages beside the others, where Sphinx looks for them; git ignores them."""
    for name, page in GENERATED.items():
        path = ROOT / "docs" / f"{name}.md"
        text = page()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    app.connect("source-read", read_source)
