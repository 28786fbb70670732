"""Bring the message catalogues up to date: extract the texts of the source, update each .po file, compile it to .mo.

Texts are those of the templates, of the scripts (``say``), and of messages in Python (``N_`` and exceptions with a
message). A message may be an f-string: its template has a name for each value, as in "{count} clips were not scored".
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir, extract_javascript
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

SOURCE = Path(__file__).parents[1] / "src" / "facetell"
CATALOGUES = "locale/*/LC_MESSAGES/facetell.po"
# Functions that take a message, and its place among their arguments.
TAKES_MESSAGE = {"N_": 0, "Unreadable": 0, "Damaged": 0, "NotConsecutive": 0, "Refused": 2}
Found = Iterator[tuple[int, str, tuple[str, str], list[str]]]


def template(node: ast.expr) -> str | None:
    """The text of a literal, the template of an f-string, or None for any other expression."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if not isinstance(node, ast.JoinedStr):
        return None
    parts, names = [], []
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            names.append(re.findall(r"[A-Za-z]\w*", ast.unparse(part.value))[-1])
            parts.append(f"{{{names[-1]}}}")
        else:
            parts.append(part.value)
    assert len(names) == len(set(names)), f"two values have the same name: {ast.unparse(node)}"
    return "".join(parts)


def from_python(file: IO[bytes], keywords: Any, tags: Any, options: Any) -> Found:
    for node in ast.walk(ast.parse(file.read())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TAKES_MESSAGE:
            for argument in node.args[TAKES_MESSAGE[node.func.id] :][:1]:
                if text := template(argument):
                    yield node.lineno, "pgettext", ("message", text), []


def from_script(file: IO[bytes], keywords: Any, tags: Any, options: Any) -> Found:
    for line, _, text, _ in extract_javascript(file, ["say"], tags, options):
        yield line, "pgettext", ("script", text[0] if isinstance(text, tuple) else text), []


METHODS = [("**.py", from_python), ("**/static/*.js", from_script), ("**/templates/*", babel_extract)]


def extracted() -> Catalog:
    """All texts of the source."""
    catalog = Catalog(project="facetell", charset="utf-8")
    options = {"**/templates/*": {"newstyle_gettext": "true", "silent": "false"}}
    for name, _, text, _, context in extract_from_dir(SOURCE, METHODS, options, DEFAULT_KEYWORDS):
        catalog.add(text, locations=[(name, None)], context=context)
    return catalog


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.parts[-3])


def main() -> None:
    for path in SOURCE.glob(CATALOGUES):
        catalog = read(path)
        catalog.update(extracted(), no_fuzzy_matching=True, update_creation_date=False)
        with path.open("wb") as file:
            write_po(file, catalog, width=120, sort_by_file=True, include_lineno=False, ignore_obsolete=True)
        with path.with_suffix(".mo").open("wb") as file:
            write_mo(file, catalog)
        for entry in catalog:
            if entry.id and not entry.string:
                print(f"{path}: not translated: {entry.id}", file=sys.stderr)


if __name__ == "__main__":
    main()
