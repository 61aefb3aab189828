"""YAML files become frozen, validated values; every error carries file, line and column.

The only module that imports yaml or pydantic. The YAML read here is the core schema of YAML 1.2:
`no`, `on` and `off` are words, not booleans; dates stay text; a key may stand once in a mapping.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from simulate.errors import InvalidInput, Place, Problem, nearest

MAX_BYTES = 1_000_000
MAX_NODES = 200_000
MAX_DEPTH = 40

T = TypeVar("T")
Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """The plain data of one YAML file, and where each part of it stands."""

    file: Path
    data: Any
    digest: str
    keys: Mapping[Path_, tuple[int, int]] = field(repr=False)
    values: Mapping[Path_, tuple[int, int]] = field(repr=False)

    def place(self, path: Iterable[str | int], of_key: bool = False) -> Place:
        """Return where the value (or, with `of_key`, the key) at `path` stands, else its nearest parent."""
        path = tuple(path)
        while path:
            if path not in self.values and isinstance(path[-1], str) and path[-1].lstrip("-").isdigit():
                path = (*path[:-1], int(path[-1]))  # a whole-number key
            mark = (self.keys.get(path) if of_key else None) or self.values.get(path)
            if mark:
                return Place(self.file, *mark)
            path, of_key = path[:-1], False
        return Place(self.file, *self.values.get((), (1, 1)))


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The fast loader where libyaml is there, with YAML 1.2 core scalars."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
):
    for _char in _first:
        _Loader.yaml_implicit_resolvers.setdefault("" if _char == "\0" else _char, []).append(
            (f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"))
        )


def _scalar(node: yaml.ScalarNode) -> Any:
    tag, text = node.tag.rpartition(":")[2], node.value
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    if tag == "int":
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
    if tag == "float":
        return float(text.replace(".inf", "inf").replace(".Inf", "inf").replace(".INF", "inf").replace(
            ".nan", "nan").replace(".NaN", "nan").replace(".NAN", "nan"))
    return text


class _Builder:
    """Turns composed nodes into plain data: mappings, tuples and scalars, with positions."""

    def __init__(self, file: Path) -> None:
        self.file, self.problems, self.count = file, list[Problem](), 0
        self.keys: dict[Path_, tuple[int, int]] = {}
        self.values: dict[Path_, tuple[int, int]] = {}

    def problem(self, node: yaml.Node, what: str, remedy: str) -> None:
        mark = node.start_mark
        self.problems.append(Problem(what, remedy, Place(self.file, mark.line + 1, mark.column + 1)))

    def build(self, node: yaml.Node, path: Path_) -> Any:
        self.count += 1
        mark = node.start_mark
        if self.count > MAX_NODES or len(path) > MAX_DEPTH:
            self.problem(node, "the file unfolds to too many values (aliases of aliases, or nesting without end).",
                         "Write the values out; anchors and aliases may not multiply.")
            raise InvalidInput(self.problems)
        self.values[path] = (mark.line + 1, mark.column + 1)
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return tuple(self.build(child, (*path, index)) for index, child in enumerate(node.value))
        result: dict[str | int, Any] = {}
        for key_node, value_node in node.value:
            key = _scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str | int) or isinstance(key, bool):
                self.problem(key_node, "a key must be a word or a whole number.", "Quote the key if it is a word.")
                continue
            if key in result:
                line = self.keys[(*path, key)][0]
                self.problem(key_node, f"the key {key!r} stands twice in one mapping (first in line {line}).",
                             "Keep one of them.")
                continue
            self.keys[(*path, key)] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            result[key] = self.build(value_node, (*path, key))
        return result


def read(file: Path) -> Document:
    """Read one YAML file into plain data (mappings, tuples, scalars) with positions.

    Raises InvalidInput, with the place, for: a file that is missing, above 1 MB, not UTF-8, empty, not YAML;
    a duplicate key; aliases that multiply or refer to themselves.
    """
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise InvalidInput(Problem(f"the file has {size:,} bytes; at most {MAX_BYTES:,} are read.",
                                       "Split it, or check that it is the file you mean.", Place(file)))
        content = file.read_bytes()
    except OSError as error:
        raise InvalidInput(Problem(f"cannot be read: {error.strerror}.", "Check the path.", Place(file))) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InvalidInput(Problem("is not UTF-8 text.", "Save the file as UTF-8.", Place(file, line))) from None
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
        raise InvalidInput(Problem(f"is not YAML: {error.problem or error.context}.",
                                   "Check indentation, colons, brackets and quotes near this place.", where)) from None
    except yaml.YAMLError as error:
        raise InvalidInput(Problem(f"is not YAML: {str(error).splitlines()[0]}.",
                                   "Remove control characters.", Place(file))) from None
    if node is None:
        raise InvalidInput(Problem("the file is empty.", "It needs at least one key.", Place(file, 1, 1)))
    builder = _Builder(file)
    data = builder.build(node, ())
    if builder.problems:
        raise InvalidInput(builder.problems)
    return Document(file, data, hashlib.sha256(content).hexdigest(), builder.keys, builder.values)


@cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _field_names(kind: Any, path: Iterable[str | int]) -> list[str]:
    """Return the field names of the record that `path` leads to inside `kind`, as far as types tell."""
    import dataclasses
    import typing

    for step in (*path, None):
        for _ in range(4):  # unwrap Optional, Annotated, containers
            if dataclasses.is_dataclass(kind):
                break
            arguments = [a for a in typing.get_args(kind) if a not in (type(None), Ellipsis)]
            if not arguments:
                return []
            kind = arguments[-1]
        if step is None:
            break
        if dataclasses.is_dataclass(kind) and isinstance(step, str):
            hints = typing.get_type_hints(kind)
            if step not in hints:
                return []
            kind = hints[step]
    return [f.name for f in dataclasses.fields(kind) if f.init] if dataclasses.is_dataclass(kind) else []


def _explain(error: Mapping[str, Any], kind: Any) -> tuple[str, str, bool]:
    """Return what is wrong, the remedy, and whether the key (not the value) is at fault."""
    path = error["loc"]
    name = str(next((step for step in reversed(path) if step not in ("int", "float")), ""))
    context, shown = error.get("ctx", {}), error.get("input")
    match error["type"]:
        case "missing" | "missing_keyword_only_argument" | "missing_argument":
            return f"{name!r} is missing.", f"Add the key {name!r}.", False
        case "unexpected_keyword_argument" | "extra_forbidden":
            known = _field_names(kind, path[:-1])
            return f"no such key: {name!r}.", nearest(name, known, "Keys"), True
        case "literal_error":
            allowed = re.findall(r"'([^']+)'", str(context.get("expected", "")))
            return f"{name}: {shown!r} is not allowed.", nearest(str(shown), allowed, "Allowed"), False
        case "float_type" | "int_type" | "float_parsing" | "int_parsing":
            return f"{name}: {shown!r} is not a number.", "Write a plain number without unit or quotes.", False
        case "finite_number":
            return f"{name}: {shown!r} is not a finite number.", "Write a finite number.", False
        case "bool_type":
            return f"{name}: {shown!r} is neither true nor false.", "Write true or false.", False
        case "string_type":
            return f"{name}: {shown!r} is not text.", "Put the word in quotes.", False
        case "tuple_type" | "list_type":
            return f"{name}: a list is needed here, not {shown!r}.", "Write [a, b, …] or one item per line with '- '.", False
        case "dict_type" | "dataclass_type" | "dataclass_exact_type" | "mapping_type":
            return f"{name}: a mapping (key: value) is needed here.", "", False
        case "value_error":
            what, _, remedy = str(context.get("error", error["msg"])).partition("\n")
            return what, remedy.strip(), False
        case _:
            return f"{name}: {error['msg']}.", "", False


def validate(kind: type[T] | Any, document: Document, path: Path_ = ()) -> T:
    """Return the part of `document` at `path` as a value of the frozen dataclass `kind`.

    Every problem in it is gathered into one InvalidInput, each with file, line and column.
    """
    from pydantic import ValidationError

    data = document.data
    for step in path:
        data = data[step]
    if data is None or (not isinstance(data, dict) and not isinstance(data, tuple)):
        raise InvalidInput(Problem("a mapping (key: value) is needed here.", "", document.place(path)))
    try:
        # through JSON: there strict means "a number is a number", and a mapping may still become a record
        result: T = _adapter(kind).validate_json(json.dumps(data))
        return result
    except ValidationError as caught:
        problems = []
        for error in caught.errors(include_url=False):
            what, remedy, of_key = _explain(error, kind)
            where = (*path, *(step for step in error["loc"] if step not in ("int", "float")))  # arms of int | float
            field_name = what.partition(":")[0]
            if error["type"] == "value_error" and (*where, field_name) in document.values:
                where = (*where, field_name)
            problems.append(Problem(what, remedy, document.place(where, of_key)))
        raise InvalidInput(problems) from None


def data_folder(name: str) -> Path:
    """Return the folder `name` (seeds, scenarios) of this installation: inside the wheel, or beside a source checkout."""
    package = Path(__file__).parent
    inside = package / "_data" / name
    return inside if inside.is_dir() else package.parent / name


def data_file(name: str) -> Path:
    """Return a data file that lies in the package itself."""
    return Path(__file__).with_name(name)
