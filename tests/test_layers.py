"""Imports between the packages of facetell go one way, by the rules of docs/architecture.md."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import facetell

ROOT = Path(facetell.__file__).parent
FILES = {".".join(("facetell", *path.relative_to(ROOT).with_suffix("").parts)): path for path in ROOT.rglob("*.py")}

# By package: those that none of its modules may import.
FORBIDDEN = {
    "report": {"serve", "batch", "evaluate"},
    "engine": {"models", "train", "forge"},
    "faces": {"engine", "detector", "tracks", "verdict"},
    "video": {"faces", "engine", "detector"},
    "metrics": {"evaluate", "datasets", "batch", "train"},
    "evaluate": {"report"},
}
CLI_USERS = {"cli", "__main__"}
DETECTION = ("detector", "cli.detect", "cli.watch", "cli.serve", "report.page")
LIBRARIES = ("matplotlib", "torch", "onnx", "onnxruntime", "scipy", "pyarrow")
NOT_IN_DETECTION = (*LIBRARIES, "facetell.models", "facetell.forge", "facetell.train")


def imports(node: ast.AST) -> Iterator[str]:
    """Modules that are imported anywhere in the code of a file but for type checking."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        names = {f"{node.module}.{alias.name}" for alias in node.names}
        yield from names & FILES.keys() or {str(node.module)}
    for child in ast.iter_child_nodes(node):
        yield from imports(child)


def package(module: str) -> str:
    """ "faces" of "facetell.faces.crop", "types" of "facetell.types"."""
    return f"{module}.".split(".")[1]


IMPORTS = {module: set(imports(ast.parse(path.read_text()))) for module, path in FILES.items()}
GRAPH: dict[str, set[str]] = {}
for module, found in IMPORTS.items():
    others = {package(name) for name in found if name.startswith("facetell.")} - {package(module)}
    GRAPH.setdefault(package(module), set()).update(others)


def test_every_package_and_module_that_the_rules_name_exists():
    assert {*FORBIDDEN}.union(CLI_USERS, *FORBIDDEN.values()) <= GRAPH.keys()
    assert {f"facetell.{module}" for module in DETECTION} <= FILES.keys()
    assert {package(name) for name in NOT_IN_DETECTION if name not in LIBRARIES} <= GRAPH.keys()


def test_no_import_cycle_between_packages():
    TopologicalSorter(GRAPH).prepare()  # raises CycleError with the packages of a cycle


def test_no_forbidden_import():
    assert {name: GRAPH[name] & others for name, others in FORBIDDEN.items() if GRAPH[name] & others} == {}
    assert {name for name in GRAPH if "cli" in GRAPH[name]} <= CLI_USERS


def test_detection_report_watch_and_serve_import_neither_torch_nor_training_nor_matplotlib():
    seen, waiting = set(), [f"facetell.{module}" for module in DETECTION]
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += IMPORTS.get(module, IMPORTS.get(f"{module}.__init__", ()))
    assert [name for name in seen for unwanted in NOT_IN_DETECTION if f"{name}.".startswith(f"{unwanted}.")] == []
