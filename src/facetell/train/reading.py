"""From YAML and ``key=value`` words to frozen dataclasses: unknown keys and wrong types are refused in a sentence.

A file may begin with ``extends: OTHER.yaml`` (relative to itself): it then says only what differs from that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from facetell.train.config import TrainConfig
from facetell.types import FacetellError, needs_extra

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Built = TypeVar("Built", bound="DataclassInstance")
Tree = dict[str, Any]

_WORDS = {float: "a number", int: "a whole number", bool: "true or false", str: "a word"}


def read_config(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """The run that a YAML file describes, changed by words like ``optim.lr=1e-3``.

    Raises:
        FacetellError: a file is missing or no YAML, a key is unknown, or a value of the wrong type.
    """
    return build(TrainConfig, override(read_tree(path), overrides), path.name)


def read_tree(path: Path) -> Tree:
    """The keys of a YAML file over those of the file that it extends, not checked yet.

    Raises:
        FacetellError: a file is missing, no YAML, extends itself, or is no table of keys.
    """
    return _read_tree(path, ())


def _read_tree(path: Path, below: tuple[Path, ...]) -> Tree:
    try:
        import yaml
    except ImportError:
        raise needs_extra("Reading a configuration", "train") from None
    if path.resolve() in below:
        raise FacetellError(f"{path} extends itself; take one `extends` out")
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise FacetellError(f"there is no configuration at {path}; name a YAML file (some lie in configs/)") from None
    except yaml.YAMLError as error:
        raise FacetellError(f"{path} is not YAML ({' '.join(str(error).split())}); mend it") from None
    if tree is None:
        tree = {}
    if not isinstance(tree, dict):
        raise FacetellError(f"{path} holds no keys; write `key: value` lines")
    base = tree.pop("extends", None)
    if base is None:
        return tree
    return merge(_read_tree(path.parent / str(base), (*below, path.resolve())), tree)


def merge(base: Tree, over: Mapping[str, Any]) -> Tree:
    """``base`` with the keys of ``over`` put over it, table by table.

    >>> merge({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}})
    {'a': {'b': 1, 'c': 3}}
    """
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def override(tree: Tree, words: Sequence[str]) -> Tree:
    """The tree with ``a.b=value`` words put over it; values are written as in YAML.

    Raises:
        FacetellError: a word has no ``=``, or its value is not YAML.
    """
    import yaml

    for word in words:
        key, sign, text = word.partition("=")
        if not sign or not key:
            raise FacetellError(f"'{word}' changes nothing; write key=value, such as optim.lr=1e-3")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise FacetellError(f"the value of '{word}' is not YAML; put it in quotes") from None
        if value is None:
            value = ""
        for part in reversed(key.split(".")):
            value = {part: value}
        tree = merge(tree, value)
    return tree


def build(kind: type[Built], tree: Mapping[str, Any], where: str, above: str = "", base: Built | None = None) -> Built:
    """A dataclass from a tree of plain values; what the tree leaves out, at any depth, has its default.

    Args:
        kind: the dataclass; all of its fields have defaults.
        tree: its values by name; tables for the dataclasses inside it.
        where: begins the sentence of an error.
        above: key of this table in the whole tree, with a dot behind; "" for the whole.
        base: what holds where the tree says nothing; by default the defaults of ``kind``. A table within another
            starts from what the outer one has there: naming one chance of ``batch.degrade`` leaves the others alone.

    Raises:
        FacetellError: a key is unknown or a value of the wrong type.
    """
    hints = get_type_hints(kind)
    for key in tree:
        if key not in hints:
            near = get_close_matches(str(key), hints, 1, 0.5)
            advice = f"did you mean '{above}{near[0]}'?" if near else f"the keys there are {', '.join(hints)}"
            raise FacetellError(f"{where}: there is no key '{above}{key}'; {advice}")
    base = kind() if base is None else base
    return replace(
        base,
        **{key: _fit(hints[key], value, where, f"{above}{key}", getattr(base, key)) for key, value in tree.items()},
    )


def _fit(hint: Any, value: Any, where: str, key: str, base: Any) -> Any:
    """The value as the type says, a table filled up from ``base``; or a sentence."""
    origin, arguments = get_origin(hint), get_args(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        if not isinstance(value, Mapping):
            names = ", ".join(field.name for field in fields(hint))
            raise FacetellError(f"{where}: '{key}' is a table of keys ({names}), not {value!r}")
        return build(hint, value, where, f"{key}.", base)
    if origin is Literal:
        if value not in arguments:
            raise FacetellError(f"{where}: '{key}' is one of {', '.join(map(str, arguments))}, not {value!r}")
        return value
    if origin is tuple:
        return _fit_list(arguments, value, where, key)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise FacetellError(f"{where}: '{key}' is a table of keys, not {value!r}")
        return dict(value)
    if hint is float and isinstance(value, (int, str)) and not isinstance(value, bool):
        try:
            return float(value)  # YAML takes 1e-3 for a word
        except ValueError:
            pass
    elif isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise FacetellError(f"{where}: '{key}' is {_WORDS[hint]}, not {value!r}")


def _fit_list(arguments: tuple[Any, ...], value: Any, where: str, key: str) -> tuple[Any, ...]:
    if isinstance(value, str) and arguments == (str, ...):
        value = [value] if value else []
    if not isinstance(value, (list, tuple)):
        raise FacetellError(f"{where}: '{key}' is a list, not {value!r}; write [a, b]")
    if arguments[-1] is not ... and len(value) != len(arguments):
        raise FacetellError(f"{where}: '{key}' is a list of {len(arguments)}, not of {len(value)}")
    kinds = [arguments[0]] * len(value) if arguments[-1] is ... else arguments
    return tuple(_fit(kind, item, where, key, None) for kind, item in zip(kinds, value, strict=True))


def to_yaml(config: TrainConfig) -> str:
    """The whole configuration as YAML; :func:`read_config` reads it back the same."""
    import yaml

    return str(yaml.safe_dump(plain(config), sort_keys=False, allow_unicode=True))


def plain(config: TrainConfig) -> Tree:
    """The configuration as dicts, lists, strings and numbers: for YAML, JSON and checkpoints."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: bare(item) for key, item in value.items()}
        return [bare(item) for item in value] if isinstance(value, (list, tuple)) else value

    tree: Tree = bare(asdict(config))
    return tree
