"""Read configurations: YAML files and ``key=value`` words to frozen dataclasses.

A file may begin with ``extends: OTHER.yaml`` (relative to itself) and then holds only the differences from that file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from facetell.train.config import TrainConfig
from facetell.types import FacetellError, needs_extra

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Built = TypeVar("Built", bound="DataclassInstance")
Tree = dict[str, Any]


def read_config(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """The run of a YAML file, changed by words such as ``optim.lr=1e-3``.

    Raises:
        FacetellError: a file is missing or not YAML, a key is unknown, or a value has the wrong type.
    """
    return build(TrainConfig, override(read_tree(path), overrides), path.name)


def read_tree(path: Path, below: tuple[Path, ...] = ()) -> Tree:
    """The keys of a YAML file over those of the file that it extends, not checked yet.

    Raises:
        FacetellError: a file is missing, is not YAML, extends itself, or is not a table of keys.
    """
    try:
        import yaml
    except ImportError:
        raise needs_extra("Reading a configuration", "train") from None
    if path.resolve() in below:
        raise FacetellError(f"{path} extends itself; remove one `extends`")
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError):
        raise FacetellError(f"there is no configuration at {path}; name a YAML file, such as one of configs/") from None
    except yaml.YAMLError as error:
        raise FacetellError(f"{path} is not YAML ({' '.join(str(error).split())}); correct it") from None
    if not isinstance(tree, dict):
        raise FacetellError(f"{path} holds no keys; write `key: value` lines")
    base = tree.pop("extends", None)
    return tree if base is None else merge(read_tree(path.parent / str(base), (*below, path.resolve())), tree)


def merge(base: Tree, over: Mapping[str, Any]) -> Tree:
    """``base`` with the values of ``over``, table by table.

    >>> merge({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}})
    {'a': {'b': 1, 'c': 3}}
    """
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def nested(key: str, value: Any) -> Tree:
    """A dotted key as tables.

    >>> nested("optim.lr", 1)
    {'optim': {'lr': 1}}
    """
    for part in reversed(key.split(".")):
        value = {part: value}
    tree: Tree = value
    return tree


def override(tree: Tree, words: Sequence[str]) -> Tree:
    """The tree with ``a.b=value`` words; values are written as in YAML.

    Raises:
        FacetellError: a word has no ``=``, or its value is not YAML.
    """
    import yaml

    for word in words:
        key, sign, text = word.partition("=")
        if not sign or not key:
            raise FacetellError(f"'{word}' is not key=value; write for example optim.lr=1e-3")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise FacetellError(f"the value of '{word}' is not YAML; put it in quotes") from None
        tree = merge(tree, nested(key, "" if value is None else value))
    return tree


def build(kind: type[Built], tree: Mapping[str, Any], where: str, above: str = "", base: Built | None = None) -> Built:
    """A dataclass from a tree of plain values.

    Args:
        kind: the dataclass.
        tree: its values by name, tables for the dataclasses inside it.
        where, above: name of the file, and prefix of the keys, in error messages.
        base: values of the keys that are left out, at any depth; by default those of ``kind()``.

    Raises:
        FacetellError: a key is unknown or a value has the wrong type.
    """
    whole = merge(plain(kind() if base is None else base), tree)
    try:
        return TypeAdapter(kind).validate_python(whole)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    path = [str(part) for part in first["loc"]]
    if first["type"] == "unexpected_keyword_argument":
        siblings: Any = plain(kind() if base is None else base)
        for part in path[:-1]:
            siblings = siblings.get(part, {}) if isinstance(siblings, dict) else {}
        near = get_close_matches(path[-1], siblings, 1, 0.5)
        advice = f"did you mean '{above}{'.'.join([*path[:-1], *near])}'?" if near else f"keys: {', '.join(siblings)}"
        raise FacetellError(f"{where}: there is no key '{above}{'.'.join(path)}'; {advice}")
    reason = first["msg"][0].lower() + first["msg"][1:]
    raise FacetellError(f"{where}: '{above}{'.'.join(path)}' is {first['input']!r}: {reason}")


def plain(config: DataclassInstance) -> Tree:
    """The configuration as dicts, lists, strings and numbers, for YAML, JSON and checkpoints."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: bare(item) for key, item in value.items()}
        return [bare(item) for item in value] if isinstance(value, (list, tuple)) else value

    tree: Tree = bare(asdict(config))
    return tree


def to_yaml(config: DataclassInstance) -> str:
    """The whole configuration as YAML; :func:`read_config` reads it back the same."""
    import yaml

    return str(yaml.safe_dump(plain(config), sort_keys=False, allow_unicode=True))
