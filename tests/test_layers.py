"""Imports between the packages of facetell go one way. The rules are those of docs/architecture.md."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import facetell

ROOT = Path(facetell.__file__).parent
MODULES = {".".join(("facetell", *path.relative_to(ROOT).with_suffix("").parts)): path for path in ROOT.rglob("*.py")}

FORBIDDEN = {
    # importing package: packages that none of its modules may import, directly
    "report": {"serve", "batch", "scan", "evaluate", "cli"},
    "engine": {"models", "train", "forge"},
    "video": {"faces", "engine", "detector"},
    "faces": {"engine", "detector", "verdict"},
    "metrics": {"datasets", "train", "evaluate"},
    "evaluate": {"report"},
}
CLI_USERS = {"cli", "demo", "__main__"}
NOT_IN_DETECTION = {"torch", "onnx", "onnxruntime", "facetell.models", "facetell.forge", "facetell.train"}


def imports(path: Path, *, with_functions: bool) -> set[str]:
    """Modules that a file imports, with or without those imported when a function is called."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not with_functions:
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = {f"{module}.{alias.name}" for alias in node.names}
            found.update(names & MODULES.keys() or {module})
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return found


def package(module: str) -> str:
    """ "faces" of "facetell.faces.crop", "types" of "facetell.types"."""
    return module.split(".")[1] if "." in module else ""


def by_package(*, with_functions: bool) -> dict[str, set[str]]:
    """The packages that each package imports."""
    graph: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        inside = {name for name in imports(path, with_functions=with_functions) if name.startswith("facetell.")}
        graph.setdefault(package(module), set()).update({package(name) for name in inside} - {package(module)})
    return graph


def test_no_import_cycle_between_packages():
    list(
        TopologicalSorter(by_package(with_functions=True)).static_order()
    )  # raises CycleError with the packages of a cycle


def test_forbidden_imports_between_packages():
    graph = by_package(with_functions=True)
    assert {name: graph.get(name, set()) & others for name, others in FORBIDDEN.items()} == {
        name: set() for name in FORBIDDEN
    }
    assert {name for name, others in graph.items() if "cli" in others} <= CLI_USERS


def test_detection_imports_neither_torch_nor_training():
    seen, waiting = set(), ["facetell.detector"]
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        path = MODULES.get(module) or MODULES.get(f"{module}.__init__")
        if path:
            waiting += imports(path, with_functions=True)
    assert not {name for name in seen for unwanted in NOT_IN_DETECTION if f"{name}.".startswith(f"{unwanted}.")}
